// SPDX-License-Identifier: Apache-2.0

/// What one entry takes of the capacity. The one place that says so.
///
/// The sum is what the process really holds for the entry: its slot, its share of the index (4 bytes a place, of which 3/8 to 13/16 are
/// taken and 2/3 on average: 8 bytes are a little too much), the copy of a long key, the value's bytes and what the codec says it costs
/// beyond them, its sidecar; under `.s3fifo` also its share of the ghost queue. Slots and places that are free for the moment are so few,
/// because slab and index shrink with what they hold, that what the shares leave over covers them.
@usableFromInline
struct EntryFootprint: Sendable, Hashable {
    /// Bytes of a slot: header and value, as laid out.
    @usableFromInline let stride: Int
    /// Bytes of a ghost for each of this node's own entries.
    @usableFromInline let ghostShare: Int

    @usableFromInline
    init(stride: Int, ghosts: Bool) {
        self.stride = stride
        self.ghostShare = ghosts ? 16 : 0
    }

    @inlinable static var indexShare: Int { 8 }

    /// Bytes of everything for a value of `payload` bytes that cost `overhead` more, under a key of `keyLength` bytes, with a sidecar of
    /// `sidecar` bytes; 0 is none.
    @usableFromInline
    func bytes(keyLength: Int, payload: Int, overhead: Int, near: Bool, sidecar: Int = 0) -> Int {
        // A short key makes room for the sidecar.
        let key = keyLength > PackedKey.inlineLength || sidecar > 0 ? MallocChunk.size(keyLength) : 0
        return self.stride + Self.indexShare + (near ? 0 : self.ghostShare) + key + payload + overhead + sidecar
    }

    func bytes(_ header: borrowing EntryHeader) -> Int {
        let sidecar = header.sidecar?._withUnsafeGuaranteedRef { $0.bytes } ?? 0
        return self.bytes(
            keyLength: header.keyLength,
            payload: Int(header.payload),
            overhead: header.overhead,
            near: header.isNear,
            sidecar: sidecar
        )
    }
}

/// A ``ValueSize`` as an entry keeps it, so that what was added is exactly what is subtracted later.
@usableFromInline
struct EntrySize: Sendable, Hashable {
    @usableFromInline let payload: UInt32
    @usableFromInline let overhead: Int16

    /// `nil` for more than 4 GiB. Overhead above ``EntryHeader/maximumOverhead`` counts as payload; nothing costs less than nothing.
    @usableFromInline
    init?(_ size: ValueSize) {
        let least = max(EntryHeader.minimumOverhead, -max(0, size.payload))
        let overhead = min(max(least, size.overhead), EntryHeader.maximumOverhead)
        let (payload, overflow) = max(0, size.payload).addingReportingOverflow(max(0, size.overhead - max(0, overhead)))
        guard !overflow, let payload = UInt32(exactly: payload) else { return nil }
        self.payload = payload
        self.overhead = Int16(overhead)
    }
}

/// What an allocation really takes from the heap.
enum MallocChunk {
    /// The size of glibc's chunk for a request of `count` bytes: an 8-byte header, rounded up to 16, at least 32. Other allocators round
    /// alike or less.
    static func size(_ count: Int) -> Int {
        max(32, (count + 8 + 15) & ~15)
    }
}

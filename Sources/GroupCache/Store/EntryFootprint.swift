/// What one entry takes of the capacity. The one place that says so.
///
/// The sum is what the process really holds for the entry: its slot, its share of the index (4 bytes a place, at most 7/8 and
/// after doubling 7/16 of the places taken: 8 bytes on average is a little too much), the copy of a long key, the value's bytes and what the
/// codec says it costs beyond them; under `.s3fifo` also its share of the ghost queue.
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

    /// Bytes of everything for a value of `payload` bytes that cost `overhead` more, under a key of `keyLength` bytes.
    @usableFromInline
    func bytes(keyLength: Int, payload: Int, overhead: Int, near: Bool) -> Int {
        let key = keyLength > PackedKey.inlineLength ? MallocChunk.size(keyLength) : 0
        return self.stride + Self.indexShare + (near ? 0 : self.ghostShare) + key + payload + overhead
    }

    func bytes(_ header: borrowing EntryHeader) -> Int {
        self.bytes(keyLength: Int(header.keyLength), payload: Int(header.payload), overhead: header.overhead, near: header.isNear)
    }
}

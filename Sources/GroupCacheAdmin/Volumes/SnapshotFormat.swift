// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// What stands in a snapshot file, and in what order. All numbers are little-endian; a varint is seven bits a byte, least first.
///
///     magic  8 bytes      89 47 43 53 4E 41 50 0A: the first byte is no text, and the last one does not survive a transfer as text
///     version  u16        1; whoever reads a greater one stops here
///     flags  u16          1: there are values
///     length  u32         of the head's body
///     body                file id u64, moment i64 (milliseconds since 1970), group and schema as u16 length and UTF-8 (no schema: length 0)
///     checksum  u64       XXH64 of all before
///
///     then chunks, each   length u32 of the body, records u32 (at least 1), body, checksum u64: XXH64 of the chunk before it, seeded with the
///                         file's id and the number of the chunk, so that a chunk of another file or from another place is none
///     then the end        length 16, records 0, body: all records u64, all chunks u64; checksum. Nothing follows it.
///
/// A chunk's body is its moment (i64, milliseconds since 1970), and records: flags u8, hotness u8, key (varint length, bytes), age varint, time left
/// varint if flag 4, cost varint, attributes if flag 8, value (varint length, bytes) if flag 2. So each time is known as a span, and with the chunk's moment
/// as a moment. Records are in the order in which they were found: under `.lru` what was used last comes first, roughly, and what was used while the snapshot
/// was written comes last. Which are wanted first says their hotness.
///
/// Whoever reads believes no length: see ``SnapshotDecoder``.
enum SnapshotFormat {
    static let magic: [UInt8] = [0x89, 0x47, 0x43, 0x53, 0x4E, 0x41, 0x50, 0x0A]
    static let version: UInt16 = 1
    /// Magic, version, flags and length.
    static let prefixLength = 16
    static let longestHeadBody = 1_024
    /// A chunk is written when it has come to this size.
    static let chunkTarget = 128 << 10
    /// A longer value is not kept, its key is.
    static let longestValue = 256 << 10
    /// Room for the target, and one more record of the largest kind.
    static let longestChunk = 1 << 20
    /// The least that a record takes: flags, hotness, a key of one byte, age and cost.
    static let shortestRecord = 6
    /// The longest span that is believed, 34 years, in milliseconds; and the longest load, a day, in microseconds.
    static let longestSpan: Int64 = 1 << 40
    static let longestCost: Int64 = 86_400_000_000

    struct Flags {
        static let values: UInt16 = 1
        static let negative: UInt8 = 1
        static let value: UInt8 = 2
        static let timeLeft: UInt8 = 4
        static let attributes: UInt8 = 8
        static let known: UInt8 = 15
    }

    static func seed(_ file: UInt64, chunk: UInt64) -> UInt64 { file &+ (chunk &+ 1) &* 0x9E37_79B9_7F4A_7C15 }
}

/// What the head of a snapshot says.
struct SnapshotHead: Sendable, Hashable {
    /// A random number, by which the file's chunks know each other.
    var id: UInt64
    /// When it was begun, in milliseconds since 1970.
    var moment: Int64
    var group: String
    var schema: String?
    var hasValues: Bool
}

/// Turns entries into the bytes of a snapshot: a value, which holds at most a chunk.
struct SnapshotEncoder: Sendable {
    let head: SnapshotHead
    private var chunk: [UInt8] = []
    private var inChunk: UInt32 = 0
    private var moment: Int64 = 0
    private(set) var records: UInt64 = 0
    private(set) var chunks: UInt64 = 0

    init(_ head: SnapshotHead) { self.head = head }

    /// How a file begins.
    func begin() -> [UInt8] {
        var body: [UInt8] = []
        body.append(fixed: self.head.id)
        body.append(fixed: UInt64(bitPattern: self.head.moment))
        for text in [self.head.group, self.head.schema ?? ""] {
            body.append(fixed: UInt16(truncatingIfNeeded: text.utf8.count))
            body += text.utf8
        }
        var bytes = SnapshotFormat.magic
        bytes.append(fixed: SnapshotFormat.version)
        bytes.append(fixed: self.head.hasValues ? SnapshotFormat.Flags.values : 0)
        bytes.append(fixed: UInt32(body.count))
        bytes += body
        bytes.append(fixed: XXH64.hash(bytes.span))
        return bytes
    }

    /// Adds an entry as it is at a moment (milliseconds since 1970). An entry without a key, or with a longer one than there are, is left out.
    ///
    /// - Returns: A chunk to be written, if one is full.
    mutating func add(_ entry: KeptEntry, at moment: Int64) -> [UInt8]? {
        guard (1...Key.maximumLength).contains(entry.key.count) else { return nil }
        var full: [UInt8]?
        // All entries of a chunk have one moment: spans that were measured a little later are made out from that one. A clock that was set begins a new one.
        if self.inChunk > 0, self.chunk.count >= SnapshotFormat.chunkTarget || !(0...10_000).contains(moment &- self.moment) {
            full = self.flush()
        }
        if self.inChunk == 0 {
            self.moment = moment
            self.chunk.reserveCapacity(SnapshotFormat.chunkTarget + (8 << 10))
            self.chunk.append(fixed: UInt32(0))
            self.chunk.append(fixed: UInt32(0))
            self.chunk.append(fixed: UInt64(bitPattern: moment))
        }
        let later = self.inChunk == 0 ? 0 : moment - self.moment
        let value =
            self.head.hasValues && !entry.isNegative ? entry.value.flatMap { $0.count <= SnapshotFormat.longestValue ? $0 : nil } : nil
        let attributes = value == nil ? .none : entry.attributes
        var flags: UInt8 = entry.isNegative ? SnapshotFormat.Flags.negative : 0
        if value != nil { flags |= SnapshotFormat.Flags.value }
        if entry.timeLeft != nil { flags |= SnapshotFormat.Flags.timeLeft }
        if !attributes.isNone { flags |= SnapshotFormat.Flags.attributes }
        self.chunk.append(flags)
        self.chunk.append(entry.hotness)
        self.chunk.append(varint: UInt64(entry.key.count))
        self.chunk += entry.key
        self.chunk.append(varint: UInt64(min(max(0, entry.age - later), SnapshotFormat.longestSpan)))
        if let left = entry.timeLeft {
            self.chunk.append(varint: UInt64(min(max(0, left), SnapshotFormat.longestSpan - later) + later))
        }
        self.chunk.append(varint: UInt64(min(max(0, entry.cost), SnapshotFormat.longestCost)))
        if !attributes.isNone { self.chunk.append(attributes) }
        if let value {
            self.chunk.append(varint: UInt64(value.count))
            value.withUnsafeBytes { self.chunk += $0 }
        }
        self.inChunk += 1
        self.records += 1
        return full
    }

    /// What is left of entries, and the end.
    mutating func end() -> [UInt8] {
        var bytes = self.flush() ?? []
        var last: [UInt8] = []
        last.append(fixed: UInt32(16))
        last.append(fixed: UInt32(0))
        last.append(fixed: self.records)
        last.append(fixed: self.chunks)
        last.append(fixed: XXH64.hash(last.span, seed: SnapshotFormat.seed(self.head.id, chunk: self.chunks)))
        bytes += last
        return bytes
    }

    /// The chunk that has gathered.
    mutating func flush() -> [UInt8]? {
        guard self.inChunk > 0 else { return nil }
        var bytes: [UInt8] = []
        swap(&bytes, &self.chunk)
        bytes.set(UInt32(bytes.count - 8), at: 0)
        bytes.set(self.inChunk, at: 4)
        bytes.append(fixed: XXH64.hash(bytes.span, seed: SnapshotFormat.seed(self.head.id, chunk: self.chunks)))
        self.inChunk = 0
        self.chunks += 1
        return bytes
    }
}

extension [UInt8] {
    fileprivate mutating func append(fixed value: some FixedWidthInteger) {
        var rest = value
        for _ in 0..<(value.bitWidth / 8) {
            self.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    fileprivate mutating func set(_ value: UInt32, at offset: Int) {
        for index in 0..<4 { self[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
    }

    fileprivate mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            self.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.append(UInt8(rest))
    }

    fileprivate mutating func append(_ attributes: EntryAttributes) {
        for text in [attributes.contentType, attributes.directives, attributes.lastModified] {
            self.append(varint: UInt64(text?.utf8.count ?? 0))
            self += text.map { Array($0.utf8) } ?? []
        }
        self.append(varint: UInt64(attributes.date ?? 0))
        self.append(varint: UInt64(attributes.tags.count))
        for tag in attributes.tags {
            self.append(varint: UInt64(tag.utf8.count))
            self += tag.utf8
        }
    }
}

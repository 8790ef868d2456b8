// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// Reads the bytes of a snapshot: a value that says how many bytes it needs next and is given just those.
///
/// Nothing in the file is believed before its checksum has been compared, and no length before it has been compared with the longest that there is: it never
/// asks for more than a megabyte, and holds one chunk at a time. What is wrong is an error, whatever the bytes are.
struct SnapshotDecoder: Sendable {
    /// What was read.
    enum Step: Sendable, Hashable {
        /// More is needed.
        case more
        case head(SnapshotHead)
        /// Entries, as they were at a moment (milliseconds since 1970).
        case entries([KeptEntry], moment: Int64)
        /// That was all: nothing may follow.
        case end(records: UInt64)
    }

    private enum State {
        case prefix
        case head(prefix: [UInt8], flags: UInt16)
        case chunkHead
        case chunk(head: [UInt8], records: UInt32)
        case done
    }

    private var state = State.prefix
    private var id: UInt64 = 0
    private var hasValues = false
    private var records: UInt64 = 0
    private var chunks: UInt64 = 0

    /// How many bytes the next call of ``read(_:)`` is to be given; 0: it has come to the end.
    private(set) var needed = SnapshotFormat.prefixLength

    /// Takes the next ``needed`` bytes.
    ///
    /// - Throws: what is wrong with them; after that there is nothing more to be read.
    mutating func read(_ bytes: [UInt8]) throws(SnapshotError) -> Step {
        guard bytes.count == self.needed else { throw SnapshotError(.truncated, "it ends too early") }
        switch self.state {
        case .prefix:
            guard bytes.starts(with: SnapshotFormat.magic) else { throw SnapshotError(.foreign, "it is no snapshot") }
            var reader = SnapshotReader(bytes, from: SnapshotFormat.magic.count)
            let version: UInt16 = try reader.fixed()
            guard version <= SnapshotFormat.version else {
                throw SnapshotError(.newer, "it is of version \(version), and this program reads versions up to \(SnapshotFormat.version)")
            }
            guard version > 0 else { throw .damaged }
            let flags: UInt16 = try reader.fixed()
            let length: UInt32 = try reader.fixed()
            guard (20...SnapshotFormat.longestHeadBody).contains(Int(length)) else { throw .damaged }
            self.state = .head(prefix: bytes, flags: flags)
            self.needed = Int(length) + 8
            return .more
        case .head(let prefix, let flags):
            let head = try Self.head(prefix, bytes, flags)
            (self.id, self.hasValues) = (head.id, head.hasValues)
            self.state = .chunkHead
            self.needed = 8
            return .head(head)
        case .chunkHead:
            var reader = SnapshotReader(bytes, from: 0)
            let length: UInt32 = try reader.fixed()
            let records: UInt32 = try reader.fixed()
            guard length <= SnapshotFormat.longestChunk, records == 0 ? length == 16 : length >= 8 + SnapshotFormat.shortestRecord,
                Int(records) <= (Int(length) - 8) / SnapshotFormat.shortestRecord || records == 0
            else { throw .damaged }
            self.state = .chunk(head: bytes, records: records)
            self.needed = Int(length) + 8
            return .more
        case .chunk(let head, let records):
            return try self.chunk(head, bytes, records)
        case .done: throw SnapshotError(.corrupt, "something follows its end")
        }
    }

    private static func head(_ prefix: [UInt8], _ bytes: [UInt8], _ flags: UInt16) throws(SnapshotError) -> SnapshotHead {
        let all = prefix + bytes
        try Self.check(all, seed: 0)
        guard flags & ~SnapshotFormat.Flags.values == 0 else { throw .damaged }
        var reader = SnapshotReader(all, from: prefix.count, to: all.count - 8)
        let id: UInt64 = try reader.fixed()
        let moment: UInt64 = try reader.fixed()
        let group = try reader.text(length: Int(try reader.fixed() as UInt16))
        let schema = try reader.text(length: Int(try reader.fixed() as UInt16))
        guard reader.isAtEnd else { throw .damaged }
        return SnapshotHead(
            id: id,
            moment: Int64(bitPattern: moment),
            group: group,
            schema: schema.isEmpty ? nil : schema,
            hasValues: flags & SnapshotFormat.Flags.values != 0
        )
    }

    private mutating func chunk(_ head: [UInt8], _ bytes: [UInt8], _ count: UInt32) throws(SnapshotError) -> Step {
        let all = head + bytes
        try Self.check(all, seed: SnapshotFormat.seed(self.id, chunk: self.chunks))
        var reader = SnapshotReader(all, from: head.count, to: all.count - 8)
        if count == 0 {
            let records: UInt64 = try reader.fixed()
            let chunks: UInt64 = try reader.fixed()
            guard records == self.records, chunks == self.chunks else { throw .damaged }
            self.state = .done
            self.needed = 0
            return .end(records: records)
        }
        let moment = Int64(bitPattern: try reader.fixed() as UInt64)
        var entries: [KeptEntry] = []
        entries.reserveCapacity(Int(count))
        for _ in 0..<count { entries.append(try reader.entry(values: self.hasValues)) }
        guard reader.isAtEnd else { throw .damaged }
        self.records += UInt64(count)
        self.chunks += 1
        self.state = .chunkHead
        self.needed = 8
        return .entries(entries, moment: moment)
    }

    /// The last eight bytes are the checksum of those before.
    private static func check(_ all: [UInt8], seed: UInt64) throws(SnapshotError) {
        var reader = SnapshotReader(all, from: all.count - 8)
        let stated: UInt64 = try reader.fixed()
        guard XXH64.hash(all.span.extracting(0..<(all.count - 8)), seed: seed) == stated else {
            throw SnapshotError(.corrupt, "its bytes do not agree with their checksum")
        }
    }
}

extension SnapshotError {
    static let damaged = SnapshotError(.corrupt, "its bytes make no sense")
}

/// Takes numbers and texts out of bytes, never beyond their end.
private struct SnapshotReader {
    let bytes: [UInt8]
    var place: Int
    let end: Int

    init(_ bytes: [UInt8], from start: Int, to end: Int? = nil) {
        self.bytes = bytes
        self.place = start
        self.end = end ?? bytes.count
    }

    var isAtEnd: Bool { self.place == self.end }

    mutating func fixed<T: FixedWidthInteger>() throws(SnapshotError) -> T {
        let count = T.bitWidth / 8
        guard self.end - self.place >= count else { throw .damaged }
        var value: T = 0
        for index in 0..<count { value |= T(truncatingIfNeeded: self.bytes[self.place + index]) << T(8 * index) }
        self.place += count
        return value
    }

    mutating func byte() throws(SnapshotError) -> UInt8 {
        guard self.place < self.end else { throw .damaged }
        self.place += 1
        return self.bytes[self.place - 1]
    }

    mutating func varint(atMost limit: Int64) throws(SnapshotError) -> Int64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 63, by: 7) {
            let byte = try self.byte()
            value |= UInt64(byte & 0x7F) << shift
            guard byte & 0x80 == 0 else { continue }
            guard value <= UInt64(limit) else { throw .damaged }
            return Int64(value)
        }
        throw .damaged
    }

    mutating func slice(length: Int) throws(SnapshotError) -> ArraySlice<UInt8> {
        guard length >= 0, length <= self.end - self.place else { throw .damaged }
        self.place += length
        return self.bytes[(self.place - length)..<self.place]
    }

    mutating func text(length: Int) throws(SnapshotError) -> String {
        guard let text = String(validating: try self.slice(length: length), as: UTF8.self) else { throw .damaged }
        return text
    }

    mutating func entry(values: Bool) throws(SnapshotError) -> KeptEntry {
        let flags = try self.byte()
        guard flags & ~SnapshotFormat.Flags.known == 0 else { throw .damaged }
        let hotness = try self.byte()
        let length = Int(try self.varint(atMost: Int64(Key.maximumLength)))
        guard length > 0 else { throw .damaged }
        var entry = KeptEntry(key: Array(try self.slice(length: length)), hotness: hotness)
        entry.isNegative = flags & SnapshotFormat.Flags.negative != 0
        entry.age = try self.varint(atMost: SnapshotFormat.longestSpan)
        if flags & SnapshotFormat.Flags.timeLeft != 0 { entry.timeLeft = try self.varint(atMost: SnapshotFormat.longestSpan) }
        entry.cost = try self.varint(atMost: SnapshotFormat.longestCost)
        let hasValue = flags & SnapshotFormat.Flags.value != 0
        guard !hasValue || values && !entry.isNegative else { throw .damaged }
        if flags & SnapshotFormat.Flags.attributes != 0 {
            guard hasValue else { throw .damaged }
            entry.attributes = try self.attributes()
        }
        if hasValue {
            let length = Int(try self.varint(atMost: Int64(SnapshotFormat.longestValue)))
            entry.value = ByteView(try self.slice(length: length))
        }
        return entry
    }

    private mutating func attributes() throws(SnapshotError) -> EntryAttributes {
        let longest = Int64(EntryAttributes.maximumSize)
        var texts: [String] = []
        for _ in 0..<3 { texts.append(try self.text(length: Int(try self.varint(atMost: longest)))) }
        let date = try self.varint(atMost: EntryAttributes.dates.upperBound)
        let count = try self.varint(atMost: 64)
        var tags: [String] = []
        for _ in 0..<count { tags.append(try self.text(length: Int(try self.varint(atMost: longest)))) }
        do throws(GroupCacheError) {
            return try EntryAttributes(
                contentType: texts[0],
                directives: texts[1],
                lastModified: texts[2],
                date: date == 0 ? nil : date
            ).adding(tags: tags)
        } catch {
            throw .damaged
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache
@testable import GroupCacheAdmin

/// The bytes of a snapshot: what is written is read, and whatever else there may be in a file is an error.
@Suite struct SnapshotFormatTests {
    static let head = SnapshotHead(id: 0x0123_4567_89AB_CDEF, moment: 1_700_000_000_000, group: "scores", schema: "v2", hasValues: true)

    static func entries() throws -> [KeptEntry] {
        let attributes = try EntryAttributes(
            contentType: "text/plain",
            directives: "public",
            lastModified: "yesterday",
            date: 784_111_777
        ).adding(tags: ["team", "x"])
        return [
            KeptEntry(key: Array("Tom".utf8), hotness: 255, age: 1, timeLeft: 2, cost: 3, value: "630", attributes: attributes),
            KeptEntry(key: [0, 255, 10], hotness: 7, age: 1 << 40, timeLeft: 0, value: ByteView([])),
            KeptEntry(key: Array("none".utf8), isNegative: true, timeLeft: 1 << 40, cost: 86_400_000_000),
            KeptEntry(key: [UInt8](repeating: 65, count: 4_096), value: ByteView([UInt8](repeating: 1, count: 300))),
        ]
    }

    static func bytes(_ entries: [KeptEntry], head: SnapshotHead = head, moment: Int64 = 5) -> [UInt8] {
        var encoder = SnapshotEncoder(head)
        var bytes = encoder.begin()
        for entry in entries { bytes += encoder.add(entry, at: moment) ?? [] }
        return bytes + encoder.end()
    }

    /// Reads all bytes as a file is read.
    static func read(_ bytes: [UInt8]) throws -> (head: SnapshotHead?, entries: [KeptEntry], records: UInt64?) {
        var decoder = SnapshotDecoder()
        var place = 0
        var result: (head: SnapshotHead?, entries: [KeptEntry], records: UInt64?) = (nil, [], nil)
        while true {
            let needed = decoder.needed
            // Nothing in a file makes it ask for more than this.
            guard needed > 0, needed <= (1 << 20) + 8 else { throw SnapshotError(.corrupt, "it asks for \(needed) bytes") }
            let piece = Array(bytes[place..<min(bytes.count, place + needed)])
            place += piece.count
            switch try decoder.read(piece) {
            case .more: continue
            case .head(let head): result.head = head
            case .entries(let entries, _): result.entries += entries
            case .end(let records):
                result.records = records
                guard place == bytes.count else { throw SnapshotError(.corrupt, "something follows its end") }
                return result
            }
        }
    }

    @Test func `What is written is read`() throws {
        let entries = try Self.entries()
        let read = try Self.read(Self.bytes(entries))
        #expect(read.head == Self.head && read.entries == entries && read.records == 4)
        let none = try Self.read(Self.bytes([]))
        #expect(none.head == Self.head && none.entries.isEmpty && none.records == 0)
    }

    @Test func `Without values only keys and times are written`() throws {
        var head = Self.head
        (head.hasValues, head.schema) = (false, nil)
        let bytes = Self.bytes(try Self.entries(), head: head)
        let read = try Self.read(bytes)
        #expect(read.head == head && read.entries.allSatisfy { $0.value == nil && $0.attributes.isNone })
        #expect(read.entries.map(\.key) == (try Self.entries()).map(\.key))
        #expect(String(decoding: bytes, as: UTF8.self).contains("Tom") && !String(decoding: bytes, as: UTF8.self).contains("630"))
    }

    @Test func `Every file that ends too early is refused`() throws {
        let bytes = Self.bytes(try Self.entries())
        for length in 0..<bytes.count {
            #expect(throws: SnapshotError.self, "\(length) of \(bytes.count)") { try Self.read(Array(bytes[..<length])) }
        }
    }

    @Test func `Every byte that is another one is found`() throws {
        let bytes = Self.bytes(try Self.entries().dropLast())
        for index in bytes.indices {
            for flip: UInt8 in [1, 0x80, 0xFF] {
                var other = bytes
                other[index] ^= flip
                #expect(throws: SnapshotError.self, "byte \(index) of \(bytes.count)") { try Self.read(other) }
            }
        }
    }

    @Test func `What follows the end is refused`() throws {
        #expect(throws: SnapshotError.self) { try Self.read(Self.bytes([]) + [0]) }
    }

    private func code(_ bytes: [UInt8]) -> SnapshotError.Code? {
        do {
            _ = try Self.read(bytes)
            return nil
        } catch {
            return (error as? SnapshotError)?.code
        }
    }

    @Test func `What is wrong is said by name`() throws {
        let bytes = Self.bytes(try Self.entries())
        #expect(self.code(Array("key,value\nTom,630\nJack,589\n".utf8)) == .foreign)
        #expect(self.code([]) == .truncated)
        var newer = bytes
        newer[8] = 2
        #expect(self.code(newer) == .newer)
        var damaged = bytes
        damaged[bytes.count / 2] ^= 1
        #expect(self.code(damaged) == .corrupt)
        #expect(self.code(Array(bytes.dropLast(5))) == .truncated)
    }

    @Test func `Chunks of another file, twice the same chunk, or chunks in another order are refused`() throws {
        // Each entry is half a chunk: two chunks and the end.
        let large = (0..<4).map { KeptEntry(key: [UInt8($0 + 65)], value: ByteView([UInt8](repeating: UInt8($0), count: 100_000))) }
        func parts(_ head: SnapshotHead) -> [[UInt8]] {
            var encoder = SnapshotEncoder(head)
            var parts = [encoder.begin()]
            for entry in large { if let chunk = encoder.add(entry, at: 5) { parts.append(chunk) } }
            if let chunk = encoder.flush() { parts.append(chunk) }
            return parts + [encoder.end()]
        }
        let own = parts(Self.head)
        #expect(own.count == 4)
        #expect(try Self.read(own.flatMap(\.self)).entries.count == 4)
        var other = Self.head
        other.id += 1
        let foreign = parts(other)
        for mixed in [
            [own[0], own[2], own[1], own[3]], [own[0], own[1], own[1], own[2], own[3]], [own[0], own[1], own[3]],
            [own[0], foreign[1], own[2], own[3]], [foreign[0], own[1], own[2], own[3]],
        ] {
            #expect(self.code(mixed.flatMap(\.self)) == .corrupt)
        }
    }

    @Test func `Lengths that lie are refused though their checksum is right`() throws {
        // As somebody writes who knows the format.
        func file(chunk body: [UInt8], records: UInt32) -> [UInt8] {
            var encoder = SnapshotEncoder(Self.head)
            var chunk: [UInt8] = []
            for shift in [0, 8, 16, 24] { chunk.append(UInt8(truncatingIfNeeded: body.count >> shift)) }
            for shift: UInt32 in [0, 8, 16, 24] { chunk.append(UInt8(truncatingIfNeeded: records >> shift)) }
            chunk += body
            let hash = XXH64.hash(chunk.span, seed: SnapshotFormat.seed(Self.head.id, chunk: 0))
            for shift in stride(from: UInt64(0), to: 64, by: 8) { chunk.append(UInt8(truncatingIfNeeded: hash >> shift)) }
            return encoder.begin() + chunk + encoder.end()
        }
        let moment: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
        #expect(self.code(file(chunk: moment + [0, 0, 1, 65, 0, 0], records: 1)) == .corrupt)  // The end counts none.
        for record: [UInt8] in [
            [0, 0, 0, 0, 0, 0, 0],  // no key
            [0, 0, 0xFF, 0xFF, 0xFF, 0x7F, 65],  // a key of 256 MiB
            [0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],  // and of more than there is
            [2, 0, 1, 65, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F],  // a value of 256 MiB
            [3, 0, 1, 65, 0, 0, 0],  // a negative one with a value
            [16, 0, 1, 65, 0, 0],  // a flag that there is not
            [8, 0, 1, 65, 0, 0, 0],  // attributes of no value
            [0, 0, 1, 65, 0, 0, 0],  // more than a record
        ] {
            #expect(self.code(file(chunk: moment + record, records: 1)) == .corrupt, "\(record)")
        }
        #expect(self.code(file(chunk: moment + [0, 0, 1, 65, 0, 0], records: 2)) == .corrupt)
        #expect(self.code(file(chunk: moment + [0, 0, 1, 65, 0, 0], records: .max)) == .corrupt)
        #expect(self.code(file(chunk: [], records: 1)) == .corrupt)
    }

    @Test func `Chunks are bounded, and what is too large is kept without its value`() throws {
        var encoder = SnapshotEncoder(Self.head)
        var longest = encoder.begin().count
        for number in 0..<3_000 {
            let size = number % 10 == 0 ? 256 << 10 : 50
            let entry = KeptEntry(key: Array("key\(number)".utf8), value: ByteView([UInt8](repeating: 1, count: size)))
            if let chunk = encoder.add(entry, at: 5) { longest = max(longest, chunk.count) }
        }
        #expect(longest < SnapshotFormat.longestChunk)
        let huge = KeptEntry(key: [65], value: ByteView([UInt8](repeating: 1, count: (256 << 10) + 1)))
        #expect(try Self.read(Self.bytes([huge])).entries == [KeptEntry(key: [65])])
        // What no group can have is left out.
        let odd = [KeptEntry(key: []), KeptEntry(key: [UInt8](repeating: 1, count: 4_097))]
        #expect(try Self.read(Self.bytes(odd)).entries.isEmpty)
    }

    @Test func `Times are of each entry's own moment, whatever the clock does`() throws {
        var encoder = SnapshotEncoder(Self.head)
        var bytes = encoder.begin()
        // On, a little on, a jump back, a jump far on.
        for (index, moment) in [1_000, 1_600, 500, Int64.max - 1].enumerated() {
            bytes += encoder.add(KeptEntry(key: [UInt8(65 + index)], age: 2_000, timeLeft: 9_000), at: moment) ?? []
        }
        bytes += encoder.end()
        var decoder = SnapshotDecoder()
        var place = 0
        var ends: [Int64] = []
        var starts: [Int64] = []
        loop: while true {
            let needed = decoder.needed
            defer { place += needed }
            switch try decoder.read(Array(bytes[place..<(place + needed)])) {
            case .entries(let entries, let moment):
                ends += entries.map { moment &+ ($0.timeLeft ?? 0) }
                starts += entries.map { moment - $0.age }
            case .end: break loop
            case .more, .head: continue
            }
        }
        #expect(ends == [10_000, 10_600, 9_500, (Int64.max - 1) &+ 9_000])
        #expect(starts == [-1_000, -400, -1_500, Int64.max - 2_001])
    }
}

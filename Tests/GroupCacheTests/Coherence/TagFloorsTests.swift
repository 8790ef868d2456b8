// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite("Tags") struct TagFloorsTests {
    private func tag(_ name: String) -> UInt64 { EntryTag.number(of: name) }

    @Test("a tag has 1 to 128 bytes, and a value at most 8 of them, each once")
    func limits() throws {
        #expect(EntryTag("") == nil && EntryTag(String(repeating: "x", count: 129)) == nil)
        #expect(EntryTag(String(repeating: "x", count: 128)) != nil && EntryTag(bytes: [0xFF]) != nil)
        #expect(EntryTag(bytes: repeatElement(UInt8(1), count: 1 << 30).lazy) == nil)
        #expect(try EntryTag.list(["a", "b", "a"]) == [EntryTag("a"), EntryTag("b")])
        #expect(try #require(EntryTag("größe")).number == EntryTag.number(of: "größe"))
        #expect(try EntryTag.list(Array(repeating: "a", count: 100)).count == 1)
        #expect(throws: GroupCacheError.self) { try EntryTag.list((0..<9).map { "\($0)" }) }
        #expect(throws: GroupCacheError.self) { try EntryTag.list(["a", ""]) }
        #expect(try EntryTag.list((0..<8).map { "\($0)" }).count == 8)
    }

    @Test("what began before its tag was removed is gone, or stale if the removal was soft")
    func verdicts() throws {
        var floors = TagFloors()
        let (a, b, c) = (self.tag("a"), self.tag("b"), self.tag("c"))
        floors.raise(a, to: 10, soft: false, now: 5)
        floors.raise(b, to: 20, soft: true, now: 7)
        let table: [([UInt64], UInt64, TagFloors.Verdict)] = [
            ([], 0, .valid), ([c], 0, .valid), ([a], 9, .gone), ([a], 11, .valid), ([b], 19, .stale(since: 7)), ([b], 21, .valid),
            ([a, b], 9, .gone), ([b, a], 9, .gone), ([a, b], 15, .stale(since: 7)), ([a, b], 21, .valid), ([c, b], 1, .stale(since: 7)),
        ]
        for (tags, stamp, verdict) in table { #expect(floors.verdict(tags, stamp: stamp) == verdict) }
        // A removal that comes late does not lower what a later one has raised; nor does a soft one undo a hard one.
        floors.raise(a, to: 5, soft: false, now: 5)
        floors.raise(a, to: 12, soft: true, now: 7)
        #expect(floors.verdict([a], stamp: 9) == .gone && floors.verdict([a], stamp: 11) == .stale(since: 7))
    }

    @Test("a storm of tags takes no more room, forgets no removal, and spares what is younger")
    func storm() throws {
        var floors = TagFloors(limit: 1_000)
        let first = self.tag("first")
        floors.raise(first, to: 1, soft: false, now: 5)
        for number in UInt64(2)...100_000 { floors.raise(self.tag("t\(number)"), to: number, soft: number % 2 == 0, now: Int64(number)) }
        #expect(floors.count <= 1_001)
        #expect(floors.verdict([first], stamp: 0) == .gone)
        for number in stride(from: UInt64(2), through: 100_000, by: 997) {
            let verdict = floors.verdict([self.tag("t\(number)")], stamp: number - 1)
            #expect(verdict == .gone || number % 2 == 0 && verdict != .valid)
        }
        // What began after all of them.
        #expect(floors.verdict([first], stamp: 100_001) == .valid)
        #expect(floors.verdict([self.tag("new")], stamp: 99_900) == .valid, "only the older half was given up")
        #expect(floors.verdict([], stamp: 0) == .valid, "what has no tag is not touched")
    }
}

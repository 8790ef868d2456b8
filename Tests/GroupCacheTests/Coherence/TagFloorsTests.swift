import Testing

@testable import GroupCache

@Suite("Tags") struct TagFloorsTests {
    private func tag(_ name: String) throws -> EntryTag { try #require(EntryTag(name)) }

    @Test("a tag has 1 to 128 bytes, and a value at most 8 of them, each once")
    func limits() throws {
        #expect(EntryTag("") == nil && EntryTag(String(repeating: "x", count: 129)) == nil)
        #expect(EntryTag(String(repeating: "x", count: 128)) != nil && EntryTag(bytes: [0xFF]) != nil)
        #expect(EntryTag(bytes: repeatElement(UInt8(1), count: 1 << 30).lazy) == nil)
        #expect(try EntryTag.list(["a", "b", "a"]) == [self.tag("a"), self.tag("b")])
        #expect(try EntryTag.list(Array(repeating: "a", count: 100)).count == 1)
        #expect(throws: GroupCacheError.self) { try EntryTag.list((0..<9).map { "\($0)" }) }
        #expect(throws: GroupCacheError.self) { try EntryTag.list(["a", ""]) }
        #expect(try EntryTag.list((0..<8).map { "\($0)" }).count == 8)
    }

    @Test("what began before its tag was removed is gone, or stale if the removal was soft")
    func verdicts() throws {
        var floors = TagFloors()
        let (a, b, c) = (try self.tag("a"), try self.tag("b"), try self.tag("c"))
        floors.raise(a, to: 10, soft: false)
        floors.raise(b, to: 20, soft: true)
        let table: [([EntryTag], UInt64, TagFloors.Verdict)] = [
            ([], 0, .valid), ([c], 0, .valid), ([a], 9, .gone), ([a], 11, .valid), ([b], 19, .stale), ([b], 21, .valid),
            ([a, b], 9, .gone), ([b, a], 9, .gone), ([a, b], 15, .stale), ([a, b], 21, .valid), ([c, b], 1, .stale),
        ]
        for (tags, stamp, verdict) in table { #expect(floors.verdict(tags, stamp: stamp) == verdict) }
        // A removal that comes late does not lower what a later one has raised; nor does a soft one undo a hard one.
        floors.raise(a, to: 5, soft: false)
        floors.raise(a, to: 12, soft: true)
        #expect(floors.verdict([a], stamp: 9) == .gone && floors.verdict([a], stamp: 11) == .stale)
    }

    @Test("a storm of tags takes no more room, forgets no removal, and spares what is younger")
    func storm() throws {
        var floors = TagFloors(limit: 1_000)
        let first = try self.tag("first")
        floors.raise(first, to: 1, soft: false)
        for number in UInt64(2)...100_000 { floors.raise(try self.tag("t\(number)"), to: number, soft: number % 2 == 0) }
        #expect(floors.count <= 1_001)
        #expect(floors.verdict([first], stamp: 0) == .gone)
        for number in stride(from: UInt64(2), through: 100_000, by: 997) {
            let verdict = floors.verdict([try self.tag("t\(number)")], stamp: number - 1)
            #expect(verdict == .gone || number % 2 == 0 && verdict == .stale)
        }
        // What began after all of them.
        #expect(floors.verdict([first], stamp: 100_001) == .valid)
        #expect(floors.verdict([try self.tag("new")], stamp: 99_900) == .valid, "only the older half was given up")
        #expect(floors.verdict([], stamp: 0) == .valid, "what has no tag is not touched")
    }
}

// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: many keys, and what is held", .timeLimit(.minutes(5)))
struct BulkTests {
    let clock = ManualClock()

    private func group(_ change: (inout GroupConfiguration) -> Void = { _ in }) throws -> Group<String> {
        var configuration = GroupConfiguration(freshness: Freshness(jitter: 0, earlyRefresh: 0))
        configuration.clock = CacheClock(self.clock)
        change(&configuration)
        return try Group("g", capacity: .mebibytes(1), configuration: configuration) { key, _ in key == "nobody" ? nil : "value" }
    }

    // MARK: What is held

    @Test("an entry is described without being asked for")
    func entry() async throws {
        let group = try self.group {
            $0.freshness = Freshness(ttl: .seconds(10), jitter: 0, negative: .seconds(3), staleIfError: .seconds(60))
        }
        #expect(group.entry("Tom") == nil && group.entry("") == nil)
        _ = try await group.get("Tom")
        _ = try? await group.get("nobody")
        try await group.set("Sam", to: "longer than fifteen bytes", ttl: Freshness.endless)
        let before = group.statistics
        self.clock.advance(by: .seconds(2))
        let tom = try #require(group.entry("Tom"))
        #expect(tom.key == "Tom" && !tom.isNegative && !tom.isNear && tom.isFresh && tom.size == 5)
        #expect(tom.age == .seconds(2) && tom.timeLeft == .seconds(8))
        let nobody = try #require(group.entry(Key("nobody")))
        #expect(nobody.isNegative && nobody.size == 0 && nobody.timeLeft == .seconds(1))
        let sam = try #require(group.entry("Sam"))
        #expect(sam.timeLeft == nil && sam.size == 25 && sam.loadTime == nil)
        #expect(group.statistics == before, "nothing counts a look")
        self.clock.advance(by: .seconds(9))
        let over = try #require(group.entry("Tom"))
        #expect(!over.isFresh && over.timeLeft == .zero && over.age == .seconds(11))
        #expect(group.statistics.gets == before.gets && group.statistics.loads == before.loads)
    }

    @Test("looking at an entry does not keep it from being evicted")
    func lookIsNoUse() async throws {
        var configuration = GroupConfiguration()
        configuration.shards = 1
        let group = try Group<String>("g", capacity: .kibibytes(4), configuration: configuration) { key, _ in "value" }
        _ = try await group.get("looked at")
        for number in 0..<200 where group.entry("looked at") != nil { _ = try await group.get("\(number)") }
        #expect(group.entry("looked at") == nil)
    }

    @Test("a copy of another node's entry says so")
    func near() async throws {
        let cluster = try Cluster(2)
        let groups = try cluster.nodes.map { node in try Group<String>("g", capacity: .mebibytes(1), peers: node) { _, _ in "v" } }
        let key = try #require((0..<100).map { Key("\($0)") }.first { cluster.owner(of: $0).id == "node-1" })
        for _ in 0..<10 { _ = try await groups[0].get(key) }
        #expect(groups[0].entry(key)?.isNear == true)
        #expect(groups[1].entry(key)?.isNear == false)
    }

    @Test("every entry is listed once, in pages of any size", arguments: [1, 7, 256, 10_000, Int.min, Int.max])
    func pages(limit: Int) async throws {
        let group = try self.group()
        for number in 0..<500 { try await group.set("\(number)", to: "value") }
        _ = try? await group.get("nobody")
        var seen: [Key] = []
        var cursor: HeldPage.Cursor? = .start
        while let from = cursor {
            let page = group.entries(from: from, limit: limit)
            #expect(page.entries.count <= max(1, limit))
            seen += page.entries.map(\.key)
            // As over HTTP, where a cursor is text.
            cursor = try page.next.map { try #require(HeldPage.Cursor($0.description)) }
        }
        #expect(seen.count == 500 && Set(seen) == Set((0..<500).map { Key("\($0)") }))
    }

    @Test(
        "a cursor's text is a cursor's or refused",
        arguments: ["", ".", "1", "1.", "-1.0", "1.-1", "a.b", "1.2.3", "99999999999999999999.0"]
    )
    func wrongCursor(text: String) {
        #expect(HeldPage.Cursor(text) == nil)
    }

    @Test("a cursor beyond the end is the end")
    func cursorBeyond() async throws {
        let group = try self.group()
        _ = try await group.get("Tom")
        for text in ["9223372036854775807.0", "0.9223372036854775807", "9223372036854775807.9223372036854775807"] {
            let cursor = try #require(HeldPage.Cursor(text))
            #expect(group.entries(from: cursor).entries.isEmpty || cursor.description.hasPrefix("0."))
        }
        #expect(group.entries().entries.map(\.key) == ["Tom"])
    }

    // MARK: Many changes

    @Test("many values are set and removed, and each key has its own result")
    func bulk() async throws {
        let group = try self.group()
        let long = Key(String(repeating: "x", count: 4097))
        let results = await group.set(["a": "1", "b": "2", "": "3", long: "4"], ttl: .seconds(5))
        #expect(results.count == 4)
        #expect(throws: Never.self) { try results["a"]?.get() }
        #expect(throws: Never.self) { try results["b"]?.get() }
        #expect(results[""].map(self.code) == .emptyKey && results[long].map(self.code) == .keyTooLong)
        #expect(group.cached("a") == "1" && group.cached("b") == "2")
        #expect(group.entry("a")?.timeLeft == .seconds(5))
        let removed = await group.remove(keys: ["a", "a", "absent", ""])
        #expect(removed.count == 3 && removed[""].map(self.code) == .emptyKey)
        #expect(removed["a"].map(self.code) == .some(nil) && removed["absent"].map(self.code) == .some(nil))
        #expect(group.cached("a") == nil && group.cached("b") == "2")
        let names = ["b"]
        _ = await group.remove(keys: names)
        #expect(group.cached("b") == nil)
        #expect(await group.set([:]).isEmpty)
        let refused = await group.set(["a": "1"], ttl: .zero)
        #expect(refused["a"].map(self.code) == .invalidConfiguration)
    }

    private func code(_ result: Result<Void, GroupCacheError>) -> GroupCacheError.Code? {
        if case .failure(let error) = result { error.code } else { nil }
    }

    @Test("changes go to the owners of the keys; a node that is down fails its own only")
    func owners() async throws {
        let cluster = try Cluster(3)
        let groups = try cluster.nodes.map { node in try Group<String>("g", capacity: .mebibytes(1), peers: node) { _, _ in "loaded" } }
        let keys = (0..<300).map { Key("\($0)") }
        let set = await groups[0].set(Dictionary(uniqueKeysWithValues: keys.map { ($0, "set") }))
        #expect(set.count == 300 && set.values.allSatisfy { self.code($0) == nil })
        for (node, group) in zip(cluster.nodes, groups) {
            let own = keys.filter { cluster.owner(of: $0).id == node.id }
            #expect(own.count > 30)
            #expect(own.allSatisfy { group.cached($0) == "set" })
            #expect(group.statistics.main.items == own.count)
        }
        cluster.nodes[2].fault = .down
        let removed = await groups[0].remove(keys: keys)
        #expect(removed.count == 300)
        for (key, result) in removed {
            #expect((self.code(result) == nil) == (cluster.owner(of: key).id != "node-2"))
        }
        #expect(groups[0].statistics.main.items == 0 && groups[1].statistics.main.items == 0)
    }

    @Test("no more than 64 requests to other nodes are under way at a time")
    func bounded() async throws {
        let cluster = try Cluster(2)
        let groups = try cluster.nodes.map { node in try Group<String>("g", capacity: .mebibytes(1), peers: node) { _, _ in "v" } }
        let gate = Gate()
        cluster.nodes[1].fault = .stuck(gate)
        let keys = (0..<1000).map { Key("\($0)") }.filter { cluster.owner(of: $0).id == "node-1" }
        #expect(keys.count > 300)
        async let removed = groups[0].remove(keys: keys)
        await gate.waitForArrivals(64)
        for _ in 0..<1000 { await Task.yield() }
        #expect(gate.arrivals == 64)
        gate.open()
        #expect(await removed.count == keys.count)
    }
}

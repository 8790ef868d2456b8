// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// Removals after which the getter may read for a while what was there before.
@Suite("Group: removals that settle", .timeLimit(.minutes(5)))
struct SettleTests {
    private let clock = ManualClock()
    private let calls = Counter()

    private func configuration() -> GroupConfiguration {
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        return configuration
    }

    @Test("what is loaded within the time is handed out and not kept, and what is loaded after it is kept", arguments: [false, true])
    func alone(_ many: Bool) async throws {
        let calls = self.calls
        let group = try Group<Int>("g", capacity: .mebibytes(1), configuration: self.configuration()) { key, _ in
            key == "k" ? calls.increment() : 0
        }
        func get(_ key: Key) async throws -> Int {
            if many { try #require(await group.get(keys: [key])[key]).get() } else { try await group.get(key) }
        }
        #expect(try await get("k") == 1)
        try await group.remove("k", settle: .seconds(2))
        for round in 1..<4 {
            #expect(try await get("k") == 2 * round)
            #expect(group.cached("k") == nil && group.entry("k") == nil)
            #expect(try await group.serve("k", for: .peer).ttl == .zero, "nor is it another node's to keep")
            #expect(try await get(Key("other \(round)")) == 0 && group.cached(Key("other \(round)")) == 0, "other keys are kept")
            self.clock.advance(by: .milliseconds(600))
        }
        self.clock.advance(by: .milliseconds(200))
        for _ in 0..<2 { #expect(try await get("k") == 8) }
    }

    @Test("a set within the time is kept, and no load takes its place")
    func set() async throws {
        let calls = self.calls
        let group = try Group<Int>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, _ in calls.increment() }
        try await group.remove("k", settle: .seconds(2))
        try await group.set("k", to: 100)
        #expect(try await group.get("k") == 100)
        #expect(try await group.refresh("k") == 1)
        #expect(try await group.get("k") == 100)
        self.clock.advance(by: .seconds(2))
        #expect(try await group.refresh("k") == 2)
        #expect(try await group.get("k") == 2)
    }

    @Test("callers who come at the same time share a load, and one that began within the time is not kept when it ends after it")
    func shared() async throws {
        let gate = Gate()
        let calls = self.calls
        let group = try Group<Int>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, _ in
            if calls.increment() == 1 { try await gate.pass() }
            return calls.value
        }
        try await group.remove("k", settle: .seconds(2))
        let gets = (0..<5).map { _ in Task { try await group.get("k") } }
        // In the flight, and not only on the way there: who came to it when it has landed would begin another one.
        while group.flights.waiters < 5 { await Task.yield() }
        self.clock.advance(by: .seconds(3))
        gate.open()
        for get in gets { #expect(try await get.value == 1) }
        #expect(group.cached("k") == nil && group.statistics.supersededLoads == 1)
        #expect(try await group.get("k") == 2)
        #expect(group.cached("k") == 2)
    }

    @Test("the owner is told of the time, whoever removes the key; nobody has a copy", arguments: 0..<3)
    func cluster(by node: Int) async throws {
        let cluster = try Cluster(3, follows: true)
        let groups = try cluster.group(configuration: self.configuration()) { [calls] _, _ -> Int? in calls.increment() }
        let key = (0...).lazy.map { Key("k-\($0)") }.first { cluster.owner(of: $0).id == "node-0" } ?? ""
        for _ in 0..<3 { for group in groups { _ = try await group.get(key) } }
        try await groups[node].remove(key, settle: .seconds(2))
        for round in 0..<3 { for (place, group) in groups.enumerated() { #expect(try await group.get(key) == 2 + 3 * round + place) } }
        #expect(groups.allSatisfy { $0.cached(key) == nil })
        self.clock.advance(by: .seconds(2))
        for group in groups { #expect(try await group.get(key) == 11) }
    }

    @Test("times below zero and above an hour are refused, and so is any where the owner knows none")
    func limits() async throws {
        let calls = self.calls
        let group = try Group<Int>("g", capacity: .mebibytes(1), configuration: self.configuration()) { _, _ in calls.increment() }
        _ = try await group.get("k")
        for time in [Duration.seconds(-1), .seconds(3_601)] {
            #expect(
                await #expect(throws: GroupCacheError.self) { try await group.remove("k", settle: time) }?.code == .invalidConfiguration
            )
        }
        #expect(group.cached("k") == 1)
        try await group.remove("k", settle: .seconds(3_600))
        try await group.remove("k", settle: .zero)
        #expect(try await group.get("k") == 2 && group.cached("k") == nil, "a shorter time does not end a longer one")

        let other = try Group<Int>("g", capacity: .mebibytes(1), peers: FakePool(FakePeer())) { _, _ in 1 }
        #expect(await #expect(throws: GroupCacheError.self) { try await other.remove("k", settle: .seconds(1)) }?.code == .unsupported)
        try await other.remove("k")
    }

    @Test("the table of keys that settle: bounded, and what it has no room for settles with the whole shard")
    func table() {
        var keys = SettlingKeys()
        keys.insert(1, until: 100, now: 0)
        keys.insert(1, until: 50, now: 0)
        keys.insert(2, until: 10, now: 20)
        for (hash, began, isIn) in [(1, 99, true), (1, 100, false), (2, 9, false), (3, 0, false)] as [(UInt64, Int64, Bool)] {
            #expect(keys.contains(hash, began) == isIn)
        }
        // Those that are over make room.
        for hash in UInt64(10)..<100_000 { keys.insert(hash, until: Int64(hash) + 100, now: Int64(hash)) }
        #expect(!keys.contains(5, 99_990) && keys.contains(99_999, 100_000))
        // None is over: all keys settle until the last of them is.
        for hash in UInt64(200_000)..<210_000 { keys.insert(hash, until: 500_000 + Int64(hash), now: 0) }
        for hash in UInt64(200_000)..<210_000 { #expect(keys.contains(hash, 499_999 + Int64(hash))) }
        #expect(keys.contains(5, 600_000) && !keys.contains(5, 710_000))
    }
}

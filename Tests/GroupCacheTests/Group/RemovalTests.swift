// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Testing

@testable import GroupCache

@Suite("What has left a group, and why", .timeLimit(.minutes(5)))
struct RemovalTests {
    private let clock = ManualClock()

    private func group(_ observed: Int, capacity: Int = 1 << 20, ttl: Duration? = nil) throws -> Group<String> {
        var configuration = GroupConfiguration(freshness: Freshness(ttl: ttl, jitter: 0, earlyRefresh: 0))
        configuration.clock = CacheClock(self.clock)
        configuration.shards = 1
        configuration.observedRemovals = observed
        return try Group<String>("g", capacity: .bytes(capacity), configuration: configuration) { key, _ in "value of " + key.string }
    }

    private func reasons(_ group: Group<String>) -> [String] {
        let taken = group.takeRemovals()
        #expect(taken.missed == 0)
        return taken.removals.map { "\($0.key.string) \($0.reason)" }
    }

    @Test("each reason is told, with the key, once, in order")
    func eachReason() async throws {
        let group = try self.group(100, ttl: .seconds(10))
        let long = String(repeating: "k", count: 40)
        _ = try await group.get("a")
        #expect(self.reasons(group).isEmpty)
        try await group.set("a", to: "other")
        try await group.remove("a")
        try await group.remove("never there")
        _ = try await group.get(Key(long))
        self.clock.advance(by: .seconds(11))
        _ = group.statistics
        _ = try await group.get("b")
        _ = try await group.get("c")
        group.clearLocal()
        #expect(self.reasons(group) == ["a replaced", "a removed", "\(long) expired", "b cleared", "c cleared"])
        #expect(self.reasons(group).isEmpty)
    }

    @Test("what is evicted is told, oldest first")
    func evicted() async throws {
        let group = try self.group(1_000, capacity: 4_096)
        for number in 0..<200 { _ = try await group.get("key-\(number)") }
        let kept = group.statistics.main.items
        #expect((1..<200).contains(kept))
        #expect(self.reasons(group) == (0..<(200 - kept)).map { "key-\($0) evicted" })
    }

    @Test("no more are remembered than was said, and the others are counted")
    func bounded() async throws {
        let group = try self.group(3)
        for number in 0..<5 { _ = try await group.get("key-\(number)") }
        for number in 0..<5 { try await group.remove("key-\(number)") }
        let taken = group.takeRemovals()
        #expect(taken.removals.map(\.key.string) == ["key-0", "key-1", "key-2"] && taken.missed == 2)
        _ = try await group.get("again")
        try await group.remove("again")
        #expect(self.reasons(group) == ["again removed"])
        let silent = try self.group(0)
        _ = try await silent.get("a")
        try await silent.remove("a")
        #expect(silent.takeRemovals() == Removals())
        #expect(throws: GroupCacheError.self) { try self.group(-1) }
        #expect(throws: GroupCacheError.self) { try self.group(1_000_001) }
    }

    @Test("as a sequence: it wakes when something has left, and ends when its task is cancelled or its group has gone")
    func sequence() async throws {
        let group = try self.group(10)
        let reader = Task { [removals = group.removals(every: .seconds(1))] in
            var keys: [String] = []
            for await some in removals { keys += some.removals.map(\.key.string) }
            return keys
        }
        await self.clock.waitForSleepers()
        _ = try await group.get("a")
        try await group.remove("a")
        self.clock.advance(by: .seconds(1))
        // The group has a sleeper of its own since its first load.
        await self.clock.waitForSleepers(2)
        reader.cancel()
        #expect(await reader.value == ["a"])
        let orphan = try self.group(10).removals()
        for await _ in orphan { Issue.record("nothing has left") }
    }
}

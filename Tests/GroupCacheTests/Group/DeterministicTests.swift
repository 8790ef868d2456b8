// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import Testing

/// What `GroupCacheTesting` promises to tests: nothing is left to chance unless they ask for it.
@Suite("Deterministic groups", .timeLimit(.minutes(5)))
struct DeterministicTests {
    @Test("a value lives for exactly its time, and is loaded when it is asked for after that, and not before")
    func exactly() async throws {
        let clock = ManualClock()
        let configuration = GroupConfiguration.deterministic(
            clock: clock,
            freshness: Freshness(ttl: .seconds(30), jitter: 0.5, earlyRefresh: 1_000)
        )
        let getter = CountingGetter<String> { key, _ in "value of \(key.string)" }
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, getter: getter)
        let keys = (0..<200).map { Key("key \($0)") }
        for key in keys { _ = try await group.get(key) }
        clock.advance(by: .milliseconds(29_999))
        for key in keys {
            #expect(group.cached(key) == "value of \(key.string)")
            _ = try await group.get(key)
        }
        #expect(getter.count == 200)
        #expect(group.statistics.refreshes == 0)
        clock.advance(by: .milliseconds(1))
        for key in keys { #expect(group.cached(key) == nil) }
        for key in keys { _ = try await group.get(key) }
        #expect(getter.count == 400 && getter.calls.values.allSatisfy { $0 == 2 })
        #expect(group.statistics.getterCalls == 400)
    }

    @Test("the counters of a cluster are those of its nodes together")
    func cluster() async throws {
        let cluster = try Cluster(3)
        let (scores, names) = (try cluster.group("scores") { _, _ in 1 }, try cluster.group("names") { key, _ in key.string })
        for group in scores { for key in ["a", "b", "c"] { _ = try await group.get(key) } }
        _ = try await names[0].get("a")
        #expect(cluster.loads["a"] == 2 && cluster.loads["b"] == 1)
        #expect(cluster.statistics(of: "scores").getterCalls == 3)
        #expect(cluster.statistics(of: "names").gets >= 1)
        #expect(cluster.statistics.getterCalls == 4)
        #expect(cluster.statistics == cluster.statistics(of: "scores") + cluster.statistics(of: "names"))
        #expect(cluster.statistics(of: "nobody's") == GroupStatistics())
        let sum = cluster.nodes.compactMap { $0.statistics["scores"] }.reduce(GroupStatistics(), +)
        #expect(sum == cluster.statistics(of: "scores"))
        #expect(sum.loads > sum.getterCalls, "loads are gets that missed, on each node")
    }

    @Test("a getter that throws is counted, and so is one that finds nothing")
    func counted() async throws {
        struct Down: Error {}
        let getter = CountingGetter<Int> { key, _ in
            if key == "broken" { throw Down() }
            return nil
        }
        let group = try Group<Int>("g", capacity: .mebibytes(1), getter: getter)
        await #expect(throws: GroupCacheError.self) { try await group.get("broken") }
        await #expect(throws: GroupCacheError.self) { try await group.get("nobody") }
        #expect(getter.calls == ["broken": 1, "nobody": 1])
        #expect(group.statistics.getterCalls == 2)
    }
}

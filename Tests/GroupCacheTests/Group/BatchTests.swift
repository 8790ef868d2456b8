// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: many keys at once", .timeLimit(.minutes(5)))
struct BatchTests {
    /// Doubles numbers, in batches; knows nothing of `nobody`.
    struct Doubler: BatchGetter {
        let batches = NIOLockedValueBox<[[Key]]>([])
        let singles = Counter()
        var gate: Gate?

        func load(_ key: Key, context: LoadContext<String>) async throws -> Loaded<String> {
            self.singles.increment()
            return .value(key.string + key.string)
        }

        func load(keys: [Key], context: LoadContext<String>) async throws -> [Key: Loaded<String>] {
            self.batches.withLockedValue { $0.append(keys) }
            try await self.gate?.pass()
            if keys.contains("fail") { throw GetterFailure() }
            return Dictionary(uniqueKeysWithValues: keys.filter { $0 != "nobody" }.map { ($0, .value($0.string + $0.string)) })
        }
    }

    @Test("the missing keys are loaded by one call; cached, missing and repeated ones are told apart")
    func oneCall() async throws {
        let getter = Doubler()
        let group = try Group<String>("g", capacity: .mebibytes(1), getter: getter)
        _ = try await group.get("a")
        let results = await group.get(keys: ["a", "b", "c", "b", "nobody"])
        #expect(results.count == 4)
        #expect(try results["a"]?.get() == "aa")
        #expect(try results["b"]?.get() == "bb")
        #expect(#expect(throws: GroupCacheError.self) { try results["nobody"]?.get() }?.code == .notFound)
        #expect(getter.batches.withLockedValue { $0.map(Set.init) } == [["b", "c", "nobody"]])
        #expect(getter.singles.value == 1)
        #expect(group.cached("c") == "cc")
        #expect(group.statistics.localLoads == 4)
    }

    @Test("more than 1,000 keys are several calls")
    func chunks() async throws {
        let getter = Doubler()
        let group = try Group<String>("g", capacity: .mebibytes(4), getter: getter)
        let results = await group.get(keys: (0..<2500).map { Key("\($0)") })
        #expect(results.allSatisfy { key, result in (try? result.get()) == key.string + key.string })
        #expect(getter.batches.withLockedValue { $0.map(\.count).sorted() } == [500, 1000, 1000])
    }

    @Test("a batch shares its flights with single gets, both ways")
    func sharing() async throws {
        let gate = Gate()
        let getter = Doubler(gate: gate)
        let group = try Group<String>("g", capacity: .mebibytes(1), getter: getter)
        async let batch = group.get(keys: ["a", "b"])
        await gate.waitForArrivals()
        async let single = group.get("a")
        async let other = group.get(keys: ["b", "c", "d"])
        await gate.waitForArrivals(2)
        while group.flights.waiters < 6 { await Task.yield() }
        gate.open()
        #expect(try await single == "aa")
        #expect(try await batch["a"]?.get() == "aa")
        #expect(try await other["b"]?.get() == "bb")
        #expect(getter.singles.value == 0)
        #expect(getter.batches.withLockedValue { $0.map(Set.init) } == [["a", "b"], ["c", "d"]])
    }

    @Test("a batch that fails fails each of its keys, and only those")
    func failure() async throws {
        let configuration = GroupConfiguration(freshness: Freshness(backOff: .none))
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, getter: Doubler())
        let results = await group.get(keys: ["fail", "a"])
        for key in ["fail", "a"] as [Key] {
            #expect(#expect(throws: GroupCacheError.self) { try results[key]?.get() }?.code == .getterFailed)
        }
        #expect(try await group.get("a") == "aa")
    }

    @Test("a batch getter that asks for a key of its own batch gets an error, not a deadlock")
    func recursion() async throws {
        struct Recursive: BatchGetter {
            let group = NIOLockedValueBox<Group<String>?>(nil)
            func load(_ key: Key, context: LoadContext<String>) async throws -> Loaded<String> { .value("single") }
            func load(keys: [Key], context: LoadContext<String>) async throws -> [Key: Loaded<String>] {
                let group = self.group.withLockedValue { $0 }
                for key in keys { _ = try await group?.get(key) }
                return [:]
            }
        }
        let getter = Recursive()
        let group = try Group<String>("g", capacity: .mebibytes(1), getter: getter)
        getter.group.withLockedValue { $0 = group }
        for result in await group.get(keys: ["a", "b", "c"]).values {
            #expect(#expect(throws: GroupCacheError.self) { try result.get() }?.code == .recursiveLoad)
        }
        getter.group.withLockedValue { $0 = nil }
    }

    @Test("cancelling the caller answers every key and cancels the call of the getter")
    func cancellation() async throws {
        let gate = Gate()
        let group = try Group<String>("g", capacity: .mebibytes(1), getter: Doubler(gate: gate))
        let caller = Task { await group.get(keys: ["a", "b", "c"]) }
        await gate.waitForArrivals()
        caller.cancel()
        let results = await caller.value
        #expect(results.count == 3)
        #expect(results.values.allSatisfy { if case .failure(let error) = $0 { error.code == .cancelled } else { false } })
        #expect(group.flights.count == 0)
    }

    @Test("without a batch getter the keys are loaded side by side")
    func withoutBatchGetter() async throws {
        let gate = Gate()
        let group = try Group<String>("g", capacity: .mebibytes(1)) { key, _ in
            try await gate.pass()
            return key.string
        }
        async let results = group.get(keys: (0..<20).map { Key("\($0)") })
        await gate.waitForArrivals(20)
        gate.open()
        #expect(await results.count == 20)
    }

    @Test("over several nodes every key comes from its owner")
    func cluster() async throws {
        let cluster = try Cluster(3)
        let getters = cluster.nodes.map { _ in Doubler() }
        let groups = try zip(cluster.nodes, getters).map { try Group<String>("g", capacity: .mebibytes(1), peers: $0, getter: $1) }
        let keys = (0..<100).map { Key("\($0)") }
        let results = await groups[0].get(keys: keys)
        for key in keys { #expect(try results[key]?.get() == key.string + key.string) }
        #expect(groups.map(\.statistics.localLoads).reduce(0, +) == 100)
        #expect(getters[0].batches.withLockedValue { $0.count } == 1)
    }
}

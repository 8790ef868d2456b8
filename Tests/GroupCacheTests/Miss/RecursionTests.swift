// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: getters that come back to their own key", .timeLimit(.minutes(5)))
struct RecursionTests {
    /// A getter that asks the group that it belongs to, in some way.
    private struct Asking: Getter {
        typealias Ask = @Sendable (Group<String>, Key) async throws -> String
        let group = NIOLockedValueBox<Group<String>?>(nil)
        let calls = Counter()
        let ask: Ask

        func load(_ key: Key, context: LoadContext<String>) async throws -> Loaded<String> {
            self.calls.increment()
            guard let group = self.group.withLockedValue({ $0 }) else { return .notFound }
            return .value(try await self.ask(group, key))
        }
    }

    static let ways: [(name: String, ask: @Sendable (Group<String>, Key) async throws -> String)] = [
        ("get", { try await $0.get($1) }),
        ("refresh", { try await $0.refresh($1) }),
        (
            "remove and get",
            {
                try await $0.remove($1)
                return try await $0.get($1)
            }
        ),
        (
            "clear and get",
            {
                $0.clearLocal()
                return try await $0.get($1)
            }
        ),
        ("get many", { try await $0.get(keys: [$1, "other"])[$1]!.get() }),
        ("a child task", { group, key in try await Task { try await group.get(key) }.value }),
    ]

    @Test("an error at once, whatever the getter does before it asks", arguments: Self.ways.indices)
    func alone(_ way: Int) async throws {
        let getter = Asking(ask: Self.ways[way].ask)
        var configuration = GroupConfiguration()
        // The clock stands still: no deadline ends it.
        configuration.clock = CacheClock(ManualClock())
        configuration.freshness.backOff = .none
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, getter: getter)
        getter.group.withLockedValue { $0 = group }
        defer { getter.group.withLockedValue { $0 = nil } }
        let error = await #expect(throws: GroupCacheError.self) { try await group.get("k") }
        #expect(error?.code == .recursiveLoad, "\(Self.ways[way].name)")
        #expect(getter.calls.value <= 3)
        #expect(group.flights.count == 0 && group.flights.waiters == 0)
    }

    @Test("a circle over two nodes: each key's getter, at its owner, asks for the other one", arguments: Self.ways.indices)
    func twoNodes(_ way: Int) async throws {
        let cluster = try Cluster(2)
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(ManualClock())
        configuration.freshness.backOff = .none
        let keys = (0..<2).map { node in
            (0...).lazy.map { Key("k-\($0)") }.first { cluster.owner(of: $0).id == cluster.nodes[node].id }!
        }
        let ask = Self.ways[way].ask
        let calls = Counter()
        let getters = (0..<2).map { _ in
            Asking { group, key in
                calls.increment()
                return try await ask(group, key == keys[0] ? keys[1] : keys[0])
            }
        }
        let groups = try zip(cluster.nodes, getters).map { node, getter in
            let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, peers: node, getter: getter)
            getter.group.withLockedValue { $0 = group }
            return group
        }
        defer { for getter in getters { getter.group.withLockedValue { $0 = nil } } }
        for group in groups {
            let error = await #expect(throws: GroupCacheError.self) { try await group.get(keys[0]) }
            #expect(error?.code == .recursiveLoad, "\(Self.ways[way].name)")
        }
        #expect(calls.value <= 12)
        for group in groups { #expect(group.flights.count == 0 && group.flights.waiters == 0) }
    }

    @Test("two nodes whose getters begin to ask each other at the same time")
    func meeting() async throws {
        let cluster = try Cluster(2)
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(ManualClock())
        let keys = (0..<2).map { node in
            (0...).lazy.map { Key("k-\($0)") }.first { cluster.owner(of: $0).id == cluster.nodes[node].id }!
        }
        let gate = Gate()
        let getters = (0..<2).map { _ in
            Asking { group, key in
                try await gate.pass()
                return try await group.get(key == keys[0] ? keys[1] : keys[0])
            }
        }
        let groups = try zip(cluster.nodes, getters).map { node, getter in
            let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, peers: node, getter: getter)
            getter.group.withLockedValue { $0 = group }
            return group
        }
        defer { for getter in getters { getter.group.withLockedValue { $0 = nil } } }
        // Neither load has begun for the sake of the other.
        let gets = (0..<2).map { node in Task { try await groups[node].get(keys[node]) } }
        await gate.waitForArrivals(2)
        gate.open()
        for get in gets { #expect(await #expect(throws: GroupCacheError.self) { try await get.value }?.code == .recursiveLoad) }
    }

    @Test("a getter that asks for one more key each time is stopped, too")
    func endless() async throws {
        let getter = Asking { group, key in try await group.get(Key(key.string + "x")) }
        var configuration = GroupConfiguration()
        // The clock stands still: some thousand loads within each other may take as long as they need.
        configuration.clock = CacheClock(ManualClock())
        configuration.loads = LoadLimit(running: 16, queued: 16)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, getter: getter)
        getter.group.withLockedValue { $0 = group }
        defer { getter.group.withLockedValue { $0 = nil } }
        let error = await #expect(throws: GroupCacheError.self) { try await group.get("k") }
        #expect([.recursiveLoad, .keyTooLong].contains(error?.code))
        #expect(getter.calls.value <= Trail.deepest)
    }

    @Test("getters that ask for other keys, and many that ask for the same one, are no circle")
    func noCircle() async throws {
        let getter = Asking { group, key in
            guard let number = Int(key.string), number > 0 else { return "0" }
            return try await group.get(Key("\(number - 1)"))
        }
        let group = try Group<String>("g", capacity: .mebibytes(1), getter: getter)
        getter.group.withLockedValue { $0 = group }
        defer { getter.group.withLockedValue { $0 = nil } }
        let results = await withTaskGroup(of: String?.self) { tasks in
            for number in 0..<100 { tasks.addTask { try? await group.get(Key("\(number)")) } }
            return await tasks.reduce(into: []) { $0.append($1) }
        }
        #expect(results == Array(repeating: "0", count: 100))
    }

    @Test("the trail of a request has the latest loads, the innermost last")
    func ids() {
        var trail: Trail?
        for id in 1...40 as ClosedRange<UInt64> { trail = Trail(id: id, parent: trail) }
        #expect(trail?.ids == Array(25...40))
        #expect(Trail([1, 2, 3])?.ids == [1, 2, 3])
        #expect(Trail([]) == nil)
        #expect(trail?.contains(1) == true && trail?.contains(41) == false)
    }
}

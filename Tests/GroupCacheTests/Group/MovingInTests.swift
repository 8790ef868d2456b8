// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// Keys that come to a node which takes over what there is of them before anybody asks: see `Group.moveIn`.
@Suite("Group: keys that move in", .timeLimit(.minutes(5)))
struct MovingInTests {
    private let world: PeekTests
    private var nodes: [ClusterNode] { self.world.cluster.nodes }
    private var groups: [Group<String>] { self.world.groups }

    init() throws { self.world = try PeekTests() }

    @Test("what the former owners have is taken over; what they do not have is not loaded, and nothing is left of the attempt")
    func takesOver() async throws {
        let held = try (0..<20).map { try self.world.key("held-\($0)", former: $0 % 2) }
        let absent = try self.world.key("nobody-0")
        let others = try (0..<20).map { try self.world.key("new-\($0)") }
        for (number, key) in held.enumerated() { #expect(await self.world.get(key, at: number % 2) == "load 1") }
        #expect(await self.world.get(absent, at: 0) == "notFound")
        try self.world.join()
        #expect(await self.groups[2].moveIn(held + others + [absent, ""]) == 21)
        #expect(held.allSatisfy { self.groups[2].cached($0) == "load 1" })
        #expect(others.allSatisfy { self.groups[2].cached($0) == nil })
        #expect(self.groups[2].entry(absent)?.isNegative == true)
        #expect(self.groups[2].statistics.localLoads == 0 && self.groups[2].flights.count == 0)
        #expect(others.allSatisfy { self.world.origin.count($0) == 0 })
    }

    @Test("who asks while it is looked for is answered with what there is; if there is nothing it is loaded, once for all")
    func joined() async throws {
        let (held, missing) = (try self.world.key("held"), try self.world.key("missing"))
        #expect(await self.world.get(held, at: 0) == "load 1")
        try self.world.join()
        let gate = Gate()
        self.nodes[0].fault = .stuck(gate)
        let keys = [held, missing]
        async let moved = self.groups[2].moveIn(keys)
        await gate.waitForArrivals(2)
        async let answers = withTaskGroup(of: String.self) { tasks in
            for key in keys { for _ in 0..<10 { tasks.addTask { await self.world.get(key, at: 2) } } }
            return await tasks.reduce(into: Set<String>()) { $0.insert($1) }
        }
        while self.groups[2].flights.waiters < 20 { await Task.yield() }
        gate.open()
        #expect(await moved == 1)
        #expect(await answers == ["load 1"])
        #expect(self.world.origin.count(held) == 1 && self.world.origin.count(missing) == 1)
        #expect(self.groups[2].flights.count == 0)
    }

    @Test("who has come to wait may leave again: then nothing is loaded")
    func left() async throws {
        let key = try self.world.key()
        try self.world.join()
        let gate = Gate()
        self.nodes[0].fault = .stuck(gate)
        async let moved = self.groups[2].moveIn([key])
        await gate.waitForArrivals()
        let caller = Task { await self.world.get(key, at: 2) }
        while self.groups[2].flights.waiters < 1 { await Task.yield() }
        caller.cancel()
        #expect(await caller.value == "cancelled")
        gate.open()
        #expect(await moved == 0)
        #expect(self.world.origin.count(key) == 0 && self.groups[2].flights.count == 0)
    }

    @Test("what is changed while it is taken over stays changed", arguments: ["set", "remove", "clear", "tag"])
    func changed(_ change: String) async throws {
        let key = try self.world.key()
        try await self.groups[0].set(key, to: "old", tags: ["t"])
        try self.world.join()
        let gate = Gate()
        self.nodes[0].fault = .stuck(gate)
        async let moved = self.groups[2].moveIn([key])
        await gate.waitForArrivals()
        switch change {
        case "set": try await self.groups[2].set(key, to: "new")
        case "remove": try await self.groups[2].remove(key)
        case "clear": self.groups[2].clearLocal()
        // Nobody is told where there are no streams: it is made here.
        default: self.groups[2].made(.tag(EntryTag("t")!, group: "g", soft: false))
        }
        gate.open()
        _ = await moved
        #expect(self.groups[2].cached(key) == (change == "set" ? "new" : nil))
        // Nor later.
        self.nodes[0].fault = nil
        _ = await self.groups[2].moveIn([key])
        #expect(self.groups[2].cached(key) == (change == "set" ? "new" : nil))
    }

    @Test("what this node has loaded or was told since, and what is being loaded just now, is not asked for")
    func passedOver() async throws {
        let (set, loading) = (try self.world.key("set"), try self.world.key("loading"))
        for key in [set, loading] { #expect(await self.world.get(key, at: 0) == "load 1") }
        try self.world.join()
        try await self.groups[2].set(set, to: "set")
        let own = try self.world.key("own")
        #expect(await self.world.get(own, at: 2) == "load 1")
        let gate = Gate()
        self.nodes[0].fault = .stuck(gate)
        async let caller = self.world.get(loading, at: 2)
        await gate.waitForArrivals()
        let requests = self.nodes.map(\.requests)
        #expect(await self.groups[2].moveIn([set, own, loading]) == 0)
        #expect(self.nodes.map(\.requests) == requests)
        gate.open()
        #expect(await caller == "load 1")
    }
}

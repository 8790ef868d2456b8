// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// Two nodes hold everything; a third one joins, and looks at what the former owner of a key has before it loads the key itself.
///
/// After galaxycache's TestGalaxycacheGetWithPeek.
@Suite("Group: keys that move to another node", .timeLimit(.minutes(5)))
struct PeekTests {
    /// Says which load it was, and waits if it is told to.
    struct Origin: BatchGetter {
        let loads = NIOLockedValueBox<[Key: Int]>([:])
        let batches = NIOLockedValueBox<[Set<Key>]>([])
        let gate = NIOLockedValueBox<Gate?>(nil)
        let failures = NIOLockedValueBox(0)

        func count(_ key: Key) -> Int { self.loads.withLockedValue { $0[key] ?? 0 } }

        func load(_ key: Key, context: LoadContext<String>) async throws -> Loaded<String> {
            let number = self.loads.withLockedValue { loads in
                loads[key, default: 0] += 1
                return loads[key]!
            }
            try await self.gate.withLockedValue { $0 }?.pass()
            let fails = self.failures.withLockedValue { failures in
                defer { failures = max(0, failures - 1) }
                return failures > 0
            }
            if fails { throw GetterFailure() }
            if key.string.hasPrefix("nobody") { return .notFound(ttl: .seconds(60)) }
            return .value("load \(number)", ttl: key.string.hasPrefix("mortal") ? .seconds(60) : nil)
        }

        func load(keys: [Key], context: LoadContext<String>) async throws -> [Key: Loaded<String>] {
            self.batches.withLockedValue { $0.append(Set(keys)) }
            var values: [Key: Loaded<String>] = [:]
            for key in keys { values[key] = try await self.load(key, context: context) }
            return values
        }
    }

    let cluster: Cluster
    let groups: [Group<String>]
    let origin = Origin()
    let clock = ManualClock()

    init() throws {
        self.cluster = try Cluster(3)
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.freshness.jitter = 0
        let (all, origin) = (self.cluster.nodes, self.origin)
        self.groups = try all.map { node in
            try Group<String>(
                "g",
                capacity: .mebibytes(1),
                configuration: configuration,
                peers: node,
                codec: StringCodec(),
                getter: origin
            )
        }
        // Node 2 knows the others, and is not one of them.
        for node in all { try node.setPeers(Array(all[..<2])) }
    }

    /// Node 2 joins.
    func join() throws {
        for node in self.cluster.nodes { try node.setPeers(self.cluster.nodes, warm: true) }
    }

    /// A key that is node 2's as soon as that has joined, and now is that of `former`.
    func key(_ prefix: String = "k", former: Int = 0) throws -> Key {
        let ring = try HashRing(self.cluster.nodes.map(\.id))
        let before = try HashRing(self.cluster.nodes[..<2].map(\.id))
        return (0...).lazy.map { Key("\(prefix)-\($0)") }.first { key in
            ring.members[ring.ownerAndNext(of: key.bytes.span)!.owner].id == "node-2"
                && before.members[before.ownerAndNext(of: key.bytes.span)!.owner].id == "node-\(former)"
        }!
    }

    func get(_ key: Key, at node: Int) async -> String {
        do throws(GroupCacheError) {
            return try await self.groups[node].get(key)
        } catch {
            return error.code.description
        }
    }

    // MARK: What is there

    @Test(
        "a tag that was removed since the key came here stays removed, whether or not who has the value hears of it",
        arguments: [true, false]
    )
    func tags(isTagged: Bool) async throws {
        let key = try self.key()
        try await self.groups[0].set(key, to: "set", tags: [isTagged ? "t" : "u"])
        try self.join()
        // Here: nobody is told where there are no streams.
        _ = try? await self.groups[2].remove(tag: "t")
        #expect(await self.get(key, at: 2) == (isTagged ? "load 1" : "set"))
        #expect(self.groups[2].statistics.takeovers == (isTagged ? 0 : 1))
        // What is removed after it was taken over goes.
        _ = try? await self.groups[2].remove(tag: "u")
        #expect(self.groups[2].cached(key) == (isTagged ? "load 1" : nil))
    }

    @Test("a value is taken over and not loaded again, for as long as a copy of another node's value may live")
    func value() async throws {
        let key = try self.key()
        #expect(await self.get(key, at: 0) == "load 1")
        try self.join()
        #expect(await self.get(key, at: 2) == "load 1")
        #expect(self.origin.count(key) == 1)
        let statistics = self.groups[2].statistics
        #expect(statistics.takeovers == 1 && statistics.localLoads == 0 && statistics.peerLoads == 1)
        // Nobody has said that the former owner is none any more: it is a copy.
        #expect(statistics.main.items == 0 && statistics.near.items == 1)
        // Between a fifth and half of the near time, so that not all keys are asked for at the same moment, and while they are still there.
        self.clock.advance(by: .milliseconds(1_900))
        #expect(self.groups[2].cached(key) == "load 1")
        self.clock.advance(by: .milliseconds(3_200))
        #expect(self.groups[2].cached(key) == nil)
        #expect(await self.get(key, at: 2) == "load 1")
        self.clock.advance(by: .milliseconds(5_000))
        // The former owner has nothing either.
        #expect(await self.get(key, at: 2) == "load 2")
        #expect(self.groups[2].statistics.main.items == 1)
    }

    @Test("a value is not kept beyond the time that it had left")
    func timeLeft() async throws {
        let key = try self.key("mortal")
        #expect(await self.get(key, at: 0) == "load 1")
        self.clock.advance(by: .milliseconds(58_000))
        try self.join()
        #expect(await self.get(key, at: 2) == "load 1")
        self.clock.advance(by: .milliseconds(1_900))
        #expect(self.groups[2].cached(key) == "load 1")
        self.clock.advance(by: .milliseconds(200))
        #expect(await self.get(key, at: 2) == "load 2")
    }

    @Test("an owner that gets its key back does not go on with what it had, for the key may have changed meanwhile")
    func comesBack() async throws {
        let key = try self.key()
        #expect(await self.get(key, at: 0) == "load 1")
        try self.join()
        try await self.groups[2].set(key, to: "new")
        self.clock.advance(by: .seconds(5))
        for node in self.cluster.nodes { try node.setPeers(Array(self.cluster.nodes[..<2])) }
        self.clock.advance(by: .seconds(6))
        #expect(await self.get(key, at: 0) == "load 2")
    }

    @Test("the word that there is no such key is taken over")
    func notFound() async throws {
        let key = try self.key("nobody")
        #expect(await self.get(key, at: 0) == "notFound")
        try self.join()
        for _ in 0..<2 { #expect(await self.get(key, at: 2) == "notFound") }
        #expect(self.origin.count(key) == 1)
        #expect(self.groups[2].statistics.negativeHits == 1)
    }

    @Test("what the former owner does not have is loaded, and a key that was no other node's is not asked for")
    func nothing() async throws {
        try self.join()
        let key = try self.key()
        #expect(await self.get(key, at: 2) == "load 1")
        #expect(self.cluster.nodes[0].requests == 1)
        // Still its own.
        let kept = (0...).lazy.map { Key("k-\($0)") }.first { self.cluster.owner(of: $0).id == "node-0" }!
        let requests = self.cluster.nodes.map(\.requests)
        #expect(await self.get(kept, at: 0) == "load 1")
        #expect(self.cluster.nodes.map(\.requests) == requests)
    }

    @Test("the former owner serves its value for as long as a copy lives, and then asks the owner")
    func formerOwner() async throws {
        let key = try self.key()
        #expect(await self.get(key, at: 0) == "load 1")
        try self.join()
        try await self.groups[2].set(key, to: "new")
        #expect(await self.get(key, at: 0) == "load 1")
        self.clock.advance(by: .seconds(11))
        #expect(await self.get(key, at: 0) == "new")
    }

    // MARK: What is being loaded

    @Test("a load that runs when the key moves is the only one, whoever asks, and wherever")
    func running() async throws {
        let gate = Gate()
        self.origin.gate.withLockedValue { $0 = gate }
        let key = try self.key()
        async let before = self.get(key, at: 0)
        await gate.waitForArrivals()
        try self.join()
        async let after = withTaskGroup(of: String.self) { tasks in
            for node in 0..<3 { for _ in 0..<50 { tasks.addTask { await self.get(key, at: node) } } }
            return await tasks.reduce(into: Set<String>()) { $0.insert($1) }
        }
        while self.groups.map({ $0.statistics.waiters }).reduce(0, +) < 150 { await Task.yield() }
        gate.open()
        #expect(await before == "load 1")
        #expect(await after == ["load 1"])
        #expect(self.origin.count(key) == 1)
        #expect(self.groups[2].cached(key) == "load 1")
    }

    @Test("a load that fails at the former owner is not the new owner's failure")
    func failing() async throws {
        let gate = Gate()
        self.origin.gate.withLockedValue { $0 = gate }
        self.origin.failures.withLockedValue { $0 = 1 }
        let key = try self.key()
        async let before = self.get(key, at: 0)
        await gate.waitForArrivals()
        try self.join()
        async let after = self.get(key, at: 2)
        // The caller, and the new owner.
        while self.groups[0].flights.waiters < 2 { await Task.yield() }
        gate.open()
        #expect(await before == "getterFailed")
        #expect(await after == "load 2")
    }

    @Test("two nodes that take each other for the former owner do not wait for each other, and load once")
    func circle() async throws {
        let (one, other) = (self.cluster.nodes[0], self.cluster.nodes[1])
        // Each held the other one for the owner of everything, and now holds itself for it.
        try one.setPeers([other])
        try other.setPeers([one])
        try one.setPeers([one], warm: true)
        try other.setPeers([other], warm: true)
        let (key, load, question): (Key, Gate, Gate) = ("k", Gate(), Gate())
        self.origin.gate.withLockedValue { $0 = load }
        // The first one's question is on its way …
        other.fault = .stuck(question)
        async let first = self.get(key, at: 0)
        await question.waitForArrivals()
        // … when the other one asks, is told that there is nothing, and loads …
        async let second = self.get(key, at: 1)
        await load.waitForArrivals()
        #expect(one.requests == 1)
        // … which the first question then finds.
        question.open()
        while self.groups[1].flights.waiters < 2 { await Task.yield() }
        load.open()
        #expect(await [first, second] == ["load 1", "load 1"])
        #expect(self.origin.count(key) == 1)
    }

    @Test("the last caller leaves while the former owner is asked: nothing is left of the load, and the next caller starts afresh")
    func leaving() async throws {
        let key = try self.key()
        let gate = Gate()
        try self.join()
        self.cluster.nodes[0].fault = .stuck(gate)
        let caller = Task { await self.get(key, at: 2) }
        await gate.waitForArrivals()
        caller.cancel()
        #expect(await caller.value == "cancelled")
        while self.groups[2].flights.count > 0 { await Task.yield() }
        self.cluster.nodes[0].fault = nil
        #expect(await self.get(key, at: 2) == "load 1")
    }

    @Test("a former owner that is down or out of order costs nothing but the load")
    func down() async throws {
        let key = try self.key()
        #expect(await self.get(key, at: 0) == "load 1")
        try self.join()
        self.cluster.nodes[0].fault = .down
        #expect(await self.get(key, at: 2) == "load 2")
        #expect(self.groups[2].statistics.peerErrors == 1)
    }

    // MARK: Changes

    @Test(
        "what was changed at the new owner is not undone by what the former one still has",
        arguments: ["set", "remove", "clear", "refresh"]
    )
    func changed(_ change: String) async throws {
        let key = try self.key()
        #expect(await self.get(key, at: 0) == "load 1")
        try self.join()
        let group = self.groups[2]
        switch change {
        case "set":
            // It ends at once, and the next get is a miss.
            try await group.set(key, to: "set", ttl: .seconds(1))
            self.clock.advance(by: .seconds(2))
        case "remove": try await group.remove(key)
        case "refresh":
            #expect(try await group.refresh(key) == "load 2")
            _ = key.bytes.withUnsafeBytes { group.store.remove(group.hashed(key).hash, $0) }
        default: group.clearLocal()
        }
        let expected = change == "refresh" ? "load 3" : "load 2"
        #expect(await self.get(key, at: 2) == expected)
        #expect(group.statistics.takeovers == 0)
    }

    @Test("a value that is removed while it is taken over reaches those who wait, and is not kept")
    func removedMeanwhile() async throws {
        let key = try self.key()
        let gate = Gate()
        #expect(await self.get(key, at: 0) == "load 1")
        try self.join()
        self.cluster.nodes[0].fault = .stuck(gate)
        async let caller = self.get(key, at: 2)
        await gate.waitForArrivals()
        try await self.groups[2].remove(key)
        gate.open()
        #expect(await caller == "load 1")
        #expect(self.groups[2].cached(key) == nil)
        #expect(await self.get(key, at: 2) == "load 2")
    }

    @Test("a change that comes before this node has heard of the new ring is remembered", arguments: ["set", "remove"])
    func changedBefore(_ change: String) async throws {
        let key = try self.key()
        #expect(await self.get(key, at: 0) == "load 1")
        // Node 1 knows that node 2 has joined; node 2 does not.
        for node in self.cluster.nodes[..<2] { try node.setPeers(self.cluster.nodes, warm: true) }
        if change == "set" {
            try await self.groups[1].set(key, to: "set", ttl: .seconds(1))
        } else {
            try await self.groups[1].remove(key)
        }
        self.clock.advance(by: .seconds(2))
        try self.cluster.nodes[2].setPeers(self.cluster.nodes, warm: true)
        #expect(await self.get(key, at: 2) == "load 2")
    }

    @Test("a load that a change has superseded at the former owner is not kept by the new one")
    func superseded() async throws {
        let gate = Gate()
        self.origin.gate.withLockedValue { $0 = gate }
        let key = try self.key()
        async let before = self.get(key, at: 0)
        await gate.waitForArrivals()
        try self.join()
        async let after = self.get(key, at: 2)
        while self.groups[0].flights.waiters < 2 { await Task.yield() }
        // Somebody does not know the new ring yet.
        try await self.groups[0].serveRemove(key, for: .peer)
        gate.open()
        #expect(await [before, after] == ["load 1", "load 1"])
        #expect(self.groups[2].cached(key) == nil)
        #expect(await self.get(key, at: 2) == "load 2")
    }

    // MARK: Many keys

    @Test("of many keys those that a former owner has are taken over, and the others are loaded in one call")
    func batch() async throws {
        let keys = try (0..<40).map { try self.key("held-\($0)", former: $0 % 2) }
        let others = try (0..<30).map { try self.key("new-\($0)") }
        for (number, key) in keys.enumerated() { #expect(await self.get(key, at: number % 2) == "load 1") }
        try self.join()
        self.origin.batches.withLockedValue { $0 = [] }
        let results = await self.groups[2].get(keys: keys + others)
        #expect(results.count == 70)
        #expect(results.values.allSatisfy { (try? $0.get()) == "load 1" })
        #expect(self.origin.batches.withLockedValue { $0 } == [Set(others)])
        #expect(self.groups[2].statistics.takeovers == 40)
        #expect(self.groups[2].flights.count == 0)
    }

    @Test("a batch does not wait for loads that former owners run: two nodes whose batches cross do not wait for each other")
    func crossingBatches() async throws {
        let (one, other) = (self.cluster.nodes[0], self.cluster.nodes[1])
        try one.setPeers([other])
        try other.setPeers([one])
        try one.setPeers([one], warm: true)
        try other.setPeers([other], warm: true)
        let gate = Gate()
        self.origin.gate.withLockedValue { $0 = gate }
        let keys: [Key] = ["a", "b", "c"]
        async let first = self.groups[0].get(keys: keys)
        async let second = self.groups[1].get(keys: keys.reversed())
        await gate.waitForArrivals(2)
        gate.open()
        #expect(await first.count == 3)
        #expect(await second.count == 3)
        #expect(keys.allSatisfy { (1...2).contains(self.origin.count($0)) })
    }

    @Test("a batch whose callers leave while former owners are asked is cancelled, when some of its keys have landed as well")
    func leavingBatch() async throws {
        let held = try self.key("held", former: 0)
        let asked = try self.key("asked", former: 1)
        #expect(await self.get(held, at: 0) == "load 1")
        try self.join()
        let gate = Gate()
        self.cluster.nodes[1].fault = .stuck(gate)
        let caller = Task { await self.groups[2].get(keys: [held, asked]) }
        await gate.waitForArrivals()
        while self.groups[2].cached(held) == nil { await Task.yield() }
        caller.cancel()
        let results = await caller.value
        #expect(try results[held]?.get() == "load 1")
        #expect(#expect(throws: GroupCacheError.self) { try results[asked]?.get() }?.code == .cancelled)
        while self.groups[2].flights.count > 0 { await Task.yield() }
        #expect(self.origin.count(asked) == 0)
    }
}

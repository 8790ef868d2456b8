// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// Changes that nodes of a cluster hear of, in groups.
@Suite("A change that other nodes hear of", .timeLimit(.minutes(5)))
struct HeardTests {
    private let origin = NIOLockedValueBox<[Key: Int]>([:])

    private func groups(_ cluster: Cluster, clock: ManualClock? = nil) throws -> [Group<Int>] {
        var configuration = GroupConfiguration()
        if let clock { configuration.clock = CacheClock(clock) }
        return try cluster.group(configuration: configuration) { [origin] key, _ in origin.withLockedValue { $0[key] ?? 0 } }
    }

    private func change(_ key: Key) { self.origin.withLockedValue { $0[key, default: 0] += 1 } }

    /// A key of a node.
    private func key(_ cluster: Cluster, of node: Int, _ name: String = "k") -> Key {
        (0...).lazy.map { Key("\(name)-\($0)") }.first { cluster.owner(of: $0).id == "node-\(node)" } ?? ""
    }

    /// Asked for often enough to be copied.
    private func warm(_ groups: [Group<Int>], _ key: Key) async throws {
        for group in groups { for _ in 0..<4 { _ = try await group.get(key) } }
    }

    @Test("a remove, a set and a refresh take the copies of all nodes with them, whoever makes them", arguments: 0..<3, [0, 1, 2])
    func changes(verb: Int, by node: Int) async throws {
        let cluster = try Cluster(3, follows: true)
        let groups = try self.groups(cluster)
        let (key, other) = (self.key(cluster, of: 0), self.key(cluster, of: 0, "other"))
        try await self.warm(groups, key)
        try await self.warm(groups, other)
        #expect(groups.allSatisfy { $0.cached(key) == 0 })
        self.change(key)
        switch verb {
        case 0: try await groups[node].remove(key)
        case 1: try await groups[node].set(key, to: 1)
        default: #expect(try await groups[node].refresh(key) == 1)
        }
        for group in groups { #expect(group.cached(key) != 0, "nobody has the old value") }
        for group in groups { #expect(try await group.get(key) == 1) }
        #expect(groups.allSatisfy { $0.cached(other) == 0 }, "nothing else has gone")
        #expect(cluster.loads[key] == (verb == 1 ? 1 : 2))
    }

    @Test("of copies that are asked for often one is looked after: what the owner has had for longer than it may live is not its value")
    func audit() async throws {
        let cluster = try Cluster(2, follows: true)
        let groups = try self.groups(cluster, clock: ManualClock())
        let key = self.key(cluster, of: 0)
        try await self.warm(groups, key)
        func hits() { #expect((0..<Group<Int>.hitsPerAudit).allSatisfy { _ in groups[1].cached(key) == 0 }) }
        /// Changes what the owner has behind the back of all that tells others, a time ago.
        func change(age: Int64) throws {
            let (stored, size) = try groups[0].codec.kept(1, encoded: nil)
            var victims = Victims<Int>()
            let life = EntryLife(version: NumberSource.shared.next(), age: age)
            _ = groups[0].insert(groups[0].hashed(key), stored, size, .main, life, Sidecar(.none), releasing: &victims)
        }
        /// Until the owner has answered and the answer been looked at: one that came later would be an answer to the next change.
        func audit() async {
            groups[1].audit()
            while groups[1].audits.withLockedValue({ $0.open }) > 0, !Task.isCancelled { await Task.yield() }
        }
        hits()
        await audit()
        let asked = groups[0].statistics.gets
        // The news may be on its way still.
        try change(age: 3_000)
        hits()
        await audit()
        #expect(groups[1].statistics.staleNearHits == 0 && groups[1].cached(key) == 0)
        try change(age: 20_000)
        // Nobody has asked often enough since.
        await audit()
        #expect(groups[1].statistics.staleNearHits == 0 && groups[1].cached(key) == 0)
        hits()
        await audit()
        #expect(groups[1].statistics.staleNearHits == 1 && groups[1].cached(key) == nil)
        #expect(groups[0].statistics.gets == asked, "nobody is asked for more than what is there")
        #expect(try await groups[1].get(key) == 1 && self.origin.withLockedValue { $0[key] } == nil)
    }

    @Test("how many copies are looked after: one of so many hits, and no more than a few at once")
    func audits() {
        var audits = CopyAudits()
        #expect(audits.due(9, per: 10, atMost: 4) == 0)
        #expect(audits.due(10, per: 10, atMost: 4) == 1 && audits.due(19, per: 10, atMost: 4) == 0)
        #expect(audits.due(39, per: 10, atMost: 4) == 2 && audits.due(1_000, per: 10, atMost: 4) == 4)
        #expect(audits.due(1_009, per: 10, atMost: 4) == 0 && audits.due(1_010, per: 10, atMost: 4) == 1)
    }

    @Test(
        "what is loaded in another node's place is kept for a time that begins with its load",
        arguments: [Duration.zero, .seconds(4), .seconds(11)]
    )
    func standInTime(cost: Duration) throws {
        var configuration = GroupConfiguration()
        configuration.standInTTL = .seconds(10)
        configuration.freshness.negative = .seconds(600)
        for origin in [LandingRules<String>.Origin.standIn, .getter] {
            let rules = LandingRules(configuration, StringCodec(), from: origin, unheard: 5)
            for loaded in [Loaded.value("v"), .notFound] {
                let change = try rules.land(loaded, previous: nil, cost: cost, version: 1).1
                switch change {
                case .store(_, _, let kind, let life, _):
                    #expect(kind == (origin == .standIn ? .near : .main) && life.stream == (origin == .standIn ? 5 : 0))
                    if origin == .standIn { #expect(try #require(life.ttl) <= (Duration.seconds(10) - cost).milliseconds) }
                default: #expect(origin == .standIn && cost > .seconds(10))
                }
            }
        }
    }

    @Test("a copy of whose changes nothing is heard is kept for a time that begins with the question; another one for all of its owner's")
    func copyTime() throws {
        var configuration = GroupConfiguration()
        configuration.nearTTL = .seconds(10)
        let rules = LandingRules(configuration, StringCodec(), from: .owner, unheard: 5)
        func life(_ stream: Int, ttl: Duration?, waited: Duration) -> EntryLife? {
            var entry = PeerEntry(value: "v", ttl: ttl)
            entry.stream = stream
            guard case .store(_, _, .near, let life, _) = rules.copy("v", entry, version: 1, waited: waited) else { return nil }
            return life
        }
        #expect(life(0, ttl: nil, waited: .zero)?.ttl == 10_000)
        #expect(life(0, ttl: nil, waited: .seconds(3))?.ttl == 7_000)
        #expect(life(0, ttl: .seconds(5), waited: .seconds(3))?.ttl == 5_000)
        #expect(life(0, ttl: nil, waited: .seconds(10)) == nil && life(0, ttl: .seconds(5), waited: .seconds(11)) == nil)
        #expect(life(3, ttl: .seconds(50), waited: .seconds(11))?.ttl == 50_000 && life(3, ttl: nil, waited: .seconds(11)) != nil)
    }

    @Test("an owner that begins anew: what is being loaded of its keys is not kept, and who comes now does not wait for it")
    func loadsOfOne() async throws {
        let cluster = try Cluster(2, follows: true)
        let (began, goOn) = (Flag(), Gate())
        let values = NIOLockedValueBox(0)
        let groups = try cluster.group { _, _ -> Int? in
            let value = values.withLockedValue { $0 }
            if value == 0 {
                began.raise()
                try await goOn.pass()
            }
            return value
        }
        cluster.partition([0], [1])
        let key = self.key(cluster, of: 0)
        let early = Task { try await groups[1].get(key) }
        while !began.isRaised { await Task.yield() }
        values.withLockedValue { $0 = 1 }
        groups[1].server.loadsMayBeOld(of: { $0?.id == "node-1" }, wasOwner: nil)
        groups[1].server.loadsMayBeOld(of: { $0?.id == "node-0" }, wasOwner: nil)
        #expect(try await groups[1].get(key) == 1)
        goOn.open()
        #expect(try await early.value == 0, "who asked before may be given what there was")
        #expect(groups[1].cached(key) == 1)
    }

    @Test("without followers a copy lives for its near time, as between pools")
    func unheard() async throws {
        let cluster = try Cluster(3)
        let clock = ManualClock()
        let groups = try self.groups(cluster, clock: clock)
        let key = self.key(cluster, of: 0)
        try await self.warm(groups, key)
        self.change(key)
        try await groups[1].remove(key)
        #expect(groups[2].cached(key) == 0 && groups[1].cached(key) == nil)
        clock.advance(by: .seconds(11))
        #expect(try await groups[2].get(key) == 1)
    }

    @Test("a node that is cut off hears of everything when it is back", arguments: [1, 1_000])
    func away(changes: Int) async throws {
        let cluster = try Cluster(3, follows: true)
        // A copy is to end because its change is heard of, and not with its time, however long all of this takes.
        let groups = try self.groups(cluster, clock: ManualClock())
        let key = self.key(cluster, of: 0)
        try await self.warm(groups, key)
        cluster.partition([0, 1], [2])
        self.change(key)
        try await groups[1].remove(key)
        // More than are kept for who is away: then it drops whatever it has copied.
        for number in 1..<changes { try await groups[0].remove(self.key(cluster, of: 0, "unrelated-\(number)")) }
        #expect(try await groups[1].get(key) == 1)
        #expect(try await groups[2].get(key) == 0, "it has not heard")
        await #expect(throws: GroupCacheError.self) { try await groups[2].remove(self.key(cluster, of: 0, "other")) }
        cluster.heal()
        #expect(try await groups[2].get(key) == 1)
        #expect(cluster.loads[key] == 2, "who was away asks the owner again, and nobody else loads")
    }

    @Test("an answer that left its node before a change is not kept by who hears of the change first")
    func overtaken() async throws {
        let cluster = try Cluster(2, follows: true)
        let (began, goOn) = (Flag(), Gate())
        let values = NIOLockedValueBox(0)
        let groups = try cluster.group { _, _ -> Int? in
            let value = values.withLockedValue { $0 }
            if value == 0 {
                began.raise()
                try await goOn.pass()
            }
            return value
        }
        let key = self.key(cluster, of: 0)
        // The copy is wanted: it was asked for before.
        let early = Task { try await groups[1].get(key) }
        while !began.isRaised { await Task.yield() }
        values.withLockedValue { $0 = 1 }
        try await groups[0].remove(key)
        #expect(try await groups[1].get(key) == 1, "who comes now does not wait for what was asked for before")
        goOn.open()
        #expect(try await early.value == 0, "who asked before may be given what there was")
        for _ in 0..<4 { #expect(try await groups[1].get(key) == 1) }
        #expect(groups[0].cached(key) == 1 && groups[1].cached(key) == 1)
    }

    @Test("what another node cannot mean does no harm: groups and keys that are not there, and everything")
    func strangers() async throws {
        let cluster = try Cluster(2, follows: true)
        let groups = try self.groups(cluster)
        let (mine, copied) = (self.key(cluster, of: 1), self.key(cluster, of: 0))
        try await self.warm(groups, mine)
        try await self.warm(groups, copied)
        let server = groups[1].server
        server.heard(.key("nobody knows it", group: "group"))
        server.heard(.key("", group: "group"))
        server.heard(.key(Key(bytes: repeatElement(7, count: 5_000)), group: "group"))
        #expect(groups[1].cached(mine) != nil && groups[1].cached(copied) != nil)
        server.heard(.everything)
        #expect(groups[1].cached(mine) != nil && groups[1].cached(copied) == nil, "its own entries are not another's to change")
        let recorder = try #require(cluster.nodes[0].recorder)
        _ = recorder.record(.key(copied, group: "no such group"))
        _ = recorder.record(.group("no such group"))
        recorder.wake()
        #expect(groups[1].cached(mine) != nil)
    }

    @Test("a change is written down after the store has changed: who reads the place first and then the value is never ahead of itself")
    func order() async throws {
        let cluster = try Cluster(2, follows: true)
        let groups = try self.groups(cluster)
        let key = self.key(cluster, of: 0)
        let recorder = try #require(cluster.nodes[0].recorder)
        let start = recorder.position.sequence
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { for value in 1...2_000 { try await groups[0].set(key, to: value) } }
            tasks.addTask {
                while true {
                    let sequence = recorder.position.sequence - start
                    let value = groups[0].cached(key) ?? 0
                    // The n-th change has stored n.
                    #expect(value >= Int(sequence))
                    if sequence >= 2_000 { return }
                    await Task.yield()
                }
            }
            try await tasks.waitForAll()
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: several nodes", .timeLimit(.minutes(5)))
struct PeersTests {
    let cluster: Cluster
    let groups: [Group<String>]
    /// Loads of each key on each node.
    let loads = NIOLockedValueBox<[Key: [Int]]>([:])
    let clock = ManualClock()

    init() throws {
        self.cluster = try Cluster(3)
        let loads = self.loads
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.freshness.jitter = 0
        self.groups = try self.cluster.nodes.enumerated().map { index, node in
            try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, peers: node) { key, _ -> Loaded<String> in
                loads.withLockedValue { $0[key, default: []].append(index) }
                if key.string.hasPrefix("nobody") { return .notFound(ttl: .seconds(60)) }
                if key.string.hasPrefix("fail") { throw GetterFailure(number: index) }
                return .value("value of " + key.string)
            }
        }
    }

    private var keys: [Key] { (0..<200).map { Key("key-\($0)") } }

    private func index(ofOwner key: Key) -> Int {
        self.cluster.nodes.firstIndex { $0.id == self.cluster.owner(of: key).id }!
    }

    /// A key that node `owner` owns.
    private func key(ownedBy owner: Int, _ prefix: String = "k") -> Key {
        (0...).lazy.map { Key("\(prefix)-\($0)") }.first { self.index(ofOwner: $0) == owner }!
    }

    @Test("every node answers every key, and each key is loaded once, by its owner")
    func loadedOnceByOwner() async throws {
        for group in self.groups {
            for key in self.keys { #expect(try await group.get(key) == "value of " + key.string) }
        }
        let loads = self.loads.withLockedValue { $0 }
        for key in self.keys { #expect(loads[key] == [self.index(ofOwner: key)]) }
        #expect(self.groups.map(\.statistics.localLoads).reduce(0, +) == 200)
        #expect(self.groups.map(\.statistics.peerLoads).reduce(0, +) == 400)
        #expect(self.groups.map(\.statistics.serverRequests).reduce(0, +) == 400)
    }

    @Test("without stale values the owner, too, waits for a load; with them it answers with what it has")
    func freshOnly() async throws {
        let calls = Counter()
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(self.clock)
        configuration.freshness = Freshness(ttl: .seconds(10), jitter: 0, staleWhileRevalidate: .seconds(60), earlyRefresh: 0)
        let gate = Gate()
        let groups = try self.cluster.nodes.map { node in
            try Group<String>("stale", capacity: .mebibytes(1), configuration: configuration, peers: node) { _, _ in
                let call = calls.increment()
                if call > 1 { try await gate.pass() }
                return "\(call)"
            }
        }
        let key = self.key(ownedBy: 1)
        #expect(try await groups[1].get(key) == "1")
        self.clock.advance(by: .seconds(11))
        #expect(try await groups[0].get(key) == "1")
        let strict = Task { try await groups[0].get(key, GetOptions(allowStale: false)) }
        await gate.waitForArrivals()
        while groups[0].flights.waiters < 1 { await Task.yield() }
        // It waits by itself: who would do with the old value is not made to.
        #expect(try await groups[0].get(key) == "1")
        gate.open()
        #expect(try await strict.value == "2")
        #expect(try await groups[0].get(key) == "2")
    }

    @Test("a hot missing key, asked by all nodes at once, is loaded once")
    func oneLoadForAll() async throws {
        let key = self.key(ownedBy: 1)
        await withTaskGroup(of: Void.self) { tasks in
            for group in self.groups {
                for _ in 0..<200 { tasks.addTask { #expect((try? await group.get(key)) == "value of " + key.string) } }
            }
        }
        #expect(self.loads.withLockedValue { $0[key] } == [1])
    }

    @Test("a key that is asked for often is kept near, for a short time; one that is asked for once is not")
    func near() async throws {
        let key = self.key(ownedBy: 1)
        _ = try await self.groups[0].get(key)
        #expect(self.groups[0].statistics.near.items == 0)
        for _ in 0..<10 { _ = try await self.groups[0].get(key) }
        let statistics = self.groups[0].statistics
        #expect(statistics.near.items == 1)
        #expect(statistics.hotHits > 0)
        let requests = self.cluster.nodes[1].requests
        _ = try await self.groups[0].get(key)
        #expect(self.cluster.nodes[1].requests == requests)
        self.clock.advance(by: .seconds(11))
        _ = try await self.groups[0].get(key)
        #expect(self.cluster.nodes[1].requests == requests + 1)
    }

    @Test("near copies take at most an eighth of the capacity")
    func nearIsBounded() async throws {
        for _ in 0..<3 {
            for number in 0..<5000 { _ = try await self.groups[0].get("hot-\(number)") }
        }
        let near = self.groups[0].statistics.near
        #expect(near.items > 0)
        #expect(near.bytes + near.overheadBytes <= (1 << 20) / 8)
    }

    @Test("a node is down: its keys go to the next owner, who loads each once; no get fails")
    func ownerDown() async throws {
        self.cluster.nodes[1].fault = .down
        for index in [0, 2] {
            for key in self.keys { #expect(try await self.groups[index].get(key) == "value of " + key.string) }
        }
        let loads = self.loads.withLockedValue { $0 }
        for key in self.keys where self.index(ofOwner: key) == 1 { #expect(loads[key]?.count == 1, "loaded once, by the next owner") }
        #expect(self.groups[0].statistics.peerErrors > 0)
        // What a fallback loaded stays only near.
        let owned = self.keys.filter { self.index(ofOwner: $0) == 2 }.count
        #expect(self.groups[2].statistics.main.items == owned)
    }

    @Test("all others are down: the getter answers here")
    func allOthersDown() async throws {
        self.cluster.nodes[1].fault = .down
        self.cluster.nodes[2].fault = .down
        for key in self.keys { #expect(try await self.groups[0].get(key) == "value of " + key.string) }
        #expect(self.groups[0].statistics.localLoads == 200)
    }

    @Test("the owner's word is final: not found and getter errors are not asked for again elsewhere")
    func finalAnswers() async throws {
        let nobody = self.key(ownedBy: 1, "nobody")
        let failing = self.key(ownedBy: 1, "fail")
        for _ in 0..<2 {
            #expect(await #expect(throws: GroupCacheError.self) { try await self.groups[0].get(nobody) }?.code == .notFound)
            #expect(await #expect(throws: GroupCacheError.self) { try await self.groups[0].get(failing) }?.code == .getterFailed)
        }
        #expect(self.loads.withLockedValue { $0[nobody] } == [1], "the owner remembers that there is none")
        #expect(self.loads.withLockedValue { $0[failing] } == [1], "and leaves its getter alone for a while after a failure")
    }

    @Test("peer requests are terminal: nodes whose rings contradict each other do not wait for each other")
    func contradictingRings() async throws {
        // Node 0 takes node 1 for the owner of everything, and node 1 takes node 0.
        try self.cluster.nodes[0].setPeers([self.cluster.nodes[1]])
        try self.cluster.nodes[1].setPeers([self.cluster.nodes[0]])
        async let zero = self.groups[0].get("k")
        async let one = self.groups[1].get("k")
        #expect(try await [zero, one] == ["value of k", "value of k"])
    }

    @Test("set, remove and refresh act at the owner, and drop this node's copy")
    func mutations() async throws {
        let key = self.key(ownedBy: 1)
        for _ in 0..<5 { _ = try await self.groups[0].get(key) }
        #expect(self.groups[0].cached(key) != nil)
        try await self.groups[0].set(key, to: "changed")
        #expect(self.groups[1].cached(key) == "changed")
        #expect(try await self.groups[0].get(key) == "changed")
        #expect(try await self.groups[0].refresh(key) == "value of " + key.string)
        #expect(self.groups[1].cached(key) == "value of " + key.string)
        try await self.groups[0].remove(key)
        #expect(self.groups[1].cached(key) == nil)
        #expect(self.groups[0].cached(key) == nil)
    }

    @Test("a set or remove that the owner cannot be told of is an error")
    func mutationFails() async throws {
        let key = self.key(ownedBy: 1)
        self.cluster.nodes[1].fault = .down
        #expect(await #expect(throws: GroupCacheError.self) { try await self.groups[0].set(key, to: "x") }?.code == .peerFailed)
        #expect(await #expect(throws: GroupCacheError.self) { try await self.groups[0].remove(key) }?.code == .peerFailed)
    }

    @Test("a caller can leave a peer that is stuck")
    func stuckPeer() async throws {
        let gate = Gate()
        self.cluster.nodes[1].fault = .stuck(gate)
        let key = self.key(ownedBy: 1)
        let caller = Task { try await self.groups[0].get(key) }
        await gate.waitForArrivals()
        caller.cancel()
        #expect(await #expect(throws: GroupCacheError.self) { try await caller.value }?.code == .cancelled)
        while self.groups[0].flights.count > 0 { await Task.yield() }
    }

    @Test("a key that has gone to a node that joined is served from there, not from the old owner's memory")
    func ownershipMoves() async throws {
        let all = self.cluster.nodes
        try all[0].setPeers(Array(all[..<2]))
        try all[1].setPeers(Array(all[..<2]))
        for key in self.keys { _ = try await self.groups[0].get(key) }
        for key in self.keys { _ = try await self.groups[1].get(key) }
        for node in all { try node.setPeers(all) }
        for key in self.keys where self.index(ofOwner: key) == 2 { try await self.groups[2].set(key, to: "new") }
        // Near copies from before end by themselves; the old owner's own entries would not.
        self.clock.advance(by: .seconds(11))
        for key in self.keys where self.index(ofOwner: key) == 2 {
            #expect(try await self.groups[0].get(key) == "new")
            #expect(try await self.groups[1].get(key) == "new")
        }
    }

    @Test("a group's name can be taken once")
    func duplicateName() {
        #expect { try Group<String>("g", capacity: .kibibytes(1), peers: self.cluster.nodes[0]) { _, _ in "" } } throws: {
            ($0 as? GroupCacheError)?.code == .duplicateGroup
        }
    }
}

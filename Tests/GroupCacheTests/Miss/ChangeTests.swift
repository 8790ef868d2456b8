// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

@Suite("Group: changes beside loads", .timeLimit(.minutes(5)))
struct ChangeTests {
    @Test("what is set while a load waits for its turn is not overwritten by it", arguments: [true, false])
    func setWhileQueued(_ batch: Bool) async throws {
        let gate = Gate()
        var configuration = GroupConfiguration()
        configuration.loads = LoadLimit(running: 1, queued: 10)
        let getter = BatchTests.Doubler(gate: gate)
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, getter: getter)
        let blocker = Task { await group.get(keys: ["blocker"] as [Key]) }
        await gate.waitForArrivals()
        let get = Task { batch ? try await group.get(keys: ["k", "l"] as [Key])["k"]!.get() : try await group.get("k") }
        while group.limit.current.queued < 1 { await Task.yield() }
        try await group.set("k", to: "set")
        gate.open()
        #expect(try await get.value == "set")
        #expect(group.cached("k") == "set")
        _ = await blocker.value
    }

    @Test("what a former owner answers to a batch does not undo a change that came meanwhile", arguments: ["set", "remove", "refresh"])
    func takenOverTooLate(_ change: String) async throws {
        let cluster = try Cluster(2)
        let key = (0...).lazy.map { Key("k-\($0)") }.first { cluster.owner(of: $0).id == cluster.nodes[1].id }!
        let gate = Gate()
        try cluster.nodes[0].setPeers([cluster.nodes[0]])
        let former = try Group<String>("g", capacity: .mebibytes(1), peers: cluster.nodes[0]) { _, _ in "old" }
        _ = try await former.get(key)
        let group = try Group<String>("g", capacity: .mebibytes(1), peers: cluster.nodes[1], getter: BatchTests.Doubler())
        try cluster.nodes[1].setPeers([cluster.nodes[0]])
        try cluster.nodes[1].setPeers(cluster.nodes, warm: true)
        cluster.nodes[0].fault = .stuck(gate)
        let get = Task { await group.get(keys: [key, Key(key.string + "x")]) }
        await gate.waitForArrivals()
        switch change {
        case "set": try await group.set(key, to: "new")
        case "remove": try await group.remove(key)
        default:
            let refresh = Task { try await group.refresh(key) }
            gate.open()
            #expect(try await refresh.value == key.string + key.string)
        }
        gate.open()
        _ = await get.value
        #expect(group.cached(key) != "old")
    }

    @Test("a refresh at the owner supersedes what this node was just being told by it")
    func refreshBesideRoutedLoad() async throws {
        let cluster = try Cluster(2)
        let key = (0...).lazy.map { Key("k-\($0)") }.first { cluster.owner(of: $0).id == cluster.nodes[1].id }!
        let calls = Counter()
        let groups = try cluster.nodes.map { node in
            try Group<String>("g", capacity: .mebibytes(1), peers: node) { _, _ in "\(calls.increment())" }
        }
        // A routed load is under way, as if the answer had yet to come.
        let asker = groups[0]
        let hashed = asker.hashed(key)
        let load = asker.flights.withTable(asker.shard(hashed)) {
            $0.hold(.routed, hashed, number: 1) { flight in
                Load(asker, flight, .routed, hashed, .local, began: 0, deadline: 1 << 40, trail: nil)
            }
        }
        #expect(try await asker.refresh(key) == "1")
        let stores = asker.flights.withTable(asker.shard(hashed)) { table in load.flatMap { table.land($0.flight) }?.stores }
        #expect(stores == false)
    }

    @Test("that a getter could not ask a peer, or heard of an absence, is a failure of the getter to other nodes")
    func nestedErrors() async throws {
        let cluster = try Cluster(2)
        let key = (0...).lazy.map { Key("k-\($0)") }.first { cluster.owner(of: $0).id == cluster.nodes[1].id }!
        let calls = Counter()
        let error = NIOLockedValueBox(GroupCacheError.peerFailed)
        let configuration = GroupConfiguration(freshness: Freshness(backOff: .none))
        let groups = try cluster.nodes.map { node in
            try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, peers: node) { _, _ in
                calls.increment()
                throw error.withLockedValue { $0 }
            }
        }
        #expect(await #expect(throws: GroupCacheError.self) { try await groups[0].get(key) }?.code == .getterFailed)
        #expect(calls.value == 1, "nobody else is asked")
        #expect(groups[0].statistics.peerErrors == 0)
        error.withLockedValue { $0 = .notFound(in: "other") }
        #expect(await #expect(throws: GroupCacheError.self) { try await groups[0].get(key) }?.code == .getterFailed)
    }

    @Test("what gets have needed goes when they have ended")
    func nothingIsKept() async throws {
        weak var weakGroup: Group<String>?
        do {
            // It does not hold its groups, as others do; the other node owns everything.
            let pool = FakePool(FakePeer { _ throws(GroupCacheError) in PeerEntry(value: "v") })
            let group = try Group<String>("g", capacity: .mebibytes(1), peers: pool) { key, _ in key.string }
            for result in await group.get(keys: (0..<50).map { Key("k\($0)") }).values { #expect(try result.get() == "v") }
            #expect(try await group.get("single") == "v")
            #expect(try await group.refresh("single") == "v")
            weakGroup = group
        }
        // Tasks that have ended may be on their way out.
        while weakGroup != nil, !Task.isCancelled { await Task.yield() }
        #expect(weakGroup == nil)
    }
}

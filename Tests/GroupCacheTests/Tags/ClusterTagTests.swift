// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// Removals of tags and clears that concern several nodes.
@Suite("Tags and clear in a cluster", .timeLimit(.minutes(5)))
struct ClusterTagTests {
    private let origin = NIOLockedValueBox(0)

    private func groups(_ cluster: Cluster) throws -> [Group<Int>] {
        try cluster.nodes.map { node in
            try Group<Int>("group", capacity: .mebibytes(1), peers: node) { [origin] key, _ -> Loaded<Int> in
                .value(origin.withLockedValue { $0 }, tags: key.string.hasPrefix("plain") ? [] : ["t", key.string])
            }
        }
    }

    private func key(_ cluster: Cluster, of node: Int, _ name: String = "k") -> Key {
        (0...).lazy.map { Key("\(name)-\($0)") }.first { cluster.owner(of: $0).id == "node-\(node)" } ?? ""
    }

    /// Asked for often enough to be copied.
    private func warm(_ groups: [Group<Int>], _ key: Key) async throws {
        for group in groups { for _ in 0..<4 { _ = try await group.get(key) } }
    }

    @Test(
        "a tag that is removed at one node is gone at all of them, whoever owns or has copied what has it",
        arguments: 0..<3,
        [false, true]
    )
    func everywhere(by node: Int, soft: Bool) async throws {
        let cluster = try Cluster(3, follows: true)
        let groups = try self.groups(cluster)
        let keys = (0..<3).map { self.key(cluster, of: $0) }
        let plain = self.key(cluster, of: 0, "plain")
        for key in keys + [plain] { try await self.warm(groups, key) }
        for group in groups { for key in keys { #expect(group.cached(key) == 0) } }
        self.origin.withLockedValue { $0 = 1 }
        try await groups[node].remove(tag: keys[1].string, soft: soft)
        for group in groups { #expect(keys.map { group.cached($0) } == [0, nil, 0]) }
        try await groups[node].remove(tag: "t", soft: soft, wait: .applied)
        for group in groups {
            for key in keys { #expect(group.cached(key) == nil) }
            #expect(group.cached(plain) == 0)
        }
        for group in groups { for key in keys { #expect(try await group.get(key) == 1) } }
        // What was loaded since stays, though each node has told the others what it has removed.
        for group in groups { for key in keys { #expect(try await group.get(key) == 1) } }
        #expect(groups.map(\.statistics.localLoads).reduce(0, +) == 4 + 3)
    }

    @Test("a set's tags are those of the owner and of every copy", arguments: 0..<3)
    func sets(by node: Int) async throws {
        let cluster = try Cluster(3, follows: true)
        let groups = try self.groups(cluster)
        let key = self.key(cluster, of: 0)
        try await groups[node].set(key, to: 7, tags: ["mine"])
        try await self.warm(groups, key)
        #expect(groups.allSatisfy { $0.cached(key) == 7 })
        try await groups[1].remove(tag: "t")
        #expect(groups.allSatisfy { $0.cached(key) == 7 })
        try await groups[2].remove(tag: "mine")
        #expect(groups.allSatisfy { $0.cached(key) == nil })
    }

    @Test("a clear at one node clears all, and each node writes down one change", arguments: 0..<3)
    func clear(by node: Int) async throws {
        let cluster = try Cluster(3, follows: true)
        let groups = try self.groups(cluster)
        for owner in 0..<3 { try await self.warm(groups, self.key(cluster, of: owner)) }
        let before = cluster.nodes.map { $0.recorder?.position.sequence ?? 0 }
        try await groups[node].clear(wait: .applied)
        #expect(groups.allSatisfy { $0.statistics.main.items + $0.statistics.near.items == 0 })
        #expect(zip(cluster.nodes, before).allSatisfy { ($0.recorder?.position.sequence ?? 0) == $1 + 1 })
        // A clear of one node is nobody else's business.
        for owner in 0..<3 { try await self.warm(groups, self.key(cluster, of: owner)) }
        groups[node].clearLocal()
        #expect(groups.enumerated().allSatisfy { ($1.statistics.main.items > 0) == ($0 != node) })
    }

    @Test("who cannot be reached is named, and makes the change before anything else is asked of it", arguments: 0..<3)
    func partition(_ change: Int) async throws {
        let cluster = try Cluster(3, follows: true)
        let groups = try self.groups(cluster)
        let keys = (0..<3).map { self.key(cluster, of: $0) }
        for key in keys { try await self.warm(groups, key) }
        self.origin.withLockedValue { $0 = 1 }
        cluster.partition([0, 1], [2])
        for wait in [ChangeWait.owner, .applied] {
            let error = await #expect(throws: GroupCacheError.self) {
                switch change {
                case 0: try await groups[0].remove(tag: "t", wait: wait)
                case 1: try await groups[0].remove(tag: "t", soft: true, wait: wait)
                default: try await groups[0].clear(wait: wait)
                }
            }
            #expect(error?.code == .notDelivered && error?.nodes == ["node-2"])
        }
        // Its own entry, and its copies of the others' as long as copies live.
        #expect(groups[2].cached(keys[2]) == 0)
        for key in keys { #expect(groups[0].cached(key) == nil && groups[1].cached(key) == nil) }
        cluster.heal()
        for group in groups { for key in keys { #expect(group.cached(key) == nil) } }
        for group in groups { for key in keys { #expect(try await group.get(key) == 1) } }
        try await groups[2].remove(tag: "t", wait: .applied)
    }

    @Test("a node that was down makes the change when it is asked something for the first time")
    func down() async throws {
        let cluster = try Cluster(3, follows: true)
        let groups = try self.groups(cluster)
        let key = self.key(cluster, of: 2)
        try await self.warm([groups[2]], key)
        self.origin.withLockedValue { $0 = 1 }
        cluster.nodes[2].fault = .down
        #expect(await #expect(throws: GroupCacheError.self) { try await groups[0].remove(tag: "t") }?.nodes == ["node-2"])
        cluster.nodes[2].fault = nil
        #expect(try await groups[0].get(key) == 1)
    }

    @Test("without streams all nodes make the change, and nobody can say when copies end")
    func withoutStreams() async throws {
        let cluster = try Cluster(2)
        let groups = try self.groups(cluster)
        let key = self.key(cluster, of: 0)
        try await self.warm(groups, key)
        self.origin.withLockedValue { $0 = 1 }
        try await groups[1].remove(tag: "t")
        #expect(groups.allSatisfy { $0.cached(key) == nil })
        for change in 0..<2 {
            let error = await #expect(throws: GroupCacheError.self) {
                if change == 0 { try await groups[1].remove(tag: "t", wait: .applied) } else { try await groups[1].clear(wait: .applied) }
            }
            #expect(error?.code == .cannotFollow && error?.nodes == ["node-0"])
        }
    }

    @Test("a pool that cannot tell others: the change is made here, and the error says that it is not made elsewhere")
    func mutePool() async throws {
        let group = try Group<Int>("group", capacity: .mebibytes(1), peers: FakePool(nil)) { _, _ -> Loaded<Int> in .value(1, tags: ["t"]) }
        _ = try await group.get("k")
        #expect(await #expect(throws: GroupCacheError.self) { try await group.remove(tag: "t") }?.code == .cannotFollow)
        #expect(group.cached("k") == nil)
        _ = try await group.get("k")
        #expect(await #expect(throws: GroupCacheError.self) { try await group.clear() }?.code == .cannotFollow)
        #expect(group.cached("k") == nil)
    }

    @Test("an answer that left its node before a tag was removed is not kept by who hears of the removal first", arguments: [false, true])
    func overtaken(_ soft: Bool) async throws {
        let cluster = try Cluster(2, follows: true)
        let gate = Gate()
        let values = NIOLockedValueBox(0)
        let groups = try cluster.nodes.map { node in
            try Group<Int>("group", capacity: .mebibytes(1), peers: node) { _, _ -> Loaded<Int> in
                let value = values.withLockedValue { $0 }
                if value == 0 { try await gate.pass() }
                return .value(value, tags: ["t"])
            }
        }
        let key = self.key(cluster, of: 0)
        let early = Task { try await groups[1].get(key) }
        await gate.waitForArrivals()
        values.withLockedValue { $0 = 1 }
        try await groups[1].remove(tag: "t", soft: soft)
        let late = Task { try await groups[1].get(key) }
        while groups[1].statistics.waiters < 2 { await Task.yield() }
        gate.open()
        #expect(try await early.value == 0)
        #expect(try await late.value == 1)
        for _ in 0..<4 { for group in groups { #expect(try await group.get(key) == 1) } }
    }

    @Test("other nodes' changes that mean nothing here do no harm, and each kind does what it says")
    func strangers() async throws {
        let cluster = try Cluster(2, follows: true)
        let groups = try self.groups(cluster)
        let (mine, copied) = (self.key(cluster, of: 1), self.key(cluster, of: 0))
        func again() async throws {
            try await self.warm(groups, mine)
            try await self.warm(groups, copied)
        }
        try await again()
        let server = groups[1].server
        let (tag, odd) = (try #require(EntryTag("t")), try #require(EntryTag(bytes: [0xFF, 0])))
        for change in [Change.tag(odd, group: "group", soft: false), .tag(odd, group: "group", soft: true)] {
            server.heard(change)
            server.made(change)
        }
        #expect(groups[1].cached(mine) == 0 && groups[1].cached(copied) == 0)
        // Heard of: copies go. Made: what is this node's own, too.
        for (change, isMade) in [
            (Change.tag(tag, group: "group", soft: false), false), (.group("group"), false), (.everything, false),
            (.tag(tag, group: "group", soft: false), true), (.group("group"), true), (.everything, true),
        ] {
            try await again()
            if isMade { server.made(change) } else { server.heard(change) }
            #expect(groups[1].cached(copied) == nil, "\(change)")
            #expect((groups[1].cached(mine) == nil) == isMade, "\(change)")
        }
    }
}

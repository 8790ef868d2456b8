// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// Nodes that may not act as owners any more, over real sockets.
@Suite("Nodes that are fenced", .timeLimit(.minutes(5)), .serialized)
struct FencedTests {
    private static let settings = {
        var settings = GroupConfiguration()
        settings.nearTTL = .seconds(2)
        settings.standInTTL = .milliseconds(300)
        settings.freshness.ttl = .seconds(600)
        settings.freshness.jitter = 0
        return settings
    }()

    /// Node 0 is a member, and has a key of its own.
    private static func member(_ mesh: Mesh, for time: Int64 = 600_000) async throws -> Key {
        let key = mesh.key(of: 0)
        mesh.pools[0].heard(.member(until: mesh.pools[0].moment + time, tenure: 1))
        mesh.put("old", at: key)
        #expect(try await mesh.groups[0].get(key) == "old")
        return key
    }

    private static func peers(_ mesh: Mesh, _ nodes: [Int]) -> [HTTPPool.Peer] { nodes.map { HTTPPool.Peer(mesh.id($0)) } }

    /// It may be cut off from its source and from everybody but its clients: what they read there is as it was for as long as its lease is, and then what
    /// others have made of it.
    @Test("who is cut off serves nothing as an owner when its lease is over, and the others' changes are what its clients read")
    func cutOff() async throws {
        try await withMesh(3, promise: .milliseconds(400), Self.settings) { mesh in
            let key = try await Self.member(mesh, for: 2_000)
            for wire in mesh.wires { wire.cut() }
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            let owner = try #require((1..<3).first { mesh.pools[$0].pickOwner(of: key) == nil })
            // The lease comes to its end, and nobody says so.
            try await eventually { mesh.pools[0].core.isFenced }
            for round in 0..<5 {
                let value = "new \(round)"
                mesh.put(value, at: key)
                try await mesh.groups[owner].remove(key)
                if round == 0 { #expect(try await mesh.groups[0].get(key) == value) }
                // It loads in the owner's place, and keeps that for as long as one does.
                while try await mesh.groups[0].get(key) != value {
                    let isOwn = mesh.groups[0].entry(key)?.isNear == false
                    try #require(!isOwn)
                    try Task.checkCancellation()
                }
                let entry = mesh.groups[0].entry(key)
                #expect(entry?.isNear ?? true && entry?.timeLeft ?? .zero <= .milliseconds(300))
            }
            await #expect(throws: GroupCacheError.self) { try await mesh.groups[0].remove(key) }
        }
    }

    @Test("who is fenced makes no change as an owner and answers as one who stands in; its own callers go to who comes after it")
    func refuses() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let key = try await Self.member(mesh)
            let after = mesh.pools[0].core.members.withLockedValue { $0 }.nextOwner(of: key.bytes.span)
            let next = try #require(after)
            mesh.pools[0].heard(.out)
            #expect(mesh.pools[0].pickOwner(of: key)?.id == next.id && mesh.pools[0].pickPeer(for: key).owner?.id == next.id)
            #expect(mesh.groups[0].cached(key) == nil)
            mesh.put("new", at: key)
            // The others have not heard yet that it is none.
            for node in 1..<3 {
                let refusal = await #expect(throws: GroupCacheError.self) { try await mesh.groups[node].remove(key) }
                #expect(refusal?.code == .ringsDiffer)
                #expect(try await mesh.groups[node].get(key) == "new")
                // Nobody takes what it says for the owner's.
                #expect(mesh.groups[node].cached(key) == nil)
            }
            #expect(mesh.groups[0].entry(key)?.isNear ?? true)
            let refusal = await #expect(throws: GroupCacheError.self) { try await mesh.groups[0].set(key, to: "x", if: .absent) }
            #expect(refusal?.code == .ringsDiffer)
            // They have: who comes after it is the owner, and its callers' changes are made there.
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            // Of the origin, too: who finds the owner slow may load in its place.
            mesh.put("theirs", at: key)
            try await mesh.groups[0].set(key, to: "theirs")
            for node in 0..<3 { #expect(try await mesh.groups[node].get(key) == "theirs") }
        }
    }

    @Test("what is loaded while the fence falls is not kept as an owner's, and what is loaded while it falls and rises again not at all")
    func loading() async throws {
        try await withMesh(2, Self.settings) { mesh in
            let pool = mesh.pools[0]
            let ends = NIOLockedValueBox(0)
            let group = try Group<String>("slow", capacity: .mebibytes(1), configuration: Self.settings, peers: pool) {
                (key: Key, _) async throws -> String? in
                if ends.withLockedValue({ $0 }) > 0 { pool.heard(.out) }
                if ends.withLockedValue({ $0 }) > 1 { pool.heard(.member(until: pool.moment + 600_000, tenure: 2)) }
                return "x"
            }
            pool.heard(.member(until: pool.moment + 600_000, tenure: 1))
            #expect(try await group.get(mesh.key(of: 0)) == "x")
            #expect(group.entry(mesh.key(of: 0))?.isNear == false)
            let keys = (1..<3).map { mesh.key(of: 0, $0) }
            ends.withLockedValue { $0 = 1 }
            #expect(try await group.get(keys[0]) == "x")
            #expect(group.entry(keys[0])?.isNear ?? true)
            pool.heard(.member(until: pool.moment + 600_000, tenure: 2))
            ends.withLockedValue { $0 = 2 }
            #expect(try await group.get(keys[1]) == "x")
            #expect(group.cached(keys[1]) == nil)
        }
    }

    @Test("who comes back confirms what it had, and asks those who acted in its place first; who was never out goes on with it")
    func returns() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let key = try await Self.member(mesh)
            let (other, loaded) = (mesh.key(of: 0, 1), mesh.key(of: 0, 2))
            mesh.put("o", at: other)
            #expect(try await mesh.groups[0].get(other) == "o")
            mesh.pools[0].heard(.member(until: mesh.pools[0].moment + 700_000, tenure: 1))
            #expect(mesh.groups[0].cached(key) == "old" && mesh.groups[0].cached(other) == "o")
            mesh.pools[0].heard(.out)
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            let acting = try #require((1..<3).first { mesh.pools[$0].pickOwner(of: key) == nil })
            let heir = try #require((1..<3).first { mesh.pools[$0].pickOwner(of: loaded) == nil })
            mesh.put("new", at: key)
            try await mesh.groups[acting].remove(key)
            mesh.put("l", at: loaded)
            #expect(try await mesh.groups[heir].get(loaded) == "l")
            mesh.pools[0].heard(.member(until: mesh.pools[0].moment + 600_000, tenure: 2))
            // What was loaded in its place meanwhile it is given; once the others follow it again they have dropped that.
            #expect(try await mesh.groups[0].get(loaded) == "l" && mesh.loads(loaded) == 1)
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [0, 1, 2])) }
            #expect(mesh.groups[0].cached(key) == nil && mesh.groups[0].cached(other) == nil)
            #expect(try await mesh.groups[0].get(other) == "o" && mesh.loads(other) == 2)
            #expect(try await mesh.groups[0].get(key) == "new")
        }
    }

    @Test("as long as all peers go by its ring a node acts though its source is away; no longer than the promise after one goes by another")
    func confirmed() async throws {
        try await withMesh(3, promise: .seconds(3), Self.settings) { mesh in
            let key = try await Self.member(mesh, for: 2_000)
            let pool = mesh.pools[0]
            let end = pool.moment + 2_000
            try await eventually { pool.core.isFenced || pool.moment > end + 2_000 }
            #expect(!pool.core.isFenced)
            #expect(mesh.groups[0].cached(key) == "old")
            try mesh.pools[1].setPeers(Self.peers(mesh, [1, 2]))
            try await eventually { pool.core.isFenced }
            // What has lapsed only the source brings back.
            try mesh.pools[1].setPeers(Self.peers(mesh, [0, 1, 2]))
            try await eventually { mesh.isFollowing && mesh.pools[1].ring.version == pool.ring.version }
            #expect(pool.core.isFenced && mesh.groups[0].cached(key) == nil)
            pool.heard(.member(until: pool.moment + 600_000, tenure: 1))
            #expect(!pool.core.isFenced && mesh.groups[0].cached(key) == "old")
        }
    }

    @Test("who drains hands over what it has though its lease ends")
    func drains() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let key = try await Self.member(mesh)
            mesh.pools[0].core.isDraining.store(true, ordering: .relaxed)
            // Kubernetes says so of who ends.
            mesh.pools[0].heard(.out)
            #expect(!mesh.pools[0].core.isFenced && mesh.groups[0].cached(key) == "old")
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            let next = try #require((1..<3).first { mesh.pools[$0].pickOwner(of: key) == nil })
            #expect(try await mesh.groups[next].get(key) == "old" && mesh.loads(key) == 1)
        }
    }

    @Test("one node alone that is fenced loads what it is asked for, and makes no changes") func alone() async throws {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: 0)
        let pool = try HTTPPool(configuration: configuration)
        pool.heard(.out)
        // A group that comes later is fenced, too.
        let group = try Group<String>("g", capacity: .mebibytes(1), configuration: Self.settings, peers: pool) {
            (_: Key, _) async throws -> String? in "x"
        }
        #expect(try await group.get("Tom") == "x")
        #expect(group.entry("Tom")?.isNear ?? true)
        let refusal = await #expect(throws: GroupCacheError.self) { try await group.set("Tom", to: "y") }
        #expect(refusal?.code == .shutDown)
        pool.heard(.member(until: pool.moment + 600_000, tenure: 1))
        try await group.set("Tom", to: "y")
        #expect(group.cached("Tom") == "y" && group.entry("Tom")?.isNear == false)
        pool.heard(.member(until: pool.moment + 700_000, tenure: 2))
        #expect(group.cached("Tom") == nil)
    }
}

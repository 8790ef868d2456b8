// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import NIOCore
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// Keys that go from node to node, and that nobody asks for meanwhile, over real sockets.
@Suite("Nodes that take over what nobody asks for", .timeLimit(.minutes(5)), .serialized)
struct MovingTests {
    private static let settings = {
        var settings = GroupConfiguration()
        settings.nearTTL = .seconds(30)
        settings.freshness.ttl = .seconds(600)
        settings.freshness.jitter = 0
        return settings
    }()

    private static func peers(_ mesh: Mesh, _ nodes: [Int]) -> [HTTPPool.Peer] { nodes.map { HTTPPool.Peer(mesh.id($0)) } }

    private static func isOwn(_ mesh: Mesh, _ key: Key, at node: Int) -> Bool {
        guard let entry = mesh.groups[node].entry(key) else { return false }
        return !entry.isNear && entry.timeLeft ?? .zero > .seconds(500)
    }

    @Test("what a node has that drains is its heirs' before it ends, with all of its time; a change that still goes to it wins")
    func drains() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let keys = (0..<300).map { mesh.key(of: 0, $0) }
            for key in keys {
                mesh.put("v", at: key)
                #expect(try await mesh.groups[0].get(key) == "v")
            }
            mesh.pools[0].core.isDraining.store(true, ordering: .relaxed)
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            try await eventually {
                keys.allSatisfy { key in (1..<3).contains { mesh.pools[$0].pickOwner(of: key) == nil && Self.isOwn(mesh, key, at: $0) } }
            }
            #expect(keys.allSatisfy { mesh.loads($0) == 1 })
            #expect(mesh.pools[0].core.movings.withLockedValue { $0.areUnderWay(.now()) && !$0.areUnderWay(.now() + .seconds(2)) })
            // Who has not heard yet that it drains.
            mesh.put("new", at: keys[0])
            try await mesh.groups[0].remove(keys[0])
            mesh.put("set", at: keys[1])
            try await mesh.groups[0].set(keys[1], to: "set")
            for node in 1..<3 {
                #expect(try await mesh.groups[node].get(keys[0]) == "new")
                #expect(try await mesh.groups[node].get(keys[1]) == "set")
            }
            mesh.wires[0].cut()
            for key in keys[2...] { #expect(try await mesh.groups[1].get(key) == "v" && mesh.loads(key) == 1) }
        }
    }

    @Test("a node that comes, or comes back, is given what the others hold of its keys as soon as they know that it is there")
    func comes() async throws {
        // Node 0 has just begun; the others have not heard of it yet.
        try await withMesh(3, Self.settings, lists: [[0, 1, 2], [1, 2], [1, 2]]) { mesh in
            let keys = (0..<100).map { mesh.key(of: 0, $0) }
            for key in keys {
                mesh.put("v", at: key)
                for node in 1..<3 { #expect(try await mesh.groups[node].get(key) == "v") }
            }
            #expect(keys.allSatisfy { mesh.groups[0].entry($0) == nil })
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [0, 1, 2])) }
            try await eventually { keys.allSatisfy { Self.isOwn(mesh, $0, at: 0) } }
            #expect(keys.allSatisfy { mesh.loads($0) == 1 })
        }
    }

    @Test("who is asked for another's key by a node that goes by a later ring looks at what its owner has, and keeps that for a while only")
    func window() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let keys = (0..<60).map { mesh.key(of: 0, $0) }
            for key in keys.dropLast() {
                mesh.put("v", at: key)
                #expect(try await mesh.groups[0].get(key) == "v")
            }
            mesh.put("v", at: keys[59])
            mesh.pools[0].core.isDraining.store(true, ordering: .relaxed)
            // Only node 2 knows.
            try mesh.pools[2].setPeers(Self.peers(mesh, [1, 2]))
            let others = keys.filter { mesh.pools[2].pickOwner(of: $0) != nil }
            #expect(others.count > 10)
            for key in others {
                #expect(try await mesh.groups[2].get(key) == "v" && mesh.loads(key) == 1)
                if let entry = mesh.groups[1].entry(key), key != keys[59] {
                    #expect(entry.isNear && entry.timeLeft ?? .seconds(600) <= .seconds(15))
                }
            }
            // What was changed there since is not brought back.
            let key = try #require(others.first { $0 != keys[59] })
            mesh.put("new", at: key)
            try await mesh.groups[1].remove(key)
            try await eventually { mesh.groups[1].entry(key) == nil }
            #expect(try await mesh.groups[1].get(key) == "new")
        }
    }

    // MARK: Who is asked, without sockets

    @Test("pages: by the same ring, or by one that lacks only a node that drains; each key once; who skips a page begins again")
    func pages() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let keys = (0..<600).map { mesh.key(of: 0, $0) }
            for key in keys { try await mesh.groups[0].set(key, to: "v") }
            for key in keys[..<300] { #expect(mesh.groups[0].cached(key) == "v") }
            let core = mesh.pools[0].core
            let ring = try HashRing([mesh.id(1), mesh.id(2)])
            func question(_ node: Int, _ page: UInt32, ring version: UInt64? = nil) -> MovedQuestion {
                MovedQuestion(asker: UInt64(node), id: mesh.id(node), group: "g", ring: version ?? ring.version, page: page)
            }
            #expect(core.moved(question(1, 0)).state == .notYet, "it does not drain")
            let same = core.moved(question(1, 0, ring: mesh.pools[0].ring.version))
            #expect(same.state == .end && same.keys.isEmpty)
            core.isDraining.store(true, ordering: .relaxed)
            #expect(core.moved(question(1, 0, ring: 7)).state == .notYet)
            #expect(core.moved(question(0, 0)).state == .notYet, "it does not ask itself")
            #expect(core.moved(MovedQuestion(asker: 1, id: "http://who:1", group: "g", ring: ring.version)).state == .notYet)
            #expect(core.moved(MovedQuestion(asker: 1, id: mesh.id(1), group: "none", ring: ring.version)).state == .end)
            #expect(core.moved(question(1, 1)).state == .again, "it has not begun")
            var found: [Key] = []
            for node in 1..<3 {
                var page: UInt32 = 0
                var state = MovedPage.State.more
                while state == .more {
                    let answer = core.moved(question(node, page))
                    #expect(answer.keys.allSatisfy { ring.members[ring.ownerAndNext(of: $0.bytes.span)!.owner].id == mesh.id(node) })
                    #expect(answer.keys.count <= 256 + 64)
                    found += answer.keys
                    state = answer.state
                    if state == .more { #expect(core.moved(question(node, page + 2)).state == .again, "pages come one after the other") }
                    page += 1
                }
                #expect(state == .end)
            }
            #expect(Set(found) == Set(keys) && found.count == keys.count)
        }
    }

    @Test("how many walk at a time is bounded, and who does not come back is forgotten")
    func bounded() {
        var movings = Movings()
        let start = NIODeadline.now()
        func question(_ asker: UInt64, _ page: UInt32 = 0) -> MovedQuestion {
            MovedQuestion(asker: asker, id: "n", group: "g", ring: 1, page: page)
        }
        #expect(!movings.areUnderWay(start))
        var taken = 0
        for asker in 0..<100 where movings.walk(question(UInt64(asker)), now: start) != nil { taken += 1 }
        #expect(taken == 64)
        #expect(movings.areUnderWay(start + .milliseconds(999)) && !movings.areUnderWay(start + .seconds(1)))
        let first = movings.walk(question(0, 1), now: start)
        #expect(first != nil)
        movings.end(question(0))
        let ended = movings.walk(question(0, 2), now: start)
        let other = movings.walk(question(99), now: start)
        #expect(ended == nil && other != nil)
        let late = movings.walk(question(98), now: start + .seconds(11))
        let forgotten = movings.walk(question(1, 1), now: start + .seconds(11))
        #expect(late != nil && forgotten == nil)
    }
}

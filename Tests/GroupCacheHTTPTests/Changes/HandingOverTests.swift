// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import NIOCore
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// Keys that go from node to node while nodes join and leave, over real sockets.
@Suite("Nodes that hand over what they have", .timeLimit(.minutes(5)), .serialized)
struct HandingOverTests {
    private static let settings = {
        var settings = GroupConfiguration()
        settings.nearTTL = .seconds(2)
        settings.freshness.ttl = .seconds(600)
        settings.freshness.jitter = 0
        return settings
    }()

    private static func peers(_ mesh: Mesh, _ nodes: [Int]) -> [HTTPPool.Peer] { nodes.map { HTTPPool.Peer(mesh.id($0)) } }

    /// Keys that node 0 owns among three.
    private static func fill(_ mesh: Mesh) async throws -> [Key] {
        let keys = (0..<20).map { mesh.key(of: 0, $0) }
        for key in keys {
            mesh.put("v", at: key)
            #expect(try await mesh.groups[0].get(key) == "v")
        }
        return keys
    }

    @Test("who leaves the list hands over to those who come after it, with all of the values' time, as long as it is there")
    func leaves() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let keys = try await Self.fill(mesh)
            // It says that it drains before the others hear of it, or after: here before.
            mesh.pools[0].core.isDraining.store(true, ordering: .relaxed)
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            for key in keys {
                let owner = try #require((1..<3).first { mesh.pools[$0].pickOwner(of: key) == nil })
                #expect(try await mesh.groups[3 - owner].get(key) == "v")
                let entry = try #require(mesh.groups[owner].entry(key))
                #expect(!entry.isNear && entry.timeLeft ?? .zero > .seconds(500))
            }
            #expect(keys.allSatisfy { mesh.loads($0) == 1 })
            // A change that still goes to who leaves.
            mesh.put("new", at: keys[0])
            try await mesh.groups[0].remove(keys[0])
            for node in 1..<3 { #expect(try await mesh.groups[node].get(keys[0]) == "new") }
            mesh.put("set", at: keys[1])
            try await mesh.groups[0].set(keys[1], to: "set")
            for node in 1..<3 { #expect(try await mesh.groups[node].get(keys[1]) == "set") }
        }
    }

    private static func server(_ mesh: Mesh, _ node: Int) throws -> any PeerServing {
        try #require(mesh.pools[node].core.groups.withLockedValue { $0.find("g") })
    }

    /// Whoever is given more time than is left keeps it beyond the promise, and hands it on with a new time again.
    @Test("a copy is answered to peers with no more time than its stream is fresh for")
    func copiesOfCopies() async throws {
        var settings = Self.settings
        settings.nearTTL = .seconds(60)
        try await withMesh(3, promise: .seconds(2), settings) { mesh in
            let key = mesh.key(of: 0)
            mesh.put("v", at: key)
            try await mesh.copy(key, at: 1)
            mesh.wires[0].cut()
            let group = try Self.server(mesh, 1)
            let cached = group.serveCached(key.bytes.span, for: .peer)
            let forPeers = try #require(cached)
            #expect(forPeers.source == .near && !forPeers.isOwn)
            #expect(try #require(forPeers.ttl) <= .seconds(2))
            let peeked = try #require(group.servePeek(key))
            #expect(try #require(peeked.ttl) <= .seconds(2))
            var request = PeerRequest(group: "g", key: key)
            request.allowStale = true
            let answered = try await group.serve(request, for: .peer)
            #expect(try #require(answered.ttl) <= .seconds(2))
            // To a client it is said how long the value may live, which is no matter of nodes.
            if let client = group.serveCached(key.bytes.span, for: .client) { #expect(client.ttl ?? .zero > .seconds(500)) }
        }
    }

    @Test("what has moved to another node is answered to peers with the time that it stays, and to its owner with all of its own")
    func moved() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let keys = try await Self.fill(mesh)
            let group = try Self.server(mesh, 0)
            for key in keys {
                let own = group.serveCached(key.bytes.span, for: .peer)
                #expect(own?.isOwn == true && own?.ttl ?? .zero > .seconds(500))
            }
            let others = (1..<3).map { HTTPPool.Peer(mesh.id($0), weight: 90) }
            try mesh.pools[0].setPeers(others + [HTTPPool.Peer(mesh.id(0))])
            let key = try #require(keys.first { mesh.pools[0].pickOwner(of: $0) != nil })
            let cached = group.serveCached(key.bytes.span, for: .peer)
            let moved = try #require(cached)
            #expect(moved.source == .main && !moved.isOwn)
            #expect(try #require(moved.ttl) <= .seconds(2))
            let handed = try #require(group.servePeek(key))
            #expect(handed.isHandedOver && handed.ttl ?? .zero > .seconds(500))
        }
    }

    @Test("who drains hands over to those of whom it knows that they come after it; who goes by another ring may keep it for a while only")
    func leavesToOthers() async throws {
        // Long enough for it to be there still when it is looked at.
        var settings = Self.settings
        settings.nearTTL = .seconds(20)
        try await withMesh(3, settings) { mesh in
            let keys = try await Self.fill(mesh)
            mesh.pools[0].core.isDraining.store(true, ordering: .relaxed)
            // By this ring much is node 2's that is node 1's by one that differs from ours in nothing but that we have left.
            try mesh.pools[2].setPeers([HTTPPool.Peer(mesh.id(1)), HTTPPool.Peer(mesh.id(2), weight: 90)])
            let key = try #require(keys.first { mesh.pools[2].pickOwner(of: $0) == nil })
            #expect(try await mesh.groups[2].get(key) == "v" && mesh.loads(key) == 1)
            #expect(try #require(mesh.groups[2].entry(key)).timeLeft ?? .seconds(600) <= .seconds(10))
        }
    }

    @Test("who joins is given what the others have of its keys, once they know that it has joined with all of its time")
    func joins() async throws {
        // What has moved stays with those that had it for so long: more than the second that may pass until they are heard.
        var settings = Self.settings
        settings.nearTTL = .seconds(6)
        try await withMesh(3, settings) { mesh in
            let keys = (0..<20).map { mesh.key(of: 0, $0) }
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            for key in keys {
                mesh.put("v", at: key)
                for node in 1..<3 { #expect(try await mesh.groups[node].get(key) == "v") }
            }
            #expect(try await mesh.groups[0].get(keys[0]) == "v")
            let early = try #require(mesh.groups[0].entry(keys[0]))
            #expect(early.isNear && early.timeLeft ?? .seconds(600) <= .seconds(3))
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [0, 1, 2])) }
            try await eventually { mesh.isFollowing }
            // The first one when what it was given early is over, or it has been taken over meanwhile.
            for key in keys.reversed() {
                if key == keys[0] {
                    try await eventually { mesh.groups[0].cached(key) == nil || mesh.groups[0].entry(key)?.isNear == false }
                }
                #expect(try await mesh.groups[0].get(key) == "v")
                let entry = try #require(mesh.groups[0].entry(key))
                #expect(!entry.isNear && entry.timeLeft ?? .zero > .seconds(500))
            }
            #expect(keys.allSatisfy { mesh.loads($0) == 1 })
        }
    }

    @Test("who has just come to own a key compares with what its former owner has, and not before that one knows that it is none any more")
    func compares() async throws {
        var settings = Self.settings
        settings.nearTTL = .seconds(30)
        // Node 0 has just begun; the others have not heard of it yet.
        try await withMesh(3, settings, lists: [[0, 1, 2], [1, 2], [1, 2]]) { mesh in
            let keys = (0..<6).map { mesh.key(of: 0, $0) }
            // What was changed a moment ago a new owner does not take over: the origin has it, too.
            for key in keys {
                mesh.put("old", at: key)
                try await mesh.groups[1].set(key, to: "old")
            }
            let former = try #require((1..<3).first { mesh.pools[$0].pickOwner(of: keys[0]) == nil })
            let early = await #expect(throws: GroupCacheError.self) { try await mesh.groups[0].set(keys[0], to: "0", if: .absent) }
            #expect(early?.code == .ownerChanging && early?.nodes == [mesh.id(former)])
            // The one that it was until now does.
            let tag = try mesh.groups[0].tag(of: "old")
            #expect(try await mesh.groups[former].set(keys[0], to: "1", if: .matching(tag)) == .replaced)
            mesh.put("1", at: keys[0])
            // Each has heard all that the other has changed: what comes late would have the former owner drop what it has.
            for (node, other) in [(1, 2), (2, 1)] {
                let own = try #require((0..<100).map { Key("own-\($0)") }.first { mesh.pools[other].pickOwner(of: $0) == nil })
                mesh.put("x", at: own)
                try await mesh.copy(own, at: node)
                try await mesh.groups[other].remove(own)
                try await eventually { mesh.groups[node].cached(own) == nil }
            }
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [0, 1, 2])) }
            // Who begins to hear of a new owner that has changed something drops what it has kept for that one.
            try await eventually { mesh.isFollowing }
            let late = await #expect(throws: GroupCacheError.self) {
                try await mesh.groups[0].set(keys[0], to: "0", if: .matching(tag))
            }
            #expect(late?.code == .conditionFailed)
            let there = await #expect(throws: GroupCacheError.self) { try await mesh.groups[0].set(keys[0], to: "0", if: .absent) }
            #expect(there?.code == .conditionFailed)
            for node in 0..<3 { #expect(try await mesh.groups[node].get(keys[0]) == "1") }
            // Here, and for others.
            for (number, node) in [(1, 0), (2, 1), (3, 2)] {
                mesh.put("new", at: keys[number])
                let outcome = try await mesh.groups[node].set(keys[number], to: "new", if: .matching(tag))
                #expect(outcome == (node == 0 ? .replaced : .unknown))
                #expect(mesh.groups[0].cached(keys[number]) == "new" && mesh.groups[former].cached(keys[number]) != "old")
                for node in 0..<3 { #expect(try await mesh.groups[node].get(keys[number]) == "new") }
            }
            mesh.put("created", at: keys[4])
            try await mesh.groups[0].remove(keys[4], if: .matching(tag))
            #expect(try await mesh.groups[1].set(keys[4], to: "created", if: .absent) == .created)
            for node in 0..<3 { #expect(try await mesh.groups[node].get(keys[4]) == "created") }
        }
    }

    @Test("what a node that stops owes to one that cannot be reached, another one delivers; without one it stays")
    func outboxes() async throws {
        @Sendable func unheard(_ pool: HTTPPool, of id: String) -> Int {
            pool.core.members.withLockedValue { $0 }.getters.first { $0?.id == id }??.standing.stream.unheard ?? -1
        }
        try await withMesh(3, Self.settings) { mesh in
            let keys = (0..<300).map { mesh.key(of: 2, $0) }
            for key in keys { try await mesh.groups[2].set(key, to: "old") }
            mesh.wires[2].cut()
            for key in keys {
                let error = await #expect(throws: GroupCacheError.self) { try await mesh.groups[0].remove(key) }
                #expect(error?.code == .notDelivered)
            }
            #expect(unheard(mesh.pools[0], of: mesh.id(2)) == 300)
            await mesh.pools[0].handOutboxesOn()
            #expect(unheard(mesh.pools[0], of: mesh.id(2)) == 0 && unheard(mesh.pools[1], of: mesh.id(2)) == 300)
            mesh.wires[2].mend()
            try await eventually { unheard(mesh.pools[1], of: mesh.id(2)) == 0 }
            #expect(keys.allSatisfy { mesh.groups[2].cached($0) == nil })
        }
        try await withMesh(2, Self.settings) { mesh in
            let key = mesh.key(of: 1)
            mesh.wires[1].cut()
            await #expect(throws: GroupCacheError.self) { try await mesh.groups[0].remove(key) }
            await mesh.pools[0].handOutboxesOn()
            #expect(unheard(mesh.pools[0], of: mesh.id(1)) == 1)
        }
    }

    @Test(
        "of those who compare and set, or compare and remove, while keys go from node to node, at any node, no two ever win with the same value",
        arguments: 0..<2
    )
    func oneWins(_ seed: UInt64) async throws {
        var settings = Self.settings
        settings.nearTTL = .seconds(30)
        try await withMesh(3, settings) { mesh in
            let keys = (0..<3).map { mesh.key(of: $0) }
            let wins = NIOLockedValueBox<[String]>([])
            let starts = NIOLockedValueBox(0)
            let isOver = NIOLockedValueBox(false)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for number in 0..<9 {
                    let (group, key) = (mesh.groups[number % 3], keys[number / 3])
                    tasks.addTask {
                        // Whatever a get says may be old; what is compared is not. No value is set twice.
                        var turns = 0
                        while !isOver.withLockedValue({ $0 }) {
                            await Task.yield()
                            turns += 1
                            do throws(GroupCacheError) {
                                let old = try? await group.get(key)
                                let new = starts.withLockedValue { number in
                                    number += 1
                                    return "\(number)"
                                }
                                guard let old else {
                                    try await group.set(key, to: new, if: .absent)
                                    continue
                                }
                                let condition = ChangeCondition.matching(try group.tag(of: old))
                                if turns % 4 == 0 {
                                    try await group.remove(key, if: condition)
                                } else {
                                    try await group.set(key, to: new, if: condition)
                                }
                                // The origin has an empty one, again and again.
                                if !old.isEmpty { wins.withLockedValue { $0.append(old) } }
                            } catch {
                                // Nothing is known of it, or it has lost.
                            }
                        }
                    }
                }
                var random = SeededGenerator(seed)
                for _ in 0..<6 {
                    // Keys move to whom weighs more. They hear of it one after the other, in any order.
                    let weights = (0..<3).map { _ in Int.random(in: 1...4, using: &random) }
                    let list = (0..<3).map { HTTPPool.Peer(mesh.id($0), weight: weights[$0]) }
                    for node in (0..<3).shuffled(using: &random) {
                        try mesh.pools[node].setPeers(list)
                        await mesh.pools[node].pause(.milliseconds(.random(in: 0...80, using: &random)))
                    }
                    await mesh.pools[0].pause(.milliseconds(.random(in: 300...1_500, using: &random)))
                }
                isOver.withLockedValue { $0 = true }
                try await tasks.waitForAll()
            }
            let all = wins.withLockedValue { $0 }
            let twice = Dictionary(grouping: all) { $0 }.filter { $0.value.count > 1 }
            #expect(twice.isEmpty && !all.isEmpty, "seed \(seed): \(twice.keys.sorted().prefix(5)) of \(all.count)")
        }
    }

    @Test("a change at one that leaves, of which who comes after it cannot be told, says so")
    func leavesUnheard() async throws {
        try await withMesh(2, Self.settings) { mesh in
            let key = mesh.key(of: 0)
            try await mesh.groups[0].set(key, to: "old")
            mesh.pools[0].core.isDraining.store(true, ordering: .relaxed)
            mesh.wires[1].cut()
            let error = await #expect(throws: GroupCacheError.self) { try await mesh.groups[0].remove(key) }
            #expect(error?.code == .notDelivered && error?.nodes == [mesh.id(1)])
            #expect(mesh.groups[0].cached(key) == nil)
        }
    }

    @Test("what a node keeps of keys that are another's goes after a while, though its time is not over; what has come back stays")
    func dropped() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let keys = try await Self.fill(mesh)
            try mesh.pools[0].setPeers(Self.peers(mesh, [0, 1, 2]).map { HTTPPool.Peer($0.url, weight: $0.url == mesh.id(0) ? 1 : 100) })
            let moved = keys.filter { mesh.pools[0].pickOwner(of: $0) != nil }
            try #require(!moved.isEmpty)
            #expect(moved.allSatisfy { mesh.groups[0].entry($0) != nil }, "its new owner may ask for it")
            try await eventually { moved.allSatisfy { mesh.groups[0].entry($0) == nil } }
            #expect(keys.filter { !moved.contains($0) }.allSatisfy { mesh.groups[0].cached($0) == "v" })
        }
    }

    @Test(
        "who was taken over from hears of a change before it is acknowledged; who does not know that it is no owner any more hands over for a while only"
    )
    func notYetKnown() async throws {
        // Long enough for it to be there still when it is looked at.
        var settings = Self.settings
        settings.nearTTL = .seconds(20)
        try await withMesh(3, settings) { mesh in
            let keys = try await Self.fill(mesh)
            // Only the others know.
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            let key = keys[0]
            let owner = try #require((1..<3).first { mesh.pools[$0].pickOwner(of: key) == nil })
            #expect(try await mesh.groups[owner].get(key) == "v" && mesh.loads(key) == 1)
            #expect(try #require(mesh.groups[owner].entry(key)).timeLeft ?? .seconds(600) <= .seconds(10))
            #expect(mesh.groups[0].cached(key) == "v")
            mesh.put("new", at: key)
            try await mesh.groups[owner].remove(key)
            #expect(mesh.groups[0].cached(key) == nil)
        }
    }

    @Test("who has left and is not there costs nobody a load's time, and is not asked for ever")
    func gone() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let keys = try await Self.fill(mesh)
            mesh.wires[0].cut()
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            let start = ContinuousClock.now
            for key in keys { #expect(try await mesh.groups[1].get(key) == "v") }
            #expect(ContinuousClock.now - start < .seconds(10))
            // Nor is it waited for by those who change something, once it is known to be gone.
            try await eventually { mesh.pools[1].core.leaving.withLockedValue { $0.allSatisfy { !$0.getter.isUp } } }
            let own = try #require(keys.first { mesh.pools[1].pickOwner(of: $0) == nil })
            let change = ContinuousClock.now
            for _ in 0..<20 { try await mesh.groups[1].remove(own) }
            #expect(ContinuousClock.now - change < .seconds(10))
            let left = mesh.pools[1].core.leaving.withLockedValue { $0.map(\.getter) }
            #expect(left.map(\.id) == [mesh.id(0)] && !left[0].isOver)
        }
    }
}

import GroupCache
import NIOConcurrencyHelpers
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// Keys that go from node to node while nodes join and leave, over real sockets.
@Suite("Nodes that hand over what they have", .timeLimit(.minutes(2)), .serialized)
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

    @Test("who joins is given what the others have of its keys, once they know that it has joined with all of its time")
    func joins() async throws {
        try await withMesh(3, Self.settings) { mesh in
            let keys = (0..<20).map { mesh.key(of: 0, $0) }
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            for key in keys {
                mesh.put("v", at: key)
                for node in 1..<3 { #expect(try await mesh.groups[node].get(key) == "v") }
            }
            #expect(try await mesh.groups[0].get(keys[0]) == "v")
            let early = try #require(mesh.groups[0].entry(keys[0]))
            #expect(early.isNear && early.timeLeft ?? .seconds(600) <= .seconds(1))
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [0, 1, 2])) }
            try await eventually { mesh.isFollowing && mesh.groups[0].cached(keys[0]) == nil }
            for key in keys {
                #expect(try await mesh.groups[0].get(key) == "v")
                let entry = try #require(mesh.groups[0].entry(key))
                #expect(!entry.isNear && entry.timeLeft ?? .zero > .seconds(500))
            }
            #expect(keys.allSatisfy { mesh.loads($0) == 1 })
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
        try await withMesh(3, Self.settings) { mesh in
            let keys = try await Self.fill(mesh)
            // Only the others know.
            for node in 1..<3 { try mesh.pools[node].setPeers(Self.peers(mesh, [1, 2])) }
            let key = keys[0]
            let owner = try #require((1..<3).first { mesh.pools[$0].pickOwner(of: key) == nil })
            #expect(try await mesh.groups[owner].get(key) == "v" && mesh.loads(key) == 1)
            #expect(try #require(mesh.groups[owner].entry(key)).timeLeft ?? .zero <= .seconds(2))
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
            let left = mesh.pools[1].core.leaving.withLockedValue { $0.map(\.getter) }
            #expect(left.map(\.id) == [mesh.id(0)] && !left[0].isOver)
        }
    }
}

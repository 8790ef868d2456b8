// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import NIOCore

@testable import GroupCacheHTTP

/// Some pools that follow each other, each reached by a ``Wire``, with a group each over the same origin.
struct Mesh: Sendable {
    let pools: [HTTPPool]
    let wires: [Wire]
    let groups: [Group<String>]
    /// What the origin has, and how often it was asked.
    let origin: NIOLockedValueBox<[Key: (value: String, loads: Int)]>

    func owner(of key: Key) -> Int { self.pools.indices.first { self.pools[$0].pickOwner(of: key) == nil } ?? 0 }

    /// A key that `node` owns.
    func key(of node: Int, _ number: Int = 0) -> Key {
        var found = 0
        for candidate in 0... {
            let key = Key("key-\(candidate)")
            guard self.owner(of: key) == node else { continue }
            if found == number { return key }
            found += 1
        }
        return "never"
    }

    func put(_ value: String, at key: Key) { self.origin.withLockedValue { $0[key, default: ("", 0)].value = value } }

    func loads(_ key: Key) -> Int { self.origin.withLockedValue { $0[key]?.loads ?? 0 } }

    /// Gets a key until the node keeps a copy of it.
    func copy(_ key: Key, at node: Int) async throws {
        struct NoCopy: Error {}
        // By time and not by turns: while nothing is heard of the owner there is none, however often one asks.
        let end = ContinuousClock.now + .seconds(20)
        repeat {
            _ = try await self.groups[node].get(key)
            if self.groups[node].cached(key) != nil { return }
        } while ContinuousClock.now < end
        throw NoCopy()
    }

    /// Whether every node hears the changes of every other.
    var isFollowing: Bool { self.pools.allSatisfy(\.isFollowingAll) }

    func id(_ node: Int) -> String { "http://127.0.0.1:\(self.wires[node].port)" }
}

func withMesh<R: Sendable>(
    _ count: Int,
    promise: Duration = .seconds(5),
    _ settings: GroupConfiguration = GroupConfiguration(),
    lists: [[Int]]? = nil,
    _ body: @Sendable (Mesh) async throws -> R
) async throws -> R {
    var wires: [Wire] = []
    for _ in 0..<count { wires.append(try await Wire()) }
    let peers = wires.map { HTTPPool.Peer("http://127.0.0.1:\($0.port)") }
    let origin = NIOLockedValueBox<[Key: (value: String, loads: Int)]>([:])
    var pools: [HTTPPool] = []
    var groups: [Group<String>] = []
    for (node, wire) in wires.enumerated() {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: 0)
        configuration.advertise = "http://127.0.0.1:\(wire.port)"
        configuration.peers = lists.map { $0[node].map { peers[$0] } } ?? peers
        configuration.promise = promise
        configuration.publicRoutes = true
        let pool = try HTTPPool(configuration: configuration)
        pools.append(pool)
        groups.append(
            try Group<String>("g", capacity: .mebibytes(4), configuration: settings, peers: pool) { (key: Key, _) async throws -> String? in
                origin.withLockedValue { state in
                    state[key, default: ("", 0)].loads += 1
                    return state[key]?.value
                }
            }
        )
    }
    let mesh = Mesh(pools: pools, wires: wires, groups: groups, origin: origin)
    let result = try await withThrowingTaskGroup(of: Void.self) { tasks in
        defer { tasks.cancelAll() }
        for (pool, wire) in zip(mesh.pools, mesh.wires) {
            tasks.addTask { try await pool.run() }
            wire.lead(to: try await pool.boundAddress.port ?? 0)
        }
        try await eventually { mesh.isFollowing }
        return try await body(mesh)
    }
    for wire in wires { try await wire.close() }
    return result
}

extension HTTPPool {
    /// Whether this node hears the changes of every peer, as far as peers of its dialect can be followed.
    var isFollowingAll: Bool {
        if self.core.feed == nil { return true }
        return self.core.members.withLockedValue { $0 }.getters.allSatisfy { $0 == nil || $0?.standing.stream.isHeard ?? true }
    }
}

// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// One key that everybody wants and nobody has, over real sockets, with an origin that takes a second: time enough for every impatient part to
/// ask somebody else as well, which none may.
@Suite("A hot missing key", .timeLimit(.minutes(5)), .serialized)
struct HotKeyTests {
    private static let callers = 200

    /// Counts loads. They take until the test has done what it does in the middle.
    private final class Origin: Sendable {
        let gate = Gate()
        private let loads = NIOLockedValueBox<[Key: Int]>([:])
        func count(_ key: Key) -> Int { self.loads.withLockedValue { $0[key] ?? 0 } }

        func load(_ key: Key) async throws -> String {
            self.loads.withLockedValue { $0[key, default: 0] += 1 }
            try await self.gate.pass()
            return "value"
        }
    }

    private struct Node {
        let pool: HTTPPool
        let group: Group<String>
        let port: Int
        let run: Task<Void, Never>
        var url: String { "http://127.0.0.1:\(self.port)" }

        init(_ origin: Origin, port: Int = 0) async throws {
            var configuration = HTTPPool.Configuration()
            configuration.listen = .init(host: "127.0.0.1", port: port)
            let pool = try HTTPPool(configuration: configuration)
            self.pool = pool
            self.group = try Group<String>("scores", capacity: .mebibytes(1), peers: pool) { key, _ in
                try await origin.load(key)
            }
            self.run = Task { try? await pool.run() }
            self.port = try await pool.boundAddress.port ?? 0
        }

        func stop() async {
            self.run.cancel()
            await self.run.value
        }

        /// Many callers at once.
        func ask(_ key: Key) -> [Task<String, any Error>] {
            (0..<HotKeyTests.callers).map { _ in Task { try await self.group.get(key) } }
        }
    }

    private func connect(_ nodes: [Node]) throws {
        let peers = nodes.map { HTTPPool.Peer($0.url) }
        for node in nodes { try node.pool.setPeers(peers, self: node.url) }
    }

    private func key(_ nodes: [Node], where condition: (Key) -> Bool) throws -> Key {
        let key = (0..<10_000).lazy.map { Key("hot-\($0)") }.first(where: condition)
        return try #require(key)
    }

    private func isOwner(_ node: Node, of key: Key) -> Bool { node.pool.pickOwner(of: key) == nil }

    /// What is of interest when there was a load too many.
    private func report(_ nodes: [Node]) -> Comment {
        Comment(
            rawValue: nodes.map { node in
                let (group, pool) = (node.group.statistics, node.pool.statistics)
                let hedges = node.pool.peerHealth.values.map { "\($0.state) \($0.hedges) \($0.retries)" }
                return
                    "local \(group.localLoads) peer \(group.peerLoads) errors \(group.peerErrors) asked \(group.serverRequests) superseded "
                    + "\(group.supersededLoads) rings \(pool.ringDisagreements) health \(hedges)"
            }.joined(separator: "; ")
        )
    }

    private func expectAnswers(_ tasks: [Task<String, any Error>]) async throws {
        for task in tasks { #expect(try await task.value == "value") }
    }

    @Test("3 nodes with 200 callers each: one load")
    func threeNodes() async throws {
        let origin = Origin()
        var nodes: [Node] = []
        for _ in 0..<3 { nodes.append(try await Node(origin)) }
        try self.connect(nodes)
        let callers = nodes.flatMap { $0.ask("hot") }
        let all = nodes
        try await eventually { all.allSatisfy { $0.group.statistics.waiters >= Self.callers } }
        origin.gate.open()
        try await self.expectAnswers(callers)
        #expect(origin.count("hot") == 1, self.report(nodes))
        for node in nodes { await node.stop() }
    }

    @Test("a fourth node joins in the middle: one load, whether or not the key becomes its own", arguments: [false, true])
    func join(_ moves: Bool) async throws {
        let origin = Origin()
        var nodes: [Node] = []
        for _ in 0..<4 { nodes.append(try await Node(origin)) }
        let (all, three) = (nodes, Array(nodes.prefix(3)))
        try self.connect(nodes)
        let key = try self.key(nodes) { self.isOwner(nodes[3], of: $0) == moves }
        try nodes[3].pool.setPeers([])
        try self.connect(three)
        let before = three.flatMap { $0.ask(key) }
        // Not before everybody waits: who comes after the join asks the new owner.
        try await eventually { three.allSatisfy { $0.group.statistics.waiters >= Self.callers } }
        try self.connect(nodes)
        // Who comes now finds the load under way; a node that is new and owns the key looks at the former owner.
        let after = all.flatMap { $0.ask(key) }
        try await eventually { all.allSatisfy { $0.group.statistics.waiters >= Self.callers } }
        origin.gate.open()
        try await self.expectAnswers(before + after)
        #expect(origin.count(key) == 1, self.report(nodes))
        for node in nodes { await node.stop() }
    }

    @Test("the owner dies with the load in flight, and comes back: two loads at the most, and nobody who asked another node gets an error")
    func death() async throws {
        let origin = Origin()
        var nodes: [Node] = []
        for _ in 0..<3 { nodes.append(try await Node(origin)) }
        try self.connect(nodes)
        let key = try self.key(nodes) { self.isOwner(nodes[0], of: $0) }
        let others = Array(nodes[1...])
        let callers = others.flatMap { $0.ask(key) }
        try await eventually { origin.count(key) >= 1 && others.allSatisfy { $0.group.statistics.waiters >= Self.callers } }
        // Both have asked it: who has not would ask the one that comes back.
        let owner = nodes[0]
        try await eventually { owner.group.statistics.serverRequests == others.count }
        await owner.stop()
        // One loads it now, and the other one has asked that one.
        try await eventually { origin.count(key) >= 2 && others.contains { $0.group.statistics.serverRequests > 0 } }
        let back = [try await Node(origin, port: nodes[0].port)] + others
        try self.connect(back)
        // Who comes now asks the owner, which looks at the one that has stood in for it.
        let after = back.flatMap { $0.ask(key) }
        try await eventually { back.allSatisfy { $0.group.statistics.waiters >= Self.callers } }
        origin.gate.open()
        try await self.expectAnswers(callers + after)
        #expect(origin.count(key) == 2, self.report(back))
        for node in back { await node.stop() }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import GroupCacheHTTP
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import GroupCacheAdmin

/// Which other nodes hold a key.
@Suite(.timeLimit(.minutes(5))) struct ElsewhereTests {
    private struct Ring: Sendable {
        var admin: RunningAdmin
        /// The groups of the node with the admin port, and of the other one.
        var groups: [Group<String>]
        var other: HTTPPool

        func explain(_ key: String) async throws -> Explanation {
            let answer = try await self.admin.ask(.GET, "/v1/groups/scores/keys/\(key)/explain")
            return try JSONDecoder().decode(Explanation.self, from: Data(answer.body.utf8))
        }

        /// A key that the other node owns.
        func key(_ prefix: String) async throws -> String {
            for number in 0..<1_000 {
                let explanation = try await self.explain("\(prefix)\(number)")
                if explanation.owner == self.other.url { return "\(prefix)\(number)" }
            }
            throw GroupCacheError(.notFound, "the other node owns none of a thousand keys")
        }
    }

    /// Two nodes, and addresses beside them in the ring.
    private static func ring<R: Sendable>(_ more: [HTTPPool.Peer] = [], _ body: @Sendable (Ring) async throws -> R) async throws -> R {
        try await RunningAdmin.with { admin in
            var settings = HTTPPool.Configuration()
            settings.listen = .init(host: "127.0.0.1", port: 0)
            let other = try HTTPPool(configuration: settings)
            return try await withThrowingTaskGroup(of: Void.self) { tasks in
                defer { tasks.cancelAll() }
                tasks.addTask { try await other.run() }
                _ = try await other.boundAddress
                let peers = [admin.pool, other].compactMap { $0.url.map { HTTPPool.Peer($0) } } + more
                for pool in [admin.pool, other] { try pool.setPeers(peers) }
                var configuration = GroupConfiguration()
                configuration.freshness.negative = .seconds(600)
                configuration.freshness.ttl = .seconds(600)
                let groups = try [admin.pool, other].map { pool in
                    try Group<String>("scores", capacity: .mebibytes(1), configuration: configuration, peers: pool) { key, _ in
                        key.string.hasPrefix("none") ? nil : "value of \(key.string)"
                    }
                }
                return try await body(Ring(admin: admin, groups: groups, other: other))
            }
        }
    }

    /// Asks until the other node has been asked: its link opens with the first request.
    ///
    /// - Parameter isFirst: whether there may be no link yet, so that something has to be asked of the other node. Once there is one, an answer that takes too
    ///   long is only asked for again: what is counted there is not to be of this.
    private static func known(_ ring: Ring, _ key: String, isFirst: Bool = false) async throws -> Explanation.Elsewhere {
        while true {
            let explanation = try await ring.explain(key)
            let other = try #require(explanation.elsewhere.first { $0.id == ring.other.url })
            if other.holds != "unknown" { return other }
            try Task.checkCancellation()
            if isFirst { _ = try? await ring.groups[0].get("\(key)-\(UInt64.random(in: 0 ... .max))") }
        }
    }

    @Test func `Of a value is told how long it has been there and for how long it stays, of the rest that there is none`() async throws {
        try await Self.ring { ring in
            let key = try await ring.key("key")
            #expect(try await Self.known(ring, key, isFirst: true).holds == "nothing")
            _ = try await ring.groups[1].get(key)
            let gets = ring.groups[1].statistics.gets
            let value = try await Self.known(ring, key)
            #expect(value.holds == "value" && value.valueBytes ?? 0 >= "value of \(key)".utf8.count, "\(value)")
            #expect((0...600).contains(value.ageSeconds ?? -1) && (1...600).contains(value.timeLeftSeconds ?? -1), "\(value)")
            let none = try await ring.key("none")
            _ = try? await ring.groups[1].get(none)
            #expect(try await Self.known(ring, none).holds == "absence")
            #expect(ring.groups[1].statistics.gets == gets + 1, "who asks counts nothing")
            #expect(ring.groups[1].statistics.localLoads + ring.groups[1].statistics.localLoadErrors >= 2)
            // This node itself is not one of the others.
            let all = try await ring.explain(key)
            #expect(all.elsewhere.map(\.id) == [ring.other.url] && all.outcome == "miss")
        }
    }

    @Test func `Who is dead, and who is silent, is not known, and is not waited for`() async throws {
        // A port that takes connections and never says a word, and one that nobody listens on.
        let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
        let gone = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
        let ports = [silent, gone].map { $0.localAddress?.port ?? 0 }
        try await gone.close()
        let peers = ports.map { "http://127.0.0.1:\($0)" }
        try await Self.ring(peers.map { HTTPPool.Peer($0) }) { ring in
            let key = try await ring.key("key")
            _ = try await ring.groups[1].get(key)
            #expect(try await Self.known(ring, key, isFirst: true).holds == "value")
            let explanation = try await ring.explain(key)
            #expect(explanation.elsewhere.count == 3)
            for peer in peers {
                let found = try #require(explanation.elsewhere.first { $0.id == peer })
                #expect(found.holds == "unknown" && found.why?.isEmpty == false, "\(found)")
            }
        }
        try await silent.close()
    }

    @Test func `A node alone asks nobody`() async throws {
        try await RunningAdmin.with { admin in
            _ = try Group<String>("scores", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            let it = try await admin.ask(.GET, "/v1/groups/scores/keys/Tom/explain").json
            #expect((it["elsewhere"] as? [Any])?.isEmpty == true)
        }
    }
}

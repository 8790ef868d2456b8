// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import Testing

@testable import GroupCacheHTTP

/// Nodes of two versions of a program, over real sockets.
@Suite("Peers: values of another schema, circles over the wire", .timeLimit(.minutes(5)))
struct SchemaPeerTests {
    struct Old: Codable, Sendable, Equatable {
        var id: Int
    }

    struct New: Codable, Sendable, Equatable {
        var id: Int
        var email: String
    }

    private func asker(_ port: Int, _ links: HTTPPool.Configuration.Client.Links) throws -> HTTPPool {
        var settings = HTTPPool.Configuration()
        settings.listen = nil
        settings.client.links = links
        settings.peers = [HTTPPool.Peer("http://127.0.0.1:\(port)")]
        return try HTTPPool(configuration: settings)
    }

    @Test(
        "what cannot be decoded, or is of another schema, is loaded here; a set of it removes what the owner had",
        arguments: [HTTPPool.Configuration.Client.Links.automatic, .never],
        [true, false]
    )
    func versions(_ links: HTTPPool.Configuration.Client.Links, _ named: Bool) async throws {
        try await withPools { pools in
            var configuration = GroupConfiguration()
            configuration.schema = named ? "v1" : nil
            let owner = try Group<Old>("users", capacity: .mebibytes(1), configuration: configuration, peers: pools[0].pool) { _, _ in
                Old(id: 1)
            }
            let pool = try self.asker(pools[0].port, links)
            configuration.schema = named ? "v2" : nil
            let asker = try Group<New>("users", capacity: .mebibytes(1), configuration: configuration, peers: pool) { _, _ in
                New(id: 1, email: "e")
            }
            #expect(try await asker.get("k") == New(id: 1, email: "e"))
            #expect(asker.statistics.schemaMismatches == 1 && asker.statistics.peerErrors == 0)
            #expect(owner.cached("k") == Old(id: 1))
            try await asker.set("k", to: New(id: 2, email: "f"))
            // Without a name the owner takes what it can read of it.
            #expect(owner.cached("k") == (named ? nil : Old(id: 2)))
            try pool.setPeers([])
        }
    }

    @Test(
        "a getter that comes back to its key by way of another node gets an error, not a deadlock",
        arguments: [HTTPPool.Configuration.Client.Links.automatic, .never]
    )
    func circle(_ links: HTTPPool.Configuration.Client.Links) async throws {
        try await withPools { pools in
            let pool = try self.asker(pools[0].port, links)
            // The asker owns nothing; the owner's getter asks the asker's group, which asks the owner.
            let asker = try Group<String>("values", capacity: .mebibytes(1), peers: pool) { _, _ in "from the asker" }
            let calls = Calls()
            let owner = try Group<String>("values", capacity: .mebibytes(1), peers: pools[0].pool) { key, _ in
                await calls.count()
                return try await asker.get(key)
            }
            let error = await #expect(throws: GroupCacheError.self) { try await asker.get("k") }
            #expect(error?.code == .recursiveLoad)
            #expect(await calls.value == 1)
            #expect(owner.cached("k") == nil)
            try pool.setPeers([])
        }
    }

    private actor Calls {
        private(set) var value = 0
        func count() { self.value += 1 }
    }
}

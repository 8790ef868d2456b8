// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP

/// The application with the cache in its own processes.
struct InGroupCache: Scores {
    private let database: Database
    private let pool: HTTPPool
    private let scores: Group<String>

    init(database: Database, port: Int, peers: [Int], ttl: Duration) throws {
        self.database = database
        self.pool = try HTTPPool(
            configuration: .init(
                listen: .init(host: "127.0.0.1", port: port),
                peers: peers.map { .init("http://127.0.0.1:\($0)") }
            )
        )
        let configuration = GroupConfiguration(freshness: Freshness(ttl: ttl))
        self.scores = try Group("scores", capacity: .mebibytes(64), configuration: configuration, peers: self.pool) { key, _ in
            try await database.score(of: key.string)
        }
    }

    func score(of name: String) async throws -> String? {
        do {
            return try await self.scores.get(name)
        } catch  where error.code == .notFound {
            return nil
        }
    }

    func change(_ name: String, to score: String) async throws {
        try await self.database.set(name, to: score)
        try await self.scores.remove(name, wait: .applied)
    }

    func run() async throws { try await self.pool.run() }
}

// SPDX-License-Identifier: Apache-2.0

/// The database that all processes share: a Redis of its own, with the times of a query added. It counts its queries.
struct Database: Sendable {
    private let redis: RedisConnection

    /// How long a query is on its way, each way.
    private static let way = Duration.milliseconds(10)

    init(port: Int) { self.redis = RedisConnection(port: port) }

    func score(of name: String) async throws -> String? {
        try await Task.sleep(for: Self.way)
        try await self.redis.increment("queries")
        let score = try await self.redis.get(name)
        try await Task.sleep(for: Self.way)
        return score
    }

    func set(_ name: String, to score: String) async throws {
        try await Task.sleep(for: Self.way)
        _ = try await self.redis.set(name, to: score)
        try await Task.sleep(for: Self.way)
    }
}

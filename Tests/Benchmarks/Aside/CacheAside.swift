// SPDX-License-Identifier: Apache-2.0

/// The application with cache-aside as people write it with care: a lock so that one loads and the others wait; a TTL with jitter, so that not all ends at once; "no such
/// player" is kept, too; and when the cache is away, the database is asked.
struct CacheAside<Cache: LockingCache>: Scores {
    let database: Database
    let cache: Cache
    let ttl: Duration

    func score(of name: String) async throws -> String? {
        let key = "score:" + name
        do {
            // Two seconds; who held the lock has died then.
            for _ in 0..<200 {
                if let value = try await self.cache.get(key) { return value.isEmpty ? nil : value }
                if let lock = try await self.cache.lock(key, for: .seconds(2)) { return try await self.load(name, key, lock) }
                try await Task.sleep(for: .milliseconds(10))
            }
        } catch is CacheIsAway {
            // Below.
        }
        return try await self.database.score(of: name)
    }

    private func load(_ name: String, _ key: String, _ lock: Cache.Lock) async throws -> String? {
        let score: String?
        do {
            // Somebody else may have had the lock between the look and the lock.
            if let value = try await self.cache.get(key) {
                try await self.cache.unlock(lock)
                return value.isEmpty ? nil : value
            }
            score = try await self.database.score(of: name)
        } catch {
            try? await self.cache.unlock(lock)
            throw error
        }
        do {
            try await self.cache.keep(key, score ?? "", for: self.ttl * Double.random(in: 0.9...1))
            try await self.cache.unlock(lock)
        } catch is CacheIsAway {
            // It is kept the next time.
        }
        return score
    }

    func change(_ name: String, to score: String) async throws {
        try await self.database.set(name, to: score)
        try await self.cache.delete("score:" + name)
    }
}

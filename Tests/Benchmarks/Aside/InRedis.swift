// SPDX-License-Identifier: Apache-2.0

/// Redis or Valkey. A lock is given back only by who holds it.
struct InRedis: LockingCache {
    let redis: RedisConnection

    func get(_ key: String) async throws -> String? { try await self.redis.get(key) }

    func keep(_ key: String, _ value: String, for time: Duration) async throws {
        _ = try await self.redis.set(key, to: value, milliseconds: Int(time / .milliseconds(1)))
    }

    func delete(_ key: String) async throws { try await self.redis.delete(key) }

    func lock(_ key: String, for time: Duration) async throws -> (key: String, token: String)? {
        let lock = (key: "lock:" + key, token: String(UInt64.random(in: 0 ... .max)))
        let isMine = try await self.redis.set(lock.key, to: lock.token, milliseconds: Int(time / .milliseconds(1)), onlyIfAbsent: true)
        return isMine ? lock : nil
    }

    func unlock(_ lock: (key: String, token: String)) async throws {
        let script = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
        try await self.redis.evaluate(script, key: lock.key, argument: lock.token)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// memcached, with `add` as the lock. It cannot delete a key only if that has a certain value, so a lock is deleted by who took it, and has a short life. Whole seconds are all
/// that it knows.
struct InMemcached: LockingCache {
    let memcached: MemcachedConnection

    func get(_ key: String) async throws -> String? { try await self.memcached.get(key) }

    func keep(_ key: String, _ value: String, for time: Duration) async throws {
        try await self.memcached.set(key, value, seconds: self.seconds(time))
    }

    func delete(_ key: String) async throws { try await self.memcached.delete(key) }

    func lock(_ key: String, for time: Duration) async throws -> String? {
        try await self.memcached.add("lock:" + key, "1", seconds: self.seconds(time)) ? "lock:" + key : nil
    }

    func unlock(_ lock: String) async throws { try await self.memcached.delete(lock) }

    private func seconds(_ time: Duration) -> Int { max(1, Int((time / .seconds(1)).rounded())) }
}

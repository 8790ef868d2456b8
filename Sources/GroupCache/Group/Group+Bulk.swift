// SPDX-License-Identifier: Apache-2.0

// Many keys at once.
extension Group {
    /// The values of many keys that are text, as ``get(keys:)-(Collection<Key>)``.
    ///
    /// The result is by ``Key`` and not by `String`, for two strings that Swift takes for equal may be two keys.
    @_disfavoredOverload
    @inlinable
    public func get(keys: some Collection<String>) async -> [Key: Result<Value, GroupCacheError>] {
        await self.get(keys: keys.map { Key($0) })
    }

    /// Stores many values, each at the owner of its key, as ``set(_:to:ttl:tags:wait:)-(Key,_,_,_,_)``; at most 64 requests to other nodes are under way at a time.
    ///
    /// - Parameters:
    ///   - values: The values.
    ///   - ttl: How long they are fresh; `nil`: as the configuration says.
    ///   - tags: Of each of them.
    /// - Returns: For each key whether it was stored, or why not. Some may be stored and some not.
    public func set(_ values: [Key: Value], ttl: Duration? = nil, tags: [String] = []) async -> [Key: Result<Void, GroupCacheError>] {
        await self.change(Array(values.keys)) { key async throws(GroupCacheError) in
            guard let value = values[key] else { return }
            try await self.set(key, to: value, ttl: ttl, tags: tags)
        }
    }

    /// Removes many values, each as ``remove(_:settle:wait:)-(Key,_,_)``; at most 64 requests to other nodes are under way at a time.
    ///
    /// - Returns: For each key whether it was removed (also if there was none), or why not.
    public func remove(keys: some Collection<Key>) async -> [Key: Result<Void, GroupCacheError>] {
        await self.change(Array(Set(keys))) { key async throws(GroupCacheError) in try await self.remove(key) }
    }

    /// Removes many values, as ``remove(keys:)-(Collection<Key>)``.
    @_disfavoredOverload
    public func remove(keys: some Collection<String>) async -> [Key: Result<Void, GroupCacheError>] {
        await self.remove(keys: keys.map { Key($0) })
    }

    /// Changes what this node owns at once, and the rest side by side.
    private func change(
        _ keys: [Key],
        _ body: @escaping @Sendable (Key) async throws(GroupCacheError) -> Void
    ) async -> [Key: Result<Void, GroupCacheError>] {
        @Sendable func outcome(of key: Key) async -> (Key, Result<Void, GroupCacheError>) {
            do throws(GroupCacheError) {
                try await body(key)
                return (key, .success(()))
            } catch {
                return (key, .failure(error))
            }
        }
        var results: [Key: Result<Void, GroupCacheError>] = Dictionary(minimumCapacity: keys.count)
        var remote: [Key] = []
        for key in keys {
            if let peers, key.error == nil, peers.pickOwner(of: key) != nil {
                remote.append(key)
            } else {
                results[key] = await outcome(of: key).1
            }
        }
        if remote.isEmpty { return results }
        await withTaskGroup(of: (Key, Result<Void, GroupCacheError>).self) { tasks in
            var waiting = remote[...]
            for _ in 0..<64 {
                guard let key = waiting.popFirst() else { break }
                tasks.addTask { await outcome(of: key) }
            }
            for await (key, result) in tasks {
                results[key] = result
                if let key = waiting.popFirst() { tasks.addTask { await outcome(of: key) } }
            }
        }
        return results
    }
}

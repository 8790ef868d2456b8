internal import Synchronization

// The group as a pool sees it.
extension Group: PeerServing {
    /// The settings, for display.
    public var summary: GroupSummary {
        GroupSummary(
            name: self.name,
            capacity: self.capacity.bytes,
            eviction: self.configuration.eviction.description,
            ttl: self.configuration.freshness.ttl
        )
    }

    /// The counters, since the group began. Reading them also brings `groupcache_hits_total` in swift-metrics up to date: a hit itself
    /// touches no metric.
    public var statistics: GroupStatistics {
        let store = self.store.statistics
        let (known, hits) = self.counters.exportedHits.max(store.hits, ordering: .relaxed)
        if hits > known { self.metrics.countHits(hits - known) }
        var statistics = GroupStatistics()
        statistics.cacheHits = store.hits
        statistics.hotHits = store.nearHits
        statistics.negativeHits = store.negativeHits
        statistics.staleHits = store.staleHits + self.counters.staleIfErrorHits.value
        statistics.main = store.main
        statistics.near = store.near
        statistics.loads = self.counters.loads.value
        statistics.gets = statistics.cacheHits + statistics.loads
        statistics.loadsDeduped = self.counters.loadsDeduped.value
        statistics.localLoads = self.counters.localLoads.value
        statistics.localLoadErrors = self.counters.localLoadErrors.value
        statistics.peerLoads = self.counters.peerLoads.value
        statistics.peerErrors = self.counters.peerErrors.value
        statistics.serverRequests = self.counters.serverRequests.value
        statistics.refreshes = self.counters.refreshes.value
        statistics.notModified = self.counters.notModified.value
        statistics.supersededLoads = self.counters.supersededLoads.value
        statistics.takeovers = self.counters.takeovers.value
        statistics.overloads = self.counters.overloads.value
        statistics.waiters = self.counters.waiting.value
        (statistics.runningLoads, statistics.queuedLoads) = self.loads.current
        return statistics
    }

    /// See ``PeerServing/serveCached(_:for:)``.
    public func serveCached(_ key: Span<UInt8>, for requester: Requester) -> ServedEntry? {
        key.withUnsafeBytes { bytes in
            let hash = self.store.hash(bytes)
            guard let found = self.store.lookupEntry(hash, bytes) else { return nil }
            let state = found.details.state
            if state != .fresh { self.refreshInBackground(Key(bytes: bytes), hash, state) }
            var value: ByteView?
            if let found = found.value {
                // A value that cannot be encoded is loaded again, and that load says why.
                guard let encoded = try? self.codec.encode(found) else { return nil }
                value = encoded
            }
            if requester == .peer { self.counters.serverRequests.increment() }
            let source: ServedEntry.Source = state == .stale ? .stale : found.details.kind == .near ? .near : .main
            return self.dated(ServedEntry(value: value, source: source), found)
        }
    }

    /// See ``PeerServing/serve(_:for:timeout:reload:)``.
    public func serve(
        _ key: Key,
        for requester: Requester,
        timeout: Duration?,
        reload: Bool
    ) async throws(GroupCacheError) -> ServedEntry {
        if requester == .peer { self.counters.serverRequests.increment() }
        let terminal = requester == .peer
        // A peer stops listening when its time is over: what we have then, even a stale value, has to be on its way by that time.
        let timeout = terminal ? timeout.map { $0 * 9 / 10 } : timeout
        if reload {
            if let error = key.error { throw error }
            return try self.served(key, try await self.reload(key, self.hash(of: key), terminal: terminal, timeout: timeout))
        }
        let (hash, found) = self.find(key)
        return try self.served(key, try await self.answer(key, hash, found, terminal: terminal, timeout: timeout))
    }

    /// See ``PeerServing/serve(_:for:timeout:each:)``.
    public func serve(
        _ keys: [Key],
        for requester: Requester,
        timeout: Duration?,
        each: @escaping @Sendable (Key, Result<ServedEntry, GroupCacheError>) async -> Void
    ) async {
        if requester == .peer { self.counters.serverRequests.increment(by: keys.count) }
        let keys = Array(Set(keys))
        await self.answers(to: keys, terminal: requester == .peer, timeout: timeout) { index, outcome in
            let key = keys[index]
            await each(key, outcome.flatMap { answer in Result { () throws(GroupCacheError) in try self.served(key, answer) } })
        }
    }

    /// See ``PeerServing/serveSet(_:to:for:)``.
    public func serveSet(_ key: Key, to entry: PeerEntry, for requester: Requester) async throws(GroupCacheError) {
        let value = try self.decode(entry.value)
        switch requester {
        case .client: try await self.set(key, to: value, ttl: entry.ttl)
        case .peer:
            if let error = key.error { throw error }
            if let ttl = entry.ttl, ttl <= .zero { throw GroupCacheError(.invalidConfiguration, "a TTL is more than zero") }
            try self.setLocally(key, self.hash(of: key), value, encoded: entry.value, ttl: entry.ttl)
        }
    }

    /// See ``PeerServing/serveRemove(_:for:)``.
    public func serveRemove(_ key: Key, for requester: Requester) async throws(GroupCacheError) {
        switch requester {
        case .client: try await self.remove(key)
        case .peer:
            if let error = key.error { throw error }
            let hash = self.hash(of: key)
            self.discard(key, hash)
        }
    }

    /// See ``PeerServing/serveClear()``.
    public func serveClear() { self.clearLocal() }

    func served(_ key: Key, _ answer: Answer) throws(GroupCacheError) -> ServedEntry {
        var encoded: ByteView?
        if let value = answer.value as? Value { encoded = try self.encode(value) }
        let served = ServedEntry(value: encoded, source: answer.source, collapsed: answer.collapsed, ttl: answer.ttl)
        guard answer.source != .peer, !answer.isSuperseded else { return served }
        return self.dated(served, self.entry(key, self.hash(of: key)))
    }

    /// `served` with the age and the remaining time of what the store has.
    func dated(_ served: ServedEntry, _ entry: EntryInfo<Value>?) -> ServedEntry {
        guard let entry else { return served }
        let now = self.configuration.clock.milliseconds
        var served = served
        served.age = Int(max(0, now - entry.details.created) / 1000)
        served.ttl = entry.details.expires.map { .milliseconds($0 - now) }
        served.version = entry.details.version
        return served
    }
}

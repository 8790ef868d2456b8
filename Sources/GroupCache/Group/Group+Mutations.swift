// Changing what is cached. A change beats every load that began before it: those who wait get the load's result, nobody keeps it, and the
// next get starts afresh.
extension Group {
    /// Stores a value at the owner of the key.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - value: The value.
    ///   - ttl: How long it is fresh; `nil`: as the configuration says; ``Freshness/endless``: without end. Zero or less is refused: use ``remove(_:)-(String)``.
    /// - Throws: ``GroupCacheError``: `emptyKey`, `keyTooLong`, `codecFailed`, `invalidConfiguration` for the TTL, `valueTooLarge` when the
    ///   value cannot be kept; and whatever the owner answers if that is another node. The old value is gone in every case but the first four.
    public func set(_ key: Key, to value: Value, ttl: Duration? = nil) async throws(GroupCacheError) {
        if let error = key.error { throw error }
        if let ttl, ttl <= .zero { throw GroupCacheError(.invalidConfiguration, "a TTL is more than zero") }
        let hash = self.hash(of: key)
        if let owner = self.peers?.pickOwner(of: key) {
            // After the owner has the new value, not before: in between, a get would fetch the old one again. Also when the owner
            // failed, for it may have failed after it stored the value.
            let encoded = try self.encode(value)
            defer { self.discard(key, hash) }
            try await owner.set(PeerRequest(group: self.name, key: key), to: PeerEntry(value: encoded, ttl: ttl))
        } else {
            try self.setLocally(key, hash, value, encoded: nil, ttl: ttl)
        }
    }

    /// Stores a value, as ``set(_:to:ttl:)-(Key,_,_)``.
    public func set(_ key: String, to value: Value, ttl: Duration? = nil) async throws(GroupCacheError) {
        try await self.set(Key(key), to: value, ttl: ttl)
    }

    /// Removes a value from the owner of the key and from this node. Other nodes' copies end with ``GroupConfiguration/nearTTL``.
    ///
    /// - Throws: ``GroupCacheError``: `emptyKey`, `keyTooLong`; and whatever the owner answers if that is another node.
    public func remove(_ key: Key) async throws(GroupCacheError) {
        if let error = key.error { throw error }
        let hash = self.hash(of: key)
        defer { self.discard(key, hash) }
        try await self.peers?.pickOwner(of: key)?.remove(PeerRequest(group: self.name, key: key))
    }

    /// Removes a value, as ``remove(_:)-(Key)``.
    public func remove(_ key: String) async throws(GroupCacheError) {
        try await self.remove(Key(key))
    }

    /// Removes everything that this node holds; other nodes keep what they have. Loads that run go on for those who wait for them, and are not
    /// stored. O(entries).
    public func clearLocal() {
        // First the flights: one that lands after this does not store; one that starts after this may be wiped too, which only costs a load.
        let now = self.configuration.clock.milliseconds
        for shard in 0..<self.store.shardCount {
            self.flights.withTable(shard) { table in
                if self.peers != nil { table.changed.insertAll(now: now) }
                _ = table.supersedeAll()
            }
        }
        self.store.removeAll()
    }

    /// Loads the value of `key` anew, even if a fresh one is cached, and returns it: the result of a load that begins after this call.
    ///
    /// - Throws: As ``get(_:)-(String)``.
    @discardableResult
    public func refresh(_ key: Key) async throws(GroupCacheError) -> Value {
        if let error = key.error { throw error }
        let hash = self.hash(of: key)
        return try self.value(of: try await self.reload(key, hash, timeout: nil))
    }

    /// Loads the value of `key` anew, as ``refresh(_:)-(Key)``.
    @discardableResult
    public func refresh(_ key: String) async throws(GroupCacheError) -> Value {
        try await self.refresh(Key(key))
    }

    /// Loads a value anew, here if this node owns the key, else at its owner.
    func reload(_ key: Key, _ hash: UInt64, terminal: Bool = false, timeout: Duration?) async throws(GroupCacheError) -> Answer {
        guard !terminal, let owner = self.peers?.pickOwner(of: key) else {
            // A load that runs already may have read the old value just before it changed. It flies on for those who wait for it; we, and
            // who comes after us, are for a new one.
            var answer: Answer
            var tries = 0
            repeat {
                self.change(key, hash) { _ in }
                answer = try await self.joinLocal(key, hash, timeout: timeout, reload: true)
                tries += 1
                // A caller who missed before us may have started a flight between the two, which we joined; it finds what another one has
                // stored, and does not load.
            } while tries < 3 && (answer.source == .main || answer.source == .near)
            return answer
        }
        defer { self.discard(key, hash) }
        var request = PeerRequest(group: self.name, key: key, timeout: timeout ?? self.configuration.loadTimeout)
        request.reload = true
        do throws(GroupCacheError) {
            let entry = try await owner.get(request)
            return Answer(value: try self.decode(entry.value), source: .peer, ttl: entry.ttl)
        } catch {
            return try error.answer.get()
        }
    }

    /// Stores a value here.
    func setLocally(
        _ key: Key,
        _ hash: UInt64,
        _ value: Value,
        encoded: ByteView?,
        ttl: Duration?
    ) throws(GroupCacheError) {
        let (stored, size) = try self.stored(value, encoded: encoded)
        let freshness = self.configuration.freshness
        var life = EntryLife(ttl: (ttl ?? freshness.ttl).flatMap { freshness.jittered($0) }, version: NumberSource.shared.next())
        // A peer may send us what by our ring is another's: its view is older than ours, or newer. Then it is not ours to keep for long.
        let owned = self.peers?.pickOwner(of: key) == nil
        if owned {
            life.staleWhileRevalidate = freshness.staleWhileRevalidate.milliseconds
            life.staleIfError = freshness.staleIfError.milliseconds
        } else {
            life.ttl = min(life.ttl ?? .max, self.configuration.nearTTL.milliseconds)
        }
        let outcome = self.change(key, hash) {
            self.insert(key, hash, stored, size, owned ? .main : .near, life, releasing: &$0)
        }
        if owned { self.endSoonIfMoved(key, hash) }
        if outcome == .tooLarge {
            let most = owned ? self.store.largestItem : self.store.largestNearItem
            throw GroupCacheError(
                .valueTooLarge,
                "the entry would take \(self.store.footprint(keyLength: key.bytes.count, size: size)) bytes, and this group keeps entries "
                    + "of at most \(most): its capacity is \(self.capacity.bytes) bytes, its shards are \(self.store.shardCount)"
            )
        }
    }

    /// Removes what this node has, and what loads that began before would bring.
    func discard(_ key: Key, _ hash: UInt64) {
        self.change(key, hash) { self.drop(key, hash, releasing: &$0) }
    }

    /// Changes the store in one step with sending off the loads that began before.
    private func change<R>(_ key: Key, _ hash: UInt64, _ body: (inout Victims<Value>) -> R) -> R {
        var victims = Victims<Value>()
        let now = self.peers == nil ? nil : self.configuration.clock.milliseconds
        let result = self.flights.withTable(self.store.shardIndex(of: hash)) { table in
            if let now { table.changed.insert(hash, now: now) }
            _ = table.supersede(key)
            return body(&victims)
        }
        // The optimiser may end a life after its last use: this one lasts until the lock is let go.
        withExtendedLifetime(victims) {}
        return result
    }
}

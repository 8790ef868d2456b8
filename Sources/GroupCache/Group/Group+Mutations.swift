// SPDX-License-Identifier: Apache-2.0

// Changing what is cached. A change beats every load that began before it: those who wait get the load's result, nobody keeps it, and the
// next get starts afresh.
extension Group {
    /// Stores a value at the owner of the key.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - value: The value.
    ///   - ttl: How long it is fresh; `nil`: as the configuration says. Zero or less is refused: use ``remove(_:settle:wait:)-(String,_,_)``.
    ///   - tags: By which it can be removed together with others, with ``remove(tag:soft:wait:)``: at most 8, each of 1 to 128 bytes.
    ///   - wait: When this returns.
    /// - Throws: ``GroupCacheError``: `emptyKey`, `keyTooLong`, `codecFailed`, `invalidConfiguration` for TTL and tags, `valueTooLarge` when the
    ///   value cannot be kept; `ownerChanging` while this node has not heard yet who the others are; `notDelivered`, `cannotFollow` and `ringsDiffer` as
    ///   ``remove(_:settle:wait:)-(Key,_,_)``, when the owner has not the value and will be told to drop what it has; and whatever the owner answers if that
    ///   is another node. The old value is gone in every case but the first four and `ownerChanging`.
    ///   In the dialects of Go every other node is told, too: `peerFailed` names those that have not heard, `unsupported` says that none can be told.
    public func set(
        _ key: Key,
        to value: Value,
        ttl: Duration? = nil,
        tags: [String] = [],
        wait: ChangeWait = .owner
    ) async throws(GroupCacheError) {
        _ = try await self.store(key, value, ttl: ttl, if: nil, wait: wait, try EntryAttributes.none.adding(tags: tags))
    }

    /// Stores a value at the owner of the key.
    func store(
        _ key: Key,
        _ value: Value,
        ttl: Duration?,
        if condition: ChangeCondition?,
        wait: ChangeWait = .owner,
        _ attributes: EntryAttributes
    ) async throws(GroupCacheError) -> SetOutcome {
        if let error = key.error { throw error }
        if let ttl, ttl <= .zero { throw GroupCacheError(.invalidConfiguration, "a TTL is more than zero") }
        let hashed = self.hashed(key)
        var outcome = SetOutcome.unknown
        if condition == nil {
            let isDone = try self.changesHere(hashed, wait) { () throws(GroupCacheError) in
                outcome = try self.setLocally(hashed, value, encoded: nil, ttl: ttl, attributes, isOwn: true)
            }
            if isDone { return outcome }
        }
        try await self.atOwner(of: hashed, wait, isConditional: condition != nil) { owner, terms async throws(GroupCacheError) in
            guard let owner else {
                outcome = try await self.comparing(hashed, condition) { condition throws(GroupCacheError) in
                    try self.setLocally(hashed, value, encoded: nil, ttl: ttl, if: condition, attributes)
                }
                return
            }
            var entry = PeerEntry(value: try self.codec.encoded(value), ttl: ttl)
            entry.schema = self.configuration.schema
            entry.attributes = attributes
            outcome = try await owner.set(self.request(key, terms), to: entry, if: condition)
        }
        return outcome
    }

    /// Stores a value, as ``set(_:to:ttl:tags:wait:)-(Key,_,_,_,_)``.
    public func set(
        _ key: String,
        to value: Value,
        ttl: Duration? = nil,
        tags: [String] = [],
        wait: ChangeWait = .owner
    ) async throws(GroupCacheError) {
        try await self.set(Key(key), to: value, ttl: ttl, tags: tags, wait: wait)
    }

    /// Removes a value from the owner of the key and from this node. Nodes that follow the owner hear of it, and serve what was there before for no longer
    /// than the pool's promise; copies on others end with ``GroupConfiguration/nearTTL``.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - settle: How long the getter may still read what was there before, as from a replica of a database that lags: zero to an hour. The results of
    ///     loads that begin within that time, from now on, are handed to those who wait for them and not kept, so that each get calls the getter
    ///     until the time is over; or until somebody sets the value. Where very many keys settle at once, others of the group do with them.
    ///   - wait: When this returns.
    /// - Throws: ``GroupCacheError``: `emptyKey`, `keyTooLong`, `invalidConfiguration` for the time; `notDelivered`, with their ids, when nodes could not be
    ///   told: they are as soon as they can be reached and before anything else is asked of them, and serve until then what they have to those who reach
    ///   them; `cannotFollow` when it cannot be known whether all have heard; `ringsDiffer`; `ownerChanging`, and nothing has changed, while this node has not
    ///   heard yet who the others are; and whatever the owner answers if that is another node, of
    ///   which one that knows no time to settle is not asked: `unsupported`.
    public func remove(_ key: Key, settle: Duration = .zero, wait: ChangeWait = .owner) async throws(GroupCacheError) {
        try await self.erase(key, if: nil, settle: settle, wait: wait)
    }

    /// Removes a value from the owner of the key and from this node.
    func erase(_ key: Key, if condition: ChangeCondition?, settle: Duration = .zero, wait: ChangeWait = .owner)
        async throws(GroupCacheError)
    {
        if let error = key.error { throw error }
        try self.check(settle: settle)
        let hashed = self.hashed(key)
        if condition == nil, self.changesHere(hashed, wait, { self.discard(hashed, records: true, settle: settle) }) { return }
        try await self.atOwner(of: hashed, wait, settle: settle, isConditional: condition != nil) {
            owner,
            terms async throws(GroupCacheError) in
            if let owner {
                try await owner.remove(self.request(key, terms), if: condition, settle: settle)
            } else {
                try await self.discardComparing(hashed, condition, settle)
            }
        }
    }

    /// Removes what this node has of a key of its own, if a condition holds.
    func discardComparing(_ key: HashedKey, _ condition: ChangeCondition?, _ settle: Duration) async throws(GroupCacheError) {
        _ = try await self.comparing(key, condition) { condition throws(GroupCacheError) in
            try self.discard(key, if: condition, settle: settle)
            return .unknown
        }
    }

    /// Removes a value, as ``remove(_:settle:wait:)-(Key,_,_)``.
    public func remove(_ key: String, settle: Duration = .zero, wait: ChangeWait = .owner) async throws(GroupCacheError) {
        try await self.remove(Key(key), settle: settle, wait: wait)
    }

    func check(settle: Duration) throws(GroupCacheError) {
        guard settle >= .zero, settle <= .seconds(3_600) else {
            throw GroupCacheError(.invalidConfiguration, "a removal settles within zero to an hour")
        }
    }

    /// Removes everything that this node holds; other nodes keep what they have. Loads that run go on for those who wait for them, and are not
    /// stored. O(entries).
    public func clearLocal() {
        // First the flights: one that lands after this does not store; one that starts after this may be wiped too, which only costs a load.
        let now = self.configuration.clock.milliseconds
        for shard in 0..<self.store.shardCount {
            let next = self.flights.withTable(shard) { table in
                if self.peers != nil {
                    table.changed.insertAll(now: now)
                    table.changedHere.insertAll(now: now)
                }
                table.failures.forgetAll()
                return table.supersedeAll()
            }
            for load in next { load.start() }
        }
        self.store.removeAll()
    }

    /// Loads the value of `key` anew, even if a fresh one is cached, and returns it: the result of a load whose getter is called after this call.
    ///
    /// Callers who ask at the same time share such a load: a key has one that runs and one that waits for its end.
    ///
    /// - Throws: As ``get(_:)-(String)``; a failure also if the cache still has an old value.
    @discardableResult
    public func refresh(_ key: Key) async throws(GroupCacheError) -> Value {
        try await self.get(key, GetOptions(reload: true))
    }

    /// Loads the value of `key` anew, as ``refresh(_:)-(Key)``.
    @discardableResult
    public func refresh(_ key: String) async throws(GroupCacheError) -> Value {
        try await self.refresh(Key(key))
    }

    /// Loads a value anew, here if this node owns the key, else at its owner.
    func reload(_ key: HashedKey, _ options: GetOptions) async throws(GroupCacheError) -> Answer {
        guard !options.isTerminal, let owner = self.peers?.pickOwner(of: key.key) else {
            return try await self.join(.local, key, .local, options)
        }
        return try await self.join(.reload, key, PeerRoute(owner: owner), options)
    }

    /// What is asked of a peer about a key, apart from a load: ``request(_:)-(Load)`` is for those.
    func request(_ key: Key) -> PeerRequest {
        var request = self.blankRequest
        request.key = key
        return request
    }

    /// What a load asks of a peer.
    func request(_ load: Load) -> PeerRequest {
        var request = self.request(load.key.key)
        request.milliseconds = max(0, load.deadline - self.configuration.clock.milliseconds)
        request.reload = load.kind == .reload
        request.allowStale = load.kind != .strict
        if let trail = load.trail { request.trail = trail.ids }
        return request
    }

    /// Stores a value here.
    ///
    /// - Parameter isOwn: It is known that the key is this node's, and the caller sees to it that it still is afterwards.
    /// - Throws: `conditionFailed`, and nothing has changed; `notOwner` for a condition about a key that is another node's.
    @discardableResult
    func setLocally(
        _ key: HashedKey,
        _ value: Value,
        encoded: ByteView?,
        ttl: Duration?,
        if condition: ChangeCondition? = nil,
        _ attributes: EntryAttributes,
        _ terms: ChangeTerms = ChangeTerms(),
        isOwn: Bool = false
    ) throws(GroupCacheError) -> SetOutcome {
        let (stored, size) = try self.codec.kept(value, encoded: encoded)
        let freshness = self.configuration.freshness
        var life = EntryLife(
            ttl: (ttl ?? freshness.ttl).flatMap { freshness.jittered($0) },
            version: NumberSource.shared.next()
        )
        // A peer may send us what by our ring is another's: its view is older than ours, or newer. Then it is not ours to keep for long. Nor is what we are
        // told because its owner cannot be reached: that one is asked again as soon as it can.
        let owned = isOwn || terms.role != .acting && self.owns(key)
        if owned {
            life.staleWhileRevalidate = freshness.staleWhileRevalidate.milliseconds
            life.staleIfError = freshness.staleIfError.milliseconds
        } else {
            // What we have of it may be old: only the owner can compare.
            if condition != nil { throw .notOwner }
            // From when it was sent: it may have lain in a buffer, and its sender has told the owner of another value since.
            let most = (self.configuration.standInTTL - terms.age).milliseconds
            guard most > 0 else { throw GroupCacheError(.deadlineExceeded, "it was sent too long ago to be kept in the owner's place") }
            life.ttl = min(life.ttl ?? .max, most)
            life.stream = self.unheard
        }
        // What is too large takes the place of nothing: what was there before has gone.
        let done = try self.change(key, records: true, if: condition) {
            self.insert(key, stored, size, owned ? .main : .near, life, Sidecar(attributes), releasing: &$0)
        }
        if owned, !isOwn { self.endSoonIfMoved(key) }
        if done.outcome == .tooLarge {
            if owned { self.noteTooLarge() }
            let most = owned ? self.store.largestItem : self.store.largestNearItem
            throw GroupCacheError(
                .valueTooLarge,
                "the entry would take \(self.store.footprint(keyLength: key.key.bytes.count, size: size)) bytes, and this group keeps entries "
                    + "of at most \(most): its capacity is \(self.capacity.bytes) bytes, its shards are \(self.store.shardCount)"
            )
        }
        return done.wasThere ? .replaced : .created
    }

    /// Removes what this node has, and what loads that began before would bring.
    ///
    /// - Parameters:
    ///   - records: Whether it is this node's change, of which others have to hear.
    ///   - settle: See ``remove(_:settle:wait:)-(Key,_,_)``.
    func discard(_ key: HashedKey, records: Bool = false, settle: Duration = .zero) {
        _ = self.change(key, records: records, settle: settle) { self.drop(key, releasing: &$0) }
    }

    /// Removes what this node has if a condition holds. It is this node's change, of which others have to hear.
    func discard(_ key: HashedKey, if condition: ChangeCondition?, settle: Duration) throws(GroupCacheError) {
        guard let condition else { return self.discard(key, records: true, settle: settle) }
        guard self.owns(key) else { throw .notOwner }
        _ = try self.change(key, records: true, if: condition, settle: settle) { self.drop(key, releasing: &$0) }
    }

    /// Whether this node owns `key` by its own ring.
    func owns(_ key: HashedKey) -> Bool { self.peers?.pickOwner(of: key.key) == nil }
}

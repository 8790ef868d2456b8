// SPDX-License-Identifier: Apache-2.0

// Changing what is cached if something holds. What is compared is what the owner has, and nothing can come between the look and the change.
extension Group {
    /// Stores a value at the owner of the key if `condition` holds there:
    ///
    /// ```swift
    /// try await group.set("job", to: mine, if: .absent)
    /// let old = try await group.get("count")
    /// try await group.set("count", to: old + 1, if: .matching(try group.tag(of: old)))
    /// ```
    ///
    /// Of callers who do this at the same time with the same condition, one wins. Exact as long as all nodes see the same owner.
    ///
    /// - Returns: whether there was a value before.
    /// - Throws: ``GroupCacheError``: ``GroupCacheError/Code/conditionFailed``, and nothing has changed; `notOwner` when the node that was asked
    ///   does not own the key by its own ring; `ownerChanging`, and nothing has changed, when the key has just come to that node, and the one that had it may
    ///   not know that yet, or does not say what it has: try again; `unsupported` when peers of the owner's dialect cannot compare; else as
    ///   ``set(_:to:ttl:tags:wait:)-(Key,_,_,_,_)``.
    @discardableResult
    public func set(
        _ key: Key,
        to value: Value,
        ttl: Duration? = nil,
        tags: [String] = [],
        if condition: ChangeCondition
    ) async throws(GroupCacheError) -> SetOutcome {
        try await self.store(key, value, ttl: ttl, if: condition, try EntryAttributes.none.adding(tags: tags))
    }

    /// Stores a value if a condition holds, as ``set(_:to:ttl:tags:if:)-(Key,_,_,_,_)``.
    @discardableResult
    public func set(
        _ key: String,
        to value: Value,
        ttl: Duration? = nil,
        tags: [String] = [],
        if condition: ChangeCondition
    ) async throws(GroupCacheError) -> SetOutcome {
        try await self.set(Key(key), to: value, ttl: ttl, tags: tags, if: condition)
    }

    /// Removes a value from the owner of the key, and from this node, if `condition` holds at the owner.
    ///
    /// - Throws: ``GroupCacheError``: as ``set(_:to:ttl:tags:if:)-(Key,_,_,_,_)``.
    public func remove(_ key: Key, if condition: ChangeCondition) async throws(GroupCacheError) {
        try await self.erase(key, if: condition, settle: .zero)
    }

    /// What `value` is recognised by in conditions. O(bytes of the encoded value).
    ///
    /// - Throws: ``GroupCacheError/Code/codecFailed``.
    public func tag(of value: Value) throws(GroupCacheError) -> EntityTag {
        EntityTag(of: try self.codec.encoded(value))
    }

    /// Makes a change that depends on what there is, here, where the key is this node's.
    ///
    /// A key that has just come here may have been changed at the node that owned it before. Nobody may win here before it is known that nobody can win
    /// there any more, and what the last one has left is taken over first: so of those who compare with it here one finds the other's change, too.
    ///
    /// - Parameter change: Makes it if a condition holds of what this node has; `nil`: whatever that is.
    func comparing(
        _ key: HashedKey,
        _ condition: ChangeCondition?,
        _ change: (ChangeCondition?) throws(GroupCacheError) -> SetOutcome
    ) async throws(GroupCacheError) -> SetOutcome {
        guard let condition, let recording, !self.hasOwn(key) else { return try change(condition) }
        let owners = try await recording.formerOwners(toCompare: key.key)
        // A copy that has outlived the wait is as right as an own entry: everything that its owner has changed was heard.
        if try !self.held(key, withTag: false).isThere, let entry = try await self.held(key, by: owners) {
            try self.adopt(entry, as: key)
        }
        return try change(condition)
    }

    /// Whether this node has a value of the key as its owner.
    private func hasOwn(_ key: HashedKey) -> Bool {
        guard let entry = self.entry(key) else { return false }
        return entry.details.kind == .main && entry.details.state.isServable && entry.value != nil
    }

    /// What the former owners of a key still have of it; `nil`: nothing.
    private func held(_ key: HashedKey, by owners: [any PeerGetter]) async throws(GroupCacheError) -> PeerEntry? {
        for former in owners {
            var request = self.request(key.key)
            request.isPeek = true
            request.timeout = min(self.configuration.loadTimeout / 2, .seconds(1))
            do throws(GroupCacheError) {
                let entry = try await former.get(request)
                if entry.ttl ?? .seconds(1) > .zero { return entry }
            } catch {
                switch error.code {
                case .notHeld, .notFound, .noSuchGroup, .unsupported, .badRequest: continue
                case .cancelled: throw error
                default:
                    var changing = GroupCacheError.ownerChanging.about([former.id])
                    changing.cause = error
                    throw changing
                }
            }
        }
        return nil
    }

    /// Takes what a former owner still has as this node's own, unless there is something here by now.
    ///
    /// - Throws: `ownerChanging`: this node has changed the key since it came here, and the former owner has not dropped what it has yet.
    private func adopt(_ entry: PeerEntry, as key: HashedKey) throws(GroupCacheError) {
        guard self.owns(key) else { return }
        let (stored, size) = try self.codec.kept(try self.decode(entry), encoded: entry.value)
        let life = EntryLife(ttl: entry.ttl.map { $0.milliseconds }, version: NumberSource.shared.next())
        let adopted = self.change(key, records: false, onlyOf: 0, adopts: true, settle: .zero) {
            self.insert(key, stored, size, .main, life, Sidecar(entry.attributes), releasing: &$0)
        }
        self.endSoonIfMoved(key)
        if adopted == nil, try !self.held(key, withTag: false).isThere { throw .ownerChanging }
    }

    /// What a look at the owner's own entry has found.
    struct Held {
        /// 0: there is nothing that would be served.
        var version: UInt64 = 0
        var isThere: Bool { self.version != 0 }
        /// If it was asked for.
        var tag: EntityTag?
    }

    /// What is held of `key`. Not for under a lock: codecs are other people's code.
    func held(_ key: HashedKey, withTag: Bool) throws(GroupCacheError) -> Held {
        guard let entry = self.entry(key), entry.details.state.isServable, let value = entry.value else { return Held() }
        var held = Held(version: entry.details.version)
        if withTag {
            let bytes: ByteView
            if let kept = entry.sidecar?.encoded { bytes = kept } else { bytes = try self.codec.encoded(value) }
            held.tag = EntityTag(of: bytes)
        }
        return held
    }
}

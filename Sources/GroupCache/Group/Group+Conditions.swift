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
    ///   does not own the key by its own ring; `unsupported` when peers of the owner's dialect cannot compare; else as
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

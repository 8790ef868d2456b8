// SPDX-License-Identifier: Apache-2.0

// Where a change is made: at the owner of the key, or, if that cannot be told, at who acts for it.
extension Group {
    /// Makes a change of a key of this node's own at once, if nobody else has to hear of it before it is acknowledged: nothing of it waits, and so the caller
    /// is not suspended.
    ///
    /// What is asked before and after it are the questions of ``atOwner(of:_:settle:isConditional:_:)``: whose the key is, and who else has to hear, is looked up
    /// once, and afterwards it is only asked whether that may be otherwise by now.
    ///
    /// - Parameter change: Makes it, as the owner's. It may be made a second time.
    /// - Returns: `false`: it is to be made the long way, also if it has been made already.
    func changesHere<E: Error>(_ key: HashedKey, _ wait: ChangeWait, _ change: () throws(E) -> Void) throws(E) -> Bool {
        if !self.flights.hasPeers {
            try change()
            return true
        }
        guard !wait.isApplied, self.recorder != nil, let recording else { return false }
        guard let place = recording.soleOwner(of: key.key.bytes.span) else { return false }
        try change()
        return recording.isStill(place)
    }

    /// Makes a change at the owner of a key.
    ///
    /// - Parameter change: Makes it at a node, or, for `nil`, here.
    /// - Throws: what the owner answers; `notDelivered` when it could not be told and will be; `ringsDiffer` when two nodes take each other for the owner.
    func atOwner(
        of key: HashedKey,
        _ wait: ChangeWait,
        settle: Duration = .zero,
        isConditional: Bool,
        _ change: ((any PeerGetter)?, ChangeTerms) async throws(GroupCacheError) -> Void
    ) async throws(GroupCacheError) {
        // Else it would take itself for the owner, and nobody would ever hear of the change.
        if self.recording?.knowsOwners == false { throw .ownersUnknown }
        let terms = ChangeTerms(wait: wait, standInTTL: wait.isApplied ? self.longestUnheard : .zero)
        let owner = self.peers?.pickOwner(of: key.key)
        // After the owner has the new value, not before: in between, a get would fetch the old one again. Also when the owner failed, for it may have
        // failed after it stored the value. And when its value was not the one that the caller had expected: the caller may have that from our copy.
        // But what has come to be this node's own meanwhile, and was changed here, stays.
        var isOwn = owner == nil
        defer { if !isOwn { self.discard(key, settle: settle) } }
        do throws(GroupCacheError) {
            try await change(owner, terms)
            // The key may have become another node's since the question, and that one may have taken over what was here before the change. What depends on
            // something is made once: it would not find the same a second time.
            if isOwn, !isConditional, self.recorder != nil, !self.owns(key) {
                isOwn = false
                isOwn = try await self.lookAgain(key, after: nil, terms, isConditional: false, change)
            }
        } catch {
            guard let owner, !isOwn else { throw error }
            switch error.code {
            case .notOwner where self.recorder != nil:
                isOwn = try await self.lookAgain(key, after: owner, terms, isConditional: isConditional, change)
            // What depends on something nobody but the owner can make.
            case _ where !isConditional && error.isOfDelivery: try await self.act(for: owner, key, error, change)
            default: throw error
            }
        }
        if isOwn {
            try await self.finishChange(of: key.key, terms)
            // A former owner that does not answer may have held this up until the key was another's, who has heard nothing of it.
            if !isConditional, self.recorder != nil, !self.owns(key) {
                isOwn = false
                isOwn = try await self.lookAgain(key, after: nil, terms, isConditional: false, change)
            }
        }
        try await self.peers?.changed(self.request(key.key))
    }

    /// Another node does not take itself for the owner: one of the two rings is older, and ours may have changed meanwhile. Or this node has taken itself for
    /// it, and is none any more.
    ///
    /// - Parameter first: who was asked; `nil`: this node.
    /// - Returns: Whether the owner is this node by now.
    private func lookAgain(
        _ key: HashedKey,
        after first: (any PeerGetter)?,
        _ terms: ChangeTerms,
        isConditional: Bool,
        _ change: ((any PeerGetter)?, ChangeTerms) async throws(GroupCacheError) -> Void
    ) async throws(GroupCacheError) -> Bool {
        let owner = self.peers?.pickOwner(of: key.key)
        if let owner, owner.id == first?.id { throw .ringsDiffer }
        do throws(GroupCacheError) {
            try await change(owner, terms)
        } catch {
            if let owner, !isConditional, error.isOfDelivery { try await self.act(for: owner, key, error, change) }
            throw error.code == .notOwner ? .ringsDiffer : error
        }
        return owner == nil
    }

    /// The owner could not be told: it will be, as soon as it can be reached and before anything else is asked of it. Until then others act for it, and
    /// have to know.
    private func act(
        for owner: any PeerGetter,
        _ key: HashedKey,
        _ error: GroupCacheError,
        _ change: ((any PeerGetter)?, ChangeTerms) async throws(GroupCacheError) -> Void
    ) async throws(GroupCacheError) {
        guard let recording, recording.keep(.key(key.key, group: self.name), for: owner) else { throw error }
        let acting = self.peers?.pickPeer(for: key.key).owner
        if let acting, acting.id != owner.id { try? await change(acting, ChangeTerms(as: .acting)) }
        var failure = GroupCacheError.notDelivered.about([owner.id])
        failure.cause = error
        throw failure
    }

    /// - Throws: `notOwner`, to a peer whose ring is another.
    func checkOwner(of key: Key, _ terms: ChangeTerms) throws(GroupCacheError) {
        if self.recorder == nil || terms.role != .owner || self.peers?.pickOwner(of: key) == nil { return }
        throw .notOwner
    }

    /// What is to be done before a change that this node has made is acknowledged.
    func finishChange(of key: Key, _ terms: ChangeTerms) async throws(GroupCacheError) {
        guard let recorder else { return }
        // As long as this node may ask the former owner what it has, that one must not have what was before the change; nor may the next one, which may have
        // asked this node.
        if terms.role == .owner, let recording {
            var unheard: [String] = []
            // What this node owes is lost with it.
            let isLeaving = recording.handsOver(key.bytes.span)
            for other in recording.otherOwners(of: key) {
                var request = self.request(key, ChangeTerms(as: .former))
                // One that hangs hears of it later.
                request.timeout = min(self.configuration.loadTimeout, .seconds(2))
                do throws(GroupCacheError) {
                    try await other.remove(request)
                } catch {
                    _ = recording.keep(.copies(key, group: self.name), for: other)
                    if isLeaving { unheard.append(other.id) }
                }
            }
            if !unheard.isEmpty { throw GroupCacheError.notDelivered.about(unheard) }
        }
        guard terms.wait.isApplied else { return }
        // At least that of the change; it may be a later one.
        try await recorder.applied(recorder.position.sequence, standInTTL: self.longestUnheard, within: terms.wait.within)
    }

    /// How long a node may keep what it has of this one without hearing of its changes: what it has loaded in its place, or copied when it could not follow.
    var longestUnheard: Duration { max(self.configuration.standInTTL, self.configuration.nearTTL) }

    /// What is asked of a peer about a change.
    func request(_ key: Key, _ terms: ChangeTerms) -> PeerRequest {
        var request = self.request(key)
        if terms != ChangeTerms() { request.terms = terms }
        return request
    }
}

extension GroupCacheError {
    /// Whether it says that a node could not be told something, or not whether it was.
    fileprivate var isOfDelivery: Bool { self.code == .peerFailed || self.code == .deadlineExceeded || self.code == .shutDown }
}

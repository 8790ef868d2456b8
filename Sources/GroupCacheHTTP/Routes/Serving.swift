// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// What a cache says right now of a key.
enum Found {
    case entry(ServedEntry)
    /// It has to be loaded.
    case missing(Key)
    /// It is no key.
    case failure(GroupCacheError)
}

extension Key {
    /// What is wrong with a key of so many bytes that comes from outside; `nil`: nothing.
    static func error(length: Int, limit: Int) -> GroupCacheError? {
        if length == 0 { return .emptyKey }
        if length <= limit { return nil }
        return limit == Key.maximumLength ? .keyTooLong : GroupCacheError(.keyTooLong, "a key has at most \(limit) bytes here")
    }
}

/// All that the routes ask of groups, in one place.
enum Serving {
    /// Without an allocation, when the cache has it.
    ///
    /// - Parameter limit: how long a key may be.
    static func cached(_ group: any PeerServing, _ key: Span<UInt8>, for requester: Requester, reload: Bool = false, limit: Int) -> Found {
        if let error = Key.error(length: key.count, limit: limit) { return .failure(error) }
        if !reload, let entry = group.serveCached(key, for: requester) { return .entry(entry) }
        return .missing(Key(bytes: key.array(0..<key.count)))
    }

    static func get(
        _ group: any PeerServing,
        _ request: PeerRequest,
        for requester: Requester,
        _ success: @escaping @Sendable (ServedEntry) -> Response,
        failure: @escaping @Sendable (GroupCacheError) -> Response
    ) -> Router.Answer {
        .later(.load) { () async -> Response in
            do throws(GroupCacheError) {
                return success(try await group.serve(request, for: requester))
            } catch {
                return failure(error)
            }
        }
    }

    static func get(
        _ group: any PeerServing,
        _ keys: [Key],
        timeout: Duration?,
        each: @escaping @Sendable (Key, Result<ServedEntry, GroupCacheError>) async -> Void
    ) async {
        await group.serve(keys, of: PeerBatch(group: group.name, timeout: timeout), for: .client, each: each)
    }

    static func set(
        _ group: any PeerServing,
        _ key: Key,
        to entry: PeerEntry,
        if condition: ChangeCondition?,
        _ terms: ChangeTerms = ChangeTerms(),
        for requester: Requester,
        _ reply: ChangeReply,
        asItIsMade look: @escaping @Sendable (ChangeTerms) throws(GroupCacheError) -> ChangeTerms = { $0 }
    ) -> Router.Answer {
        .later(.change) {
            await reply.after { () async throws(GroupCacheError) in
                let terms = try look(terms)
                if let group = group as? any ChangeListener {
                    return try await group.serveSet(key, to: entry, if: condition, terms, for: requester)
                }
                return try await group.serveSet(key, to: entry, if: condition, for: requester)
            }
        }
    }

    static func remove(
        _ group: any PeerServing,
        _ keys: [Key],
        if condition: ChangeCondition? = nil,
        _ terms: ChangeTerms = ChangeTerms(),
        for requester: Requester,
        _ reply: ChangeReply
    ) -> Router.Answer {
        .later(.change) {
            await reply.after { () async throws(GroupCacheError) in
                for key in keys {
                    if let group = group as? any ChangeListener {
                        try await group.serveRemove(key, if: condition, terms, for: requester)
                    } else {
                        try await group.serveRemove(key, if: condition, for: requester)
                    }
                }
                return .unknown
            }
        }
    }

    static func clear(_ group: any PeerServing, wait: ChangeWait) -> Router.Answer {
        .later(.change) {
            await ChangeReply.everywhere.after { () async throws(GroupCacheError) in
                try await group.serveClear(wait: wait)
                return .unknown
            }
        }
    }

    static func remove(_ group: any PeerServing, tag: String, soft: Bool, wait: ChangeWait) -> Router.Answer {
        .later(.change) {
            await ChangeReply.everywhere.after { () async throws(GroupCacheError) in
                try await group.serveRemove(tag: tag, soft: soft, wait: wait)
                return .unknown
            }
        }
    }
}

/// What is answered after a change: to clients, or to the peers of a dialect.
enum ChangeReply: Sendable {
    case client
    /// To clients, after a change that no single node has to make: if one has, it is accepted.
    case everywhere
    case peer(Dialect)

    func failure(_ error: GroupCacheError) -> Response {
        switch self {
        // One node has made it, and that is all that it takes to be made.
        case .client: (error.isMade ? .pending(error) : nil) ?? .failure(Failure(error))
        case .everywhere: .pending(error) ?? .failure(Failure(error))
        case .peer(let dialect): .peerFailure(error, dialect)
        }
    }

    func after(_ change: () async throws(GroupCacheError) -> SetOutcome) async -> Response {
        let outcome: SetOutcome
        do throws(GroupCacheError) {
            outcome = try await change()
        } catch {
            return self.failure(error)
        }
        return switch (self, outcome) {
        case (.client, .created), (.peer(.native), .created): .created
        case (.client, _), (.everywhere, _): .noContent
        // Go's clients take nothing but 200 for done.
        case (.peer, _): .empty
        }
    }
}

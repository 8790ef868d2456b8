// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import Synchronization

/// The face that a group shows to a pool: values as bytes, keys from the wire.
final class GroupServer<Value: Sendable>: PeerServing, ChangeListener {
    let group: Group<Value>
    /// What values are kept in snapshots by, if that is more than what crosses the wire. Found out once: such a question costs more than to keep a value.
    let keeping: (any KeepingCodec<Value>)?

    init(_ group: Group<Value>) {
        self.group = group
        self.keeping = group.codec as? any KeepingCodec<Value>
    }

    var name: String { self.group.name }
    var summary: GroupSummary { self.group.summary }
    var statistics: GroupStatistics { self.group.statistics }
    var standInTTL: Duration { self.group.longestUnheard }

    func serveCached(_ key: Span<UInt8>, for requester: Requester) -> ServedEntry? {
        guard self.group.metrics.isTimed, self.isTimed(requester) else { return self.group.servedFromStore(key, for: requester) }
        let start = ContinuousClock.now
        let served = self.group.servedFromStore(key, for: requester)
        if served != nil { self.group.metrics.endHit(start) }
        return served
    }

    /// Of how many hits that somebody asked for over the network one is timed: to read the clock twice for each would cost as much as the hit.
    private static var hitsPerTimed: Int { 256 }

    /// Whether this one is. Requests of peers are counted anyway, when they are hits.
    private func isTimed(_ requester: Requester) -> Bool {
        let number =
            switch requester {
            case .peer: self.group.counters.serverRequests.value
            case .client: self.group.counters.clientLooks.wrappingAdd(1, ordering: .relaxed).oldValue
            }
        return number % Self.hitsPerTimed == 0
    }

    func serve(_ request: PeerRequest, for requester: Requester) async throws(GroupCacheError) -> ServedEntry {
        if request.isPeek { return try await self.group.held(request.key, timeout: request.timeout) }
        if requester == .peer { self.group.counters.serverRequests.increment() }
        if let timeout = request.timeout, timeout <= .zero { throw .deadlineExceeded }
        if requester == .peer, self.group.recording?.knowsOwners == false { throw Self.knowsNobody }
        let key = self.group.hashed(request.key)
        var options = self.options(requester, request.timeout, reload: request.reload)
        options.allowStale = request.allowStale
        do throws(GroupCacheError) {
            return try await Self.following(request.trail) { () async throws(GroupCacheError) in
                let found = options.isStrict ? self.group.peek(key) : self.group.find(request.key).found
                var served = try self.group.served(key, try await self.group.answer(key, found, options), for: requester)
                // One within its grace is served at once, unless the caller does not want it.
                served.wasStale = served.wasStale || found.state == .expired || (found.state == .stale && served.source != .stale)
                return served
            }
        } catch {
            throw Self.forPeers(error, requester)
        }
    }

    /// Whoever asks goes on to the next node.
    private static var knowsNobody: GroupCacheError { GroupCacheError(.shutDown, "this node has not heard yet who the others are") }

    /// An absence of which the getter heard in another group is none of this key, which is how a peer would take it.
    private static func forPeers(_ error: GroupCacheError, _ requester: Requester) -> GroupCacheError {
        guard requester == .peer, error.code == .notFound, error.group != nil else { return error }
        return GroupCacheError(.getterFailed, "a key that the getter needs does not exist", cause: error)
    }

    func serve(
        _ keys: [Key],
        of request: PeerBatch,
        for requester: Requester,
        each: @escaping @Sendable (Key, Result<ServedEntry, GroupCacheError>) async -> Void
    ) async {
        let group = self.group
        if requester == .peer { group.counters.serverRequests.increment(by: keys.count) }
        let keys = Array(Set(keys))
        if requester == .peer, group.recording?.knowsOwners == false {
            for key in keys { await each(key, .failure(Self.knowsNobody)) }
            return
        }
        var options = self.options(requester, request.timeout, reload: false)
        options.allowStale = request.allowStale
        await Self.following(request.trail) {
            await group.answers(to: keys, options) { _, key, outcome in
                let served: Result<ServedEntry, GroupCacheError>
                switch outcome {
                case .success(let answer): served = Result { () throws(GroupCacheError) in try group.served(key, answer, for: requester) }
                case .failure(let error): served = .failure(Self.forPeers(error, requester))
                }
                await each(key.key, served)
            }
        }
    }

    func servePeek(_ key: Key) -> ServedEntry? { self.group.held(key) }

    func serveSet(_ key: Key, to entry: PeerEntry, for requester: Requester) async throws(GroupCacheError) {
        _ = try await self.serveSet(key, to: entry, if: nil, for: requester)
    }

    func serveSet(
        _ key: Key,
        to entry: PeerEntry,
        if condition: ChangeCondition?,
        for requester: Requester
    ) async throws(GroupCacheError) -> SetOutcome {
        try await self.serveSet(key, to: entry, if: condition, ChangeTerms(), for: requester)
    }

    func serveSet(
        _ key: Key,
        to entry: PeerEntry,
        if condition: ChangeCondition?,
        _ terms: ChangeTerms,
        for requester: Requester
    ) async throws(GroupCacheError) -> SetOutcome {
        if let error = key.error { throw error }
        if requester == .peer, condition == nil, terms.role == .owner, entry.ttl.map({ $0 > .zero }) ?? true {
            let hashed = self.group.hashed(key)
            var outcome = SetOutcome.unknown
            let isDone = try self.group.changesHere(hashed, terms.wait) { () throws(GroupCacheError) in
                outcome = try self.setHere(hashed, entry, if: nil, terms, isOwn: true)
            }
            if isDone { return outcome }
        }
        if requester == .peer { try self.group.checkOwner(of: key, terms) }
        let outcome = try await self.set(key, to: entry, if: condition, terms, for: requester)
        // Once more, as where the change is this node's own: who asks looks again, and finds who owns the key by now.
        if requester == .peer, condition == nil { try self.group.checkOwner(of: key, terms) }
        if requester == .peer {
            try await self.group.finishChange(of: key, terms)
            if condition == nil { try self.group.checkOwner(of: key, terms) }
        }
        return outcome
    }

    private func set(
        _ key: Key,
        to entry: PeerEntry,
        if condition: ChangeCondition?,
        _ terms: ChangeTerms,
        for requester: Requester
    ) async throws(GroupCacheError) -> SetOutcome {
        if let ttl = entry.ttl, ttl <= .zero {
            guard requester == .peer else { throw GroupCacheError(.invalidConfiguration, "a TTL is more than zero") }
            // It expired on its way: what was there before is not to be served any more, and this neither.
            self.group.discard(self.group.hashed(key), records: true)
            return .unknown
        }
        switch requester {
        case .client:
            return try await self.group.store(
                key,
                try self.group.decode(entry),
                ttl: entry.ttl,
                if: condition,
                wait: terms.wait,
                entry.attributes
            )
        case .peer:
            let key = self.group.hashed(key)
            return try await self.group.comparing(key, condition) { condition throws(GroupCacheError) in
                try self.setHere(key, entry, if: condition, terms)
            }
        }
    }

    /// Stores what a peer has sent.
    private func setHere(
        _ key: HashedKey,
        _ entry: PeerEntry,
        if condition: ChangeCondition?,
        _ terms: ChangeTerms,
        isOwn: Bool = false
    ) throws(GroupCacheError) -> SetOutcome {
        let value: Value
        do throws(GroupCacheError) {
            value = try self.group.decode(entry)
        } catch {
            // A node of another version has changed the key: to go on serving what was there before would hide that.
            self.group.noteMismatch(error)
            // But not if that may be for nothing.
            if condition != nil { throw error }
            self.group.discard(key, records: true)
            return .unknown
        }
        let group = self.group
        return try group.setLocally(key, value, encoded: entry.value, ttl: entry.ttl, if: condition, entry.attributes, terms, isOwn: isOwn)
    }

    func serveRemove(_ key: Key, for requester: Requester) async throws(GroupCacheError) {
        try await self.serveRemove(key, if: nil, for: requester)
    }

    func serveRemove(_ key: Key, if condition: ChangeCondition?, for requester: Requester) async throws(GroupCacheError) {
        try await self.serveRemove(key, if: condition, ChangeTerms(), for: requester)
    }

    func serveRemove(
        _ key: Key,
        if condition: ChangeCondition?,
        _ terms: ChangeTerms,
        for requester: Requester
    ) async throws(GroupCacheError) {
        if let error = key.error { throw error }
        switch requester {
        case .client: try await self.group.erase(key, if: condition, settle: terms.settle, wait: terms.wait)
        case .peer:
            try self.group.check(settle: terms.settle)
            if terms.role == .former { return self.group.discardAsFormer(key) }
            let hashed = self.group.hashed(key)
            if condition == nil, terms.role == .owner {
                let isDone = self.group.changesHere(hashed, terms.wait) {
                    self.group.discard(hashed, records: true, settle: terms.settle)
                }
                if isDone { return }
            }
            try self.group.checkOwner(of: key, terms)
            try await self.group.discardComparing(hashed, condition, terms.settle)
            if condition == nil { try self.group.checkOwner(of: key, terms) }
            try await self.group.finishChange(of: key, terms)
            if condition == nil { try self.group.checkOwner(of: key, terms) }
        }
    }

    func servePeerRemove(_ key: Key, if condition: ChangeCondition?, settle: Duration) async throws(GroupCacheError) {
        var terms = ChangeTerms()
        terms.settle = settle
        try await self.serveRemove(key, if: condition, terms, for: .peer)
    }

    func serveRemove(tag: String, soft: Bool, wait: ChangeWait) async throws(GroupCacheError) {
        try await self.group.remove(tag: tag, soft: soft, wait: wait)
    }

    func heard(_ change: Change) { self.group.heard(change) }

    func loadsMayBeOld(of isOwner: ((any PeerGetter)?) -> Bool, wasOwner: ((Key) -> Bool)?) {
        self.group.loadsMayBeOld(of: isOwner, wasOwner: wasOwner)
    }

    func made(_ change: Change) { self.group.made(change) }

    func fence(until moment: Int64, suspect: Bool, by clock: CacheClock) {
        self.group.store.fence(until: moment, suspect: suspect, by: clock)
    }

    func serveClear(wait: ChangeWait) async throws(GroupCacheError) { try await self.group.clear(wait: wait) }

    func peersChanged() { self.group.peersChanged() }

    func sweep() {
        self.group.store.sweepExpired(looks: 65_536)
        self.group.dropMoved()
        self.group.noteTime()
        self.group.audit()
        self.group.exportMetrics()
    }

    private func options(_ requester: Requester, _ timeout: Duration?, reload: Bool) -> GetOptions {
        // A peer stops listening when its time is over: what we have then, even a stale value, has to be on its way by that time.
        var options = GetOptions(timeout: requester == .peer ? timeout.map { $0 * 9 / 10 } : timeout, reload: reload)
        options.isTerminal = requester == .peer
        return options
    }

    /// Runs `body` as a part of the getters on other nodes that have asked for it.
    private static func following<R, E>(_ trail: [UInt64], _ body: () async throws(E) -> R) async throws(E) -> R {
        guard let trail = Trail(trail) else { return try await body() }
        let result: Result<R, E> = await Trail.$current.withValue(trail) {
            do throws(E) { return .success(try await body()) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

extension Group {
    /// What the store can answer right now.
    func servedFromStore(_ key: Span<UInt8>, for requester: Requester) -> ServedEntry? {
        guard let (found, details) = self.found(key, for: requester) else { return nil }
        guard requester == .peer else { return found }
        var served = found
        if served.source == .main { served.isOwn = self.recording?.owns(key) ?? false }
        return self.bounded(served, details)
    }

    private func found(_ key: Span<UInt8>, for requester: Requester) -> (ServedEntry, EntryDetails)? {
        key.withUnsafeBytes { bytes in
            let hash = self.store.hash(bytes)
            guard let found = self.store.lookupEntry(hash, bytes) else { return nil }
            let state = found.details.state
            if state != .fresh { self.refreshInBackground(HashedKey(key: Key(bytes: bytes), hash: hash), state) }
            var served: ByteView?
            if let value = found.value {
                // A value that cannot be encoded is loaded again, and that load says why.
                guard let encoded = try? self.encoded(value, of: found, hash, bytes) else { return nil }
                served = encoded
            }
            if requester == .peer { self.counters.serverRequests.increment() }
            let source: ServedEntry.Source = state == .stale ? .stale : found.details.kind == .near ? .near : .main
            return (self.dated(self.signed(ServedEntry(value: served, source: source)), found), found.details)
        }
    }

    /// The bytes of `value`, which is that of `entry`: those that were kept beside it, or else new ones, which are kept.
    func encoded(_ value: Value, of entry: EntryInfo<Value>, _ hash: UInt64, _ key: UnsafeRawBufferPointer) throws -> ByteView {
        if let kept = entry.sidecar?.encoded { return kept }
        let encoded = try self.codec.encode(value)
        // What is bytes already is no work to encode.
        let isBytes =
            Value.self == ByteView.self || Value.self == ByteBuffer.self || Value.self == [UInt8].self || Value.self == String.self
        if !isBytes { self.store.attach(hash, key, version: entry.details.version, encoded: encoded) }
        return encoded
    }

    func served(_ key: HashedKey, _ answer: Answer, for requester: Requester = .peer) throws(GroupCacheError) -> ServedEntry {
        var encoded: ByteView?
        if answer.value != nil { encoded = try self.codec.encoded(try self.value(of: answer)) }
        var served = self.signed(ServedEntry(value: encoded, source: answer.source, collapsed: answer.collapsed, ttl: answer.ttl))
        if !answer.attributes.isNone { served.attributes = answer.attributes }
        (served.ageInMilliseconds, served.wasStale) = (answer.age, answer.wasStale)
        if answer.isSuperseded { return served }
        let entry = self.entry(key)
        // What changed after the request had come, its asker hears. Asked of the ring after the value was there: if the key has just become another node's,
        // that one sees to it that we tell its changes.
        if let entry, entry.details.kind == .main, answer.source != .stale, answer.version == 0 || answer.version == entry.details.version {
            served.isOwn = self.recording?.owns(key.key.bytes.span) ?? false
        }
        if answer.source == .peer { return served }
        // Another value has come meanwhile, or what there was has gone: what we hand out is not to be kept for the time of something else.
        guard let entry, answer.version == 0 || answer.version == entry.details.version,
            answer.source != .stale || entry.details.state != .fresh
        else {
            if answer.source != .loaded { served.ttl = .zero }
            return served
        }
        var dated = self.dated(served, entry)
        dated.isStored = answer.source == .loaded
        return requester == .peer ? self.bounded(dated, entry.details) : dated
    }

    /// `served` with the name of the form that its value has.
    func signed(_ served: ServedEntry) -> ServedEntry {
        guard let schema = self.configuration.schema else { return served }
        var served = served
        served.schema = schema
        return served
    }

    /// `served` with the age and the remaining time of what the store has.
    func dated(_ served: ServedEntry, _ entry: EntryInfo<Value>?) -> ServedEntry {
        guard let entry else { return served }
        let now = self.configuration.clock.milliseconds
        var served = served
        served.ageInMilliseconds = max(0, now - entry.details.created)
        if let attributes = entry.sidecar?.attributes, !attributes.isNone { served.attributes = attributes }
        served.ttl = entry.details.expires.map { .milliseconds($0 - now) }
        // Times are kept to the second, but what lies between two of them is exact.
        served.lifetime = entry.details.expires.map { .milliseconds(max(0, $0 - entry.details.created)) }
        served.version = entry.details.version
        if entry.details.state == .stale {
            let until = max(entry.details.staleUntil ?? now, entry.details.staleIfErrorUntil ?? now)
            served.staleFor = .milliseconds(max(0, until - now))
        }
        return served
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What a landing does to the store.
enum StoreChange<Value: Sendable>: Sendable {
    case none
    /// Takes out what is there.
    case drop
    /// `value` is `nil`: there is no such key.
    case store(Value?, ValueSize, EntryKind, EntryLife, Sidecar? = nil)
    /// The entry has a new life; if it has been evicted meanwhile, it is stored again.
    case extend(Value, ValueSize, EntryKind, EntryLife, Sidecar? = nil)

    var isChange: Bool { if case .none = self { false } else { true } }

    /// What is to be stored, as removals of tags judge it.
    var tagged: (kind: EntryKind, attributes: EntryAttributes, stamp: UInt64)? {
        switch self {
        case .store(_, _, let kind, let life, let sidecar), .extend(_, _, let kind, let life, let sidecar):
            guard let attributes = sidecar?.attributes, attributes.hasTags else { return nil }
            return (kind, attributes, life.stamp)
        case .none, .drop: return nil
        }
    }
}

/// What is made of an answer: what those who wait are told, and what is kept for how long. A value; it reads no clock and touches no store.
struct LandingRules<Value: Sendable> {
    /// Who has answered.
    enum Origin: Equatable {
        /// Our getter, for a key that is ours.
        case getter
        /// Our getter, for a key of another node.
        case standIn
        /// The node that owned the key before; whether it is ours now, with all that the value's time is.
        case former(isOwn: Bool)
        /// The node that owns the key.
        case owner
    }

    private let freshness: Freshness
    private let nearTTL: Duration
    private let standInTTL: Duration
    private let codec: any Codec<Value>
    private let origin: Origin
    /// What entries live by of whose changes nothing is heard: a row of ``CopyLeases``; 0: their time alone.
    private let unheard: Int

    init(_ configuration: GroupConfiguration, _ codec: any Codec<Value>, from origin: Origin, unheard: Int) {
        self.unheard = unheard
        self.freshness = configuration.freshness
        self.nearTTL = configuration.nearTTL
        self.standInTTL = configuration.standInTTL
        self.codec = codec
        self.origin = origin
    }

    /// What is made of the answer of a getter, or of a former owner.
    ///
    /// - Throws: `codecFailed`; `getterFailed` for "not modified" where there was nothing before.
    func land(
        _ loaded: Loaded<Value>,
        previous: EntryInfo<Value>?,
        cost: Duration,
        version: UInt64,
        stamp: UInt64? = nil
    ) throws(GroupCacheError) -> (Answer, StoreChange<Value>) {
        var life = EntryLife(
            ttl: self.ttl(of: loaded, cost),
            cost: cost.nanoseconds / 1000,
            version: version,
            age: loaded.age.milliseconds,
            stamp: stamp
        )
        if self.kind == .near { life.stream = self.unheard }
        if case .getter = self.origin {
            life.staleWhileRevalidate = (loaded.staleWhileRevalidate ?? self.freshness.staleWhileRevalidate).milliseconds
            life.staleIfError = (loaded.staleIfError ?? self.freshness.staleIfError).milliseconds
            life.confirmable = loaded.confirmable.milliseconds
        }
        switch loaded.outcome {
        case .value(let value):
            let attributes = try loaded.attributes.adding(tags: loaded.tags)
            let (value, size) = try self.codec.kept(value)
            let keeps =
                loaded.cacheable && (life.ttl ?? 1 > 0 || life.staleWhileRevalidate > 0 || life.staleIfError > 0 || life.confirmable > 0)
            // What is not to be kept must not be kept by a peer that asked for it, either.
            let answer = Answer(
                value: value,
                source: self.source,
                version: version,
                ttl: loaded.cacheable ? life.ttl.map { .milliseconds($0) } : .zero,
                attributes: attributes,
                age: life.age,
                wasStale: previous != nil
            )
            return (answer, keeps ? .store(value, size, self.kind, life, Sidecar(answer.attributes)) : .drop)
        case .notModified:
            guard let previous, let value = previous.value else {
                throw GroupCacheError(.getterFailed, "the getter answered notModified, but there was no previous value")
            }
            let (kept, size) = try self.codec.kept(value)
            // What is said of the value holds on, above all its tags.
            let attributes = previous.sidecar?.attributes ?? .none
            let sidecar = Sidecar(attributes)
            let ttl: Duration? = life.ttl.map { .milliseconds($0) }
            return (
                Answer(value: kept, source: self.source, ttl: ttl, attributes: attributes, age: life.age),
                .extend(kept, size, self.kind, life, sidecar)
            )
        case .notFound:
            let negative = loaded.ttl ?? self.freshness.negative
            let answer = Answer(value: nil, source: self.source, ttl: negative)
            // Without a time to remember it: the key has gone, and what we had of it, stale or not, is wrong.
            guard let negative, negative > .zero else { return (answer, .drop) }
            let ttl = self.bounded(self.isTakenOver ? negative.milliseconds : self.freshness.jittered(negative), cost)
            if ttl ?? 1 <= 0 { return (answer, .drop) }
            var absence = EntryLife(ttl: ttl, cost: life.cost, version: version)
            absence.stream = life.stream
            return (answer, .store(nil, ValueSize(payload: 0), self.kind, absence))
        case .failed(let error, _):
            throw .getter(error)
        }
    }

    /// What is kept of the answer of the owner, of a key that is asked for often.
    ///
    /// - Parameter waited: how long it was waited for.
    func copy(_ value: Value, _ entry: PeerEntry, version: UInt64, waited: Duration) -> StoreChange<Value> {
        if entry.stream < 0 { return .none }
        // Of what is changed there this node hears: it may be kept for as long as its owner keeps it. If not, it may be as old as the question: the answer may
        // have lain in a buffer, of this very node while it stood still.
        let fresh = entry.stream == 0 ? min(self.nearTTL - max(.zero, waited), entry.ttl ?? self.nearTTL) : entry.ttl
        guard fresh ?? .seconds(1) > .zero, let (stored, size) = try? self.codec.kept(value, encoded: entry.value) else { return .none }
        var life = EntryLife(ttl: fresh?.milliseconds, version: version, age: entry.ageInMilliseconds, stamp: version)
        life.stream = entry.stream == 0 ? self.unheard : entry.stream
        return .store(stored, size, .near, life, Sidecar(entry.attributes))
    }

    private var kind: EntryKind { self.origin == .getter || self.origin == .former(isOwn: true) ? .main : .near }
    private var isTakenOver: Bool { if case .former = self.origin { true } else { false } }
    private var source: ServedEntry.Source { self.isTakenOver ? .peer : .loaded }

    /// In milliseconds, with jitter; `nil`: without end. What was taken over comes with its time.
    private func ttl(of loaded: Loaded<Value>, _ cost: Duration) -> Int64? {
        if self.isTakenOver { return loaded.ttl?.milliseconds }
        return self.bounded((loaded.ttl ?? self.freshness.ttl).flatMap { self.freshness.jittered($0) }, cost)
    }

    /// What is loaded in another node's place may be as old as its load: that node waits for as long after a change.
    private func bounded(_ ttl: Int64?, _ cost: Duration) -> Int64? {
        self.origin == .standIn ? min(ttl ?? .max, max(0, (self.standInTTL - cost).milliseconds)) : ttl
    }
}

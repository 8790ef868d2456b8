// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import NIOConcurrencyHelpers
internal import Tracing

/// A named cache with one getter, spread over the nodes of a cluster.
///
/// ```swift
/// let scores = try Group<Score>("scores", capacity: .mebibytes(64), peers: pool) { key, context in
///     try await database.score(of: key.string)
/// }
/// let tom = try await scores.get("Tom")
/// ```
///
/// The life of a ``get(_:)-(String)``:
///
/// 1. Look in the store. A hit is answered here, on the caller's executor, without allocating.
/// 2. Ask the ring who owns the key.
/// 3. If another node does, ask it; if it fails, ask the key's next owner. Keep a copy if the key proves hot.
/// 4. If this node does, or the others failed, call the getter. The owner keeps the value; anybody else keeps it for a short time only.
///
/// From step 3 on the work is done once for all callers of the key, in a *flight*, which is no caller's and ends when the last of them has
/// gone. There are two kinds of flight. *Routed* ones wait for peers; *local* ones call the getter and never wait for a peer. A request from
/// a peer only ever joins a local one, so two nodes whose rings differ cannot wait for each other; and both this node's callers and its peers
/// share the local one, so that a value is loaded once.
public final class Group<Value: Sendable>: Sendable {
    /// The group's name.
    public let name: String
    /// The settings.
    public let configuration: GroupConfiguration
    /// The capacity of this node's part of the group.
    public let capacity: ByteCount

    @usableFromInline let store: Store<Value>
    let flights: Flights
    let limit: LoadLimit
    /// Seeds the ids of the group's loads: see ``Trail``.
    let seed: UInt64
    let codec: any Codec<Value>
    let getter: any Getter<Value>
    let peers: (any PeerPicker)?
    /// `nil`: they do not tell each other of changes.
    let recording: (any RecordingPeers)?
    /// `nil`: nobody hears of this node's changes.
    let recorder: (any ChangeRecorder)?
    /// When what this node keeps of keys that have moved to others goes.
    let moves = NIOLockedValueBox(MovedKeys())
    /// Which copies are looked after.
    let audits = NIOLockedValueBox(CopyAudits())
    let counters = GroupCounters()
    let metrics: GroupMetrics
    /// The longest that a load takes; milliseconds.
    let loadTime: Int64
    /// What a request to a peer begins as.
    let blankRequest: PeerRequest
    /// There is none, here.
    @usableFromInline let absent: GroupCacheError
    /// `nil`: nobody traces, and no span is made.
    let tracer: (any Tracer)?
    let isTraced: Bool
    package let logger: Logger

    /// A group whose values are loaded by `getter` and turned into bytes by `codec`.
    ///
    /// - Parameters:
    ///   - name: 1 to 128 of the characters `A-Z a-z 0-9 - _ .`; the same on every node.
    ///   - capacity: How much memory this node's entries may take: keys, values and everything they cost beyond. At most 64 TiB;
    ///     at least what one entry takes in each shard (some hundred bytes), or zero: then nothing is kept.
    ///   - configuration: How values are kept.
    ///   - peers: The pool that knows the other nodes; `nil`: this node is alone. The group registers itself with it.
    ///   - logger: For what goes wrong in the background: a getter that fails, old values that are served, values of another schema, each at `warning`
    ///     and once in a while, without keys or values; peers that fail at `debug`. Default: that of `peers`, and silent without them.
    ///   - codec: Turns values into bytes.
    ///   - getter: Loads values.
    /// - Throws: ``GroupCacheError/Code/invalidConfiguration``, ``GroupCacheError/Code/duplicateGroup``.
    public convenience init(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        codec: some Codec<Value>,
        getter: some Getter<Value>
    ) throws(GroupCacheError) {
        try self.init(name, capacity, configuration, peers, logger, codec, getter)
    }

    init(
        _ name: String,
        _ capacity: ByteCount,
        _ configuration: GroupConfiguration,
        _ peers: (any PeerPicker)?,
        _ logger: Logger?,
        _ codec: any Codec<Value>,
        _ getter: any Getter<Value>,
        _ observers: Observers = Observers()
    ) throws(GroupCacheError) {
        if Value.self is any OptionalValue.Type { throw .optionalValues }
        try configuration.validate(name: name, capacity: capacity)
        var settings = StoreConfiguration(
            capacity: capacity.bytes,
            eviction: configuration.eviction,
            shardCount: configuration.shards,
            near: peers != nil,
            earlyRefreshBeta: configuration.freshness.earlyRefresh
        )
        settings.removals = configuration.observedRemovals
        let recording = peers as? any RecordingPeers
        settings.leases = recording?.leases
        let store = Store<Value>(settings, clock: configuration.clock)
        // A group that can keep nothing, though it was told to keep something, would be slow without a word.
        guard capacity.bytes == 0 || store.footprint(keyLength: 1, size: ValueSize(payload: 0)) <= store.shardPart else {
            throw GroupCacheError(
                .invalidConfiguration,
                "a capacity of \(capacity.bytes) bytes in \(store.shardCount) shards cannot hold one entry; zero means to keep nothing"
            )
        }
        self.name = name
        self.capacity = capacity
        self.configuration = configuration
        self.store = store
        self.flights = Flights(
            shards: store.shardCount,
            clock: configuration.clock,
            hasPeers: peers != nil,
            unwanted: configuration.unwantedLoads,
            tags: store.tags
        )
        self.limit = configuration.loads ?? LoadLimit()
        self.seed = XXH64.hash(Array(name.utf8).span)
        self.codec = codec
        self.getter = getter
        self.peers = peers
        self.recording = recording
        self.recorder = recording?.recorder
        self.loadTime = configuration.loadTimeout.milliseconds
        var request = PeerRequest(group: name, key: "", timeout: configuration.loadTimeout)
        request.schema = configuration.schema
        self.blankRequest = request
        self.absent = .notFound(in: name)
        self.metrics = GroupMetrics(group: name, factory: observers.metrics)
        self.isTraced = !(observers.tracer is NoOpTracer)
        self.tracer = self.isTraced ? observers.tracer : nil
        self.logger = logger ?? recording?.groupLogger ?? Logger(label: "groupcache", factory: { _ in SwiftLogNoOpLogHandler() })
        try peers?.register(GroupServer(self))
    }

    // MARK: Get

    /// The value of `key`: from this node's memory, from the peer that owns the key, or from the getter.
    ///
    /// - Throws: ``GroupCacheError``: `notFound`, `getterFailed` (with the getter's error as its cause, if it ran here), `deadlineExceeded`,
    ///   `cancelled` (only this caller goes; the load goes on while anybody else waits), `recursiveLoad`, `emptyKey`, `keyTooLong`,
    ///   `codecFailed`, `overloaded`.
    @inlinable
    public func get(_ key: String) async throws(GroupCacheError) -> Value {
        let (hash, found) = self.find(key)
        guard found.isHit else { return try await self.load(Key(key), hash) }
        if found.state != .fresh { self.refreshInBackground(Key(key), hash, found.state) }
        // "There is none" is a hit as well.
        guard let value = found.value else { throw self.absent }
        return value
    }

    /// The value of `key`, as ``get(_:)-(String)``.
    @inlinable
    public func get(_ key: Key) async throws(GroupCacheError) -> Value {
        let (hash, found) = self.find(key)
        guard found.isHit else { return try await self.load(key, hash) }
        if found.state != .fresh { self.refreshInBackground(key, hash, found.state) }
        // "There is none" is a hit as well.
        guard let value = found.value else { throw self.absent }
        return value
    }

    /// The value of `key`, as ``get(_:)-(String)``, but for what `options` say.
    public func get(_ key: Key, _ options: GetOptions) async throws(GroupCacheError) -> Value {
        if let timeout = options.timeout, timeout <= .zero { throw .deadlineExceeded }
        let hashed = self.hashed(key)
        // A hit counts and is a use of the entry; a value past its time is neither for who does not want it.
        if !options.reload, !options.allowStale, let value = self.withBytes(of: key, { self.store.fresh(hashed.hash, $0) }) { return value }
        let found = options.isStrict ? self.peek(hashed) : self.find(key).found
        return try self.value(of: try await self.answer(hashed, found, options))
    }

    /// The value of `key`, as ``get(_:_:)-(Key,_)``.
    public func get(_ key: String, _ options: GetOptions) async throws(GroupCacheError) -> Value {
        try await self.get(Key(key), options)
    }

    /// The value of `key` if this node holds a fresh one. Asks nobody.
    @inlinable
    public func cached(_ key: String) -> Value? {
        let store = self.store
        let found = key.utf8.withContiguousStorageIfAvailable { (bytes) -> Value? in
            let bytes = UnsafeRawBufferPointer(bytes)
            return store.fresh(store.hash(bytes), bytes)
        }
        return found ?? self.cached(Key(key))
    }

    /// The value of `key` if this node holds a fresh one. Asks nobody.
    @inlinable
    public func cached(_ key: Key) -> Value? {
        let store = self.store
        return key.bytes.withUnsafeBytes { store.fresh(store.hash($0), $0) }
    }

    /// Looks in the store. The key is hashed here, once.
    @inlinable
    func find(_ key: String) -> (hash: UInt64, found: Lookup<Value>) {
        let store = self.store
        let found = key.utf8.withContiguousStorageIfAvailable { (bytes) -> (hash: UInt64, found: Lookup<Value>) in
            let bytes = UnsafeRawBufferPointer(bytes)
            let hash = store.hash(bytes)
            return (hash, store.lookup(hash, bytes))
        }
        // Only a string bridged from Objective-C has no contiguous UTF-8.
        return found ?? self.find(Key(key))
    }

    /// Looks in the store. The key is hashed here, once.
    @inlinable
    func find(_ key: Key) -> (hash: UInt64, found: Lookup<Value>) {
        let store = self.store
        return key.bytes.withUnsafeBytes { bytes in
            let hash = store.hash(bytes)
            return (hash, store.lookup(hash, bytes))
        }
    }

    @usableFromInline
    func refreshInBackground(_ key: Key, _ hash: UInt64, _ state: EntryState) {
        self.refreshInBackground(HashedKey(key: key, hash: hash), state)
    }

    /// Ends a get that the look into the store did not. See the file on misses for what comes next.
    @usableFromInline
    func load(_ key: Key, _ hash: UInt64) async throws(GroupCacheError) -> Value {
        try self.value(of: try await self.miss(HashedKey(key: key, hash: hash), GetOptions()))
    }

    @usableFromInline
    func value(of outcome: Outcome) throws(GroupCacheError) -> Value { try self.value(of: try outcome.get()) }

    func value(of answer: Answer) throws(GroupCacheError) -> Value {
        guard let value = answer.value else { throw self.absent }
        return Self.typed(value)
    }

    /// A value that is a `Value`. Nearly always it is of just that type, and then no conformances need to be looked through.
    private static func typed<T: Sendable>(_ value: T) -> Value {
        T.self == Value.self ? _identityCast(value, to: Value.self) : self.cast(value)
    }

    @inline(never)
    private static func cast(_ value: any Sendable) -> Value {
        guard let value = value as? Value else { preconditionFailure("an answer of another group's type") }
        return value
    }
}

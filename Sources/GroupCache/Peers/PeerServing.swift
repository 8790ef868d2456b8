// SPDX-License-Identifier: Apache-2.0

/// A group as a pool sees it: values as bytes, keys from the wire. A ``Group`` hands one to its pool when it registers; pools call it.
public protocol PeerServing: AnyObject, Sendable {
    /// The group's name.
    var name: String { get }
    /// Settings and counters, for display.
    var summary: GroupSummary { get }
    /// Counters.
    var statistics: GroupStatistics { get }

    /// What the local cache can answer right now, without suspending: for event loops. Counts as a get (or a server request, when
    /// `requester` is a peer) only when it answers. A negative entry is an answer: its ``ServedEntry/value`` is `nil`.
    ///
    /// - Returns: `nil` when the value has to be loaded: go on with ``serve(_:for:)``.
    func serveCached(_ key: Span<UInt8>, for requester: Requester) -> ServedEntry?
    /// Gets the value: for a client as ``Group/get(_:)-(Key)`` does, for a peer from the cache or the getter only. One with
    /// ``PeerRequest/isPeek`` is answered with what this node has, or is loading just now.
    ///
    /// - Parameters:
    ///   - request: What is asked. Its timeout is how long the requester waits; `nil`: as long as the group lets a load run.
    ///   - requester: Who asks.
    /// - Throws: ``GroupCacheError``; ``GroupCacheError/Code/notHeld`` when there is nothing to peek at.
    func serve(_ request: PeerRequest, for requester: Requester) async throws(GroupCacheError) -> ServedEntry
    /// Gets values of many keys; each is answered as it arrives, in any order.
    func serve(
        _ keys: [Key],
        of request: PeerBatch,
        for requester: Requester,
        each: @escaping @Sendable (Key, Result<ServedEntry, GroupCacheError>) async -> Void
    ) async
    /// What this node has cached of a key that is another's now; `nil`, which is the default: nothing. Does not suspend, and counts nothing.
    func servePeek(_ key: Key) -> ServedEntry?
    /// Stores a value: for a client at its owner, for a peer here.
    func serveSet(_ key: Key, to entry: PeerEntry, for requester: Requester) async throws(GroupCacheError)
    /// Removes a value: for a client everywhere it is known to be, for a peer here.
    func serveRemove(_ key: Key, for requester: Requester) async throws(GroupCacheError)
    /// Stores a value, as ``serveSet(_:to:for:)``, if a condition holds. By default ``GroupCacheError/Code/unsupported`` for a condition.
    func serveSet(
        _ key: Key,
        to entry: PeerEntry,
        if condition: ChangeCondition?,
        for requester: Requester
    ) async throws(GroupCacheError) -> SetOutcome
    /// Removes a value, as ``serveRemove(_:for:)``, if a condition holds. By default ``GroupCacheError/Code/unsupported`` for a condition.
    func serveRemove(_ key: Key, if condition: ChangeCondition?, for requester: Requester) async throws(GroupCacheError)
    /// Removes a value for a peer, as ``serveRemove(_:if:for:)``; what is loaded of it within a time from now on is not kept. By default
    /// ``GroupCacheError/Code/unsupported`` for more than no time.
    func servePeerRemove(_ key: Key, if condition: ChangeCondition?, settle: Duration) async throws(GroupCacheError)
    /// Removes every value that has a tag, for a client: everywhere, as ``Group/remove(tag:soft:wait:)``. By default
    /// ``GroupCacheError/Code/unsupported``.
    func serveRemove(tag: String, soft: Bool, wait: ChangeWait) async throws(GroupCacheError)
    /// Removes every value of the group, for a client: everywhere, as ``Group/clear(wait:)``.
    func serveClear(wait: ChangeWait) async throws(GroupCacheError)
    /// The owners of keys have changed: what this node holds as the owner of keys that are another's now ends soon. O(entries).
    func peersChanged()
    /// Lets go what this node holds beyond its time, and tells swift-metrics what has happened: some of it at each call, of which a pool makes one a second. By
    /// default nothing is done.
    func sweep()
}

extension PeerServing {
    /// Nothing.
    public func servePeek(_ key: Key) -> ServedEntry? { nil }
    /// Nothing.
    public func sweep() {}

    /// Sets without a condition.
    public func serveSet(
        _ key: Key,
        to entry: PeerEntry,
        if condition: ChangeCondition?,
        for requester: Requester
    ) async throws(GroupCacheError) -> SetOutcome {
        guard condition == nil else { throw GroupCacheError(.unsupported, "the group cannot compare before it sets") }
        try await self.serveSet(key, to: entry, for: requester)
        return .unknown
    }

    /// Removes without a condition.
    public func serveRemove(_ key: Key, if condition: ChangeCondition?, for requester: Requester) async throws(GroupCacheError) {
        guard condition == nil else { throw GroupCacheError(.unsupported, "the group cannot compare before it removes") }
        try await self.serveRemove(key, for: requester)
    }

    /// Removes without a time to settle.
    public func servePeerRemove(_ key: Key, if condition: ChangeCondition?, settle: Duration) async throws(GroupCacheError) {
        guard settle == .zero else { throw GroupCacheError(.unsupported, "the group cannot let loads settle after it removes") }
        try await self.serveRemove(key, if: condition, for: .peer)
    }

    /// Has no tags.
    public func serveRemove(tag: String, soft: Bool, wait: ChangeWait) async throws(GroupCacheError) {
        throw GroupCacheError(.unsupported, "the group has no tags")
    }

    /// Gets the value.
    public func serve(
        _ key: Key,
        for requester: Requester,
        timeout: Duration?,
        reload: Bool = false
    ) async throws(GroupCacheError) -> ServedEntry {
        var request = PeerRequest(group: self.name, key: key, timeout: timeout)
        request.reload = reload
        return try await self.serve(request, for: requester)
    }
}

/// Who asks.
public enum Requester: Sendable {
    /// A person or a program over the public routes.
    case client
    /// Another node: the request is terminal.
    case peer
}

/// An answer of ``PeerServing``.
public struct ServedEntry: Sendable {
    /// Where the value came from.
    public enum Source: Sendable {
        /// From the entries of keys that this node owns.
        case main
        /// From this node's copy of another node's entry.
        case near
        /// An entry past its time, served while it is refreshed or because the refresh failed.
        case stale
        /// The getter of this node ran.
        case loaded
        /// A peer answered.
        case peer
    }

    /// The encoded value; `nil`: there is no such key.
    public var value: ByteView?
    /// Where it came from.
    public var source: Source
    /// Whether the caller shared a load that another had begun.
    public var collapsed: Bool
    /// Whether what was loaded for this is kept here now.
    public var isStored = false
    /// Whether a load was tried because what was held was past its time.
    public var wasStale = false
    /// ``age``, exactly. From 0 to 2^40.
    package var ageInMilliseconds: Int64
    /// How much longer the value is fresh; `nil`: without end. Negative when it is stale.
    public var ttl: Duration?
    /// Of a stale one: how much longer it may be served so.
    public var staleFor = Duration.zero
    /// How long the value was to be fresh when its ``age`` was none: what of it has passed and what is left; `nil`: without end, or not known.
    public var lifetime: Duration?
    /// Which of this node's values of the key it is; greater is newer. 0: not known.
    public var version: UInt64 = 0
    /// Whether this node owns the key, so that whoever follows it hears when the value is not that any more.
    package var isOwn = false
    /// Of a peek: this node has the value as the owner, and takes no change of the key as its owner any more without telling who comes after it.
    package var isHandedOver = false
    private var labels = EntryLabels()

    /// An answer.
    public init(value: ByteView?, source: Source, collapsed: Bool = false, age: Int = 0, ttl: Duration? = nil) {
        self.value = value
        self.source = source
        self.collapsed = collapsed
        self.ageInMilliseconds = Duration.seconds(age).milliseconds
        self.ttl = ttl
    }

    /// How old the value is, in whole seconds: how long ago it was stored or last confirmed, and how old it was then.
    public var age: Int {
        get { Int(self.ageInMilliseconds / 1_000) }
        set { self.ageInMilliseconds = Duration.seconds(newValue).milliseconds }
    }

    /// The name of the schema that the value is of; `nil`: the group names none. See ``PeerRequest/schema``.
    public var schema: String? {
        get { self.labels.schema }
        set { self.labels.schema = newValue }
    }

    /// What is said of the value beside its bytes.
    public var attributes: EntryAttributes {
        get { self.labels.attributes }
        set { self.labels.attributes = newValue }
    }
}

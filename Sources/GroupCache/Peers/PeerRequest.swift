// SPDX-License-Identifier: Apache-2.0

/// What is asked of a peer.
///
/// It is copied several times on its way, so what a group's requests share, and what few of them have, lies behind one reference.
public struct PeerRequest: Sendable {
    /// The key.
    public var key: Key
    /// As ``timeout``, in milliseconds; negative: none.
    package var milliseconds: Int64
    /// Load the value anew, even if a fresh one is cached.
    public var reload = false
    /// Whether a value past its time will do.
    public var allowStale = true
    /// Answer with what is cached, or is being loaded already, and call no getter: this node owns the key since a moment ago, and asks its
    /// former owner. A peer that has nothing says ``GroupCacheError/Code/notHeld``. With a ``timeout`` of zero no load is waited for.
    public var isPeek = false
    /// Another peer has been asked before, and has failed or is slow. A transport may hold such requests to a budget, so that
    /// a failing node does not double the load of the others.
    public var isRepeated = false
    private var context: RequestContext

    /// The longest ``schema``, in bytes. A longer one does not cross the wire.
    public static let schemaLimit = 128
    /// How many loads of a ``trail`` cross the wire.
    public static let trailLimit = 16

    /// A request about `key` of `group`.
    public init(group: String, key: Key, timeout: Duration? = nil) {
        self.key = key
        self.milliseconds = timeout?.milliseconds ?? -1
        self.context = RequestContext(group)
    }

    /// The request about one key of many.
    package init(_ key: Key, of batch: PeerBatch) {
        self.key = key
        self.milliseconds = batch.timeout?.milliseconds ?? -1
        self.allowStale = batch.allowStale
        self.context = batch.context
    }

    /// How long the answer is of use, kept to the millisecond; `nil`: as long as the pool allows. The rest of it crosses the wire.
    public var timeout: Duration? {
        get { self.milliseconds < 0 ? nil : .milliseconds(self.milliseconds) }
        set { self.milliseconds = newValue?.milliseconds ?? -1 }
    }

    /// The group's name.
    public var group: String {
        get { self.context.parts.group }
        set { self.context.parts.group = newValue }
    }

    /// The trace that the request belongs to, if somebody traces.
    public var trace: PeerTrace? {
        get { self.context.parts.trace }
        set { self.context.parts.trace = newValue }
    }

    /// The name of the schema of the group's values, at most ``schemaLimit`` bytes of UTF-8; `nil`: the group names none.
    public var schema: String? {
        get { self.context.parts.schema }
        set { self.context.parts.schema = newValue }
    }

    /// The loads in whose getters the request was made, the outermost first: numbers that are made of group and key in the same way on every node.
    /// A node that is asked to wait for one of these would wait for itself. Of more than ``trailLimit`` the last ones cross.
    public var trail: [UInt64] {
        get { self.context.parts.trail }
        set { self.context.parts.trail = newValue }
    }

    /// What a set or remove depends on at the peer. Written by whoever carries the request: see ``PeerGetter``.
    public var condition: ChangeCondition? {
        get { self.context.parts.condition }
        set { self.context.parts.condition = newValue }
    }

    /// Of a set or remove: when it is done, and for whom.
    package var terms: ChangeTerms {
        get { self.context.parts.terms }
        set { self.context.parts.terms = newValue }
    }

    /// By what the peer has told this node to fetch a value that it has loaded for it already; 0: by nothing.
    package var handover: UInt64 {
        get { self.context.parts.handover }
        set { self.context.parts.handover = newValue }
    }

    /// Whether it has neither a ``trace`` nor a ``schema`` nor a ``trail``, nor a number to fetch something by.
    package var isPlain: Bool { self.context.isPlain }
}

/// What is asked of a peer about many keys.
public struct PeerBatch: Sendable {
    /// How long the answers are of use; `nil`: as long as the pool allows.
    public var timeout: Duration?
    /// Answer with what is cached, at once; what is not there, or is only being loaded, is ``GroupCacheError/Code/notHeld``.
    public var isPeek = false
    /// Whether values past their time will do.
    public var allowStale = true
    fileprivate var context: RequestContext

    /// A request about keys of `group`.
    public init(group: String, timeout: Duration? = nil) {
        self.timeout = timeout
        self.context = RequestContext(group)
    }

    /// The group's name.
    public var group: String {
        get { self.context.parts.group }
        set { self.context.parts.group = newValue }
    }

    /// The trace that the request belongs to, if somebody traces.
    public var trace: PeerTrace? {
        get { self.context.parts.trace }
        set { self.context.parts.trace = newValue }
    }

    /// The name of the schema of the group's values: see ``PeerRequest/schema``.
    public var schema: String? {
        get { self.context.parts.schema }
        set { self.context.parts.schema = newValue }
    }

    /// The loads in whose getters the request was made: see ``PeerRequest/trail``.
    public var trail: [UInt64] {
        get { self.context.parts.trail }
        set { self.context.parts.trail = newValue }
    }
}

private struct RequestContext: Sendable {
    struct Parts {
        var group: String
        var trace: PeerTrace?
        var schema: String?
        var trail: [UInt64] = []
        var condition: ChangeCondition?
        var terms = ChangeTerms()
        var handover: UInt64 = 0
    }

    private final class Storage: Sendable {
        let parts: Parts
        let isPlain: Bool

        init(_ parts: Parts) {
            self.parts = parts
            self.isPlain = parts.trace == nil && parts.schema == nil && parts.trail.isEmpty && parts.handover == 0
        }
    }

    private var storage: Storage

    init(_ group: String) { self.storage = Storage(Parts(group: group)) }

    var isPlain: Bool { self.storage.isPlain }

    var parts: Parts {
        get { self.storage.parts }
        set { self.storage = Storage(newValue) }
    }
}

/// A value as it crosses the wire.
public struct PeerEntry: Sendable {
    /// The encoded value.
    public var value: ByteView
    /// How much longer it is fresh; `nil`: without end.
    public var ttl: Duration?
    /// Which of the owner's values of the key this is; greater is newer, on the same owner. 0: not known.
    public var version: UInt64 = 0
    /// Whose changes a copy of it is served by: the row of ``CopyLeases`` of the node that has answered, if that owns the key and is followed; 0: nobody's;
    /// -1: no copy is to be kept.
    package var stream = 0
    /// Of a peek: whoever owns the key now may take the value over for all of its time.
    package var isHandedOver = false
    /// Of the answer to a change that was to wait: everybody who follows has heard of it.
    package var isApplied = false
    /// ``age``. From 0 to 2^40.
    package var ageInMilliseconds: Int64 = 0
    private var labels = EntryLabels()

    /// An entry that is fresh for `ttl`.
    public init(value: ByteView, ttl: Duration? = nil, version: UInt64 = 0) {
        self.value = value
        self.ttl = ttl
        self.version = version
    }

    /// How old the value is at the moment of answering, kept to the millisecond: how long ago it was made or last confirmed, wherever that was. Not
    /// negative, and at most 34 years; of a set: zero.
    public var age: Duration {
        get { .milliseconds(self.ageInMilliseconds) }
        set { self.ageInMilliseconds = newValue.milliseconds }
    }

    /// The name of the schema that the value is of, at whoever encoded it; `nil`: none is named. See ``PeerRequest/schema``.
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

/// What few entries have, behind one reference.
struct EntryLabels: Sendable {
    private final class Storage: Sendable {
        let schema: String?
        let attributes: EntryAttributes

        init(_ schema: String?, _ attributes: EntryAttributes) {
            self.schema = schema
            self.attributes = attributes
        }
    }

    private var storage: Storage?

    private mutating func set(_ schema: String?, _ attributes: EntryAttributes) {
        self.storage = schema == nil && attributes.isNone ? nil : Storage(schema, attributes)
    }

    var schema: String? {
        get { self.storage?.schema }
        set { self.set(newValue, self.attributes) }
    }

    var attributes: EntryAttributes {
        get { self.storage?.attributes ?? .none }
        set { self.set(self.schema, newValue) }
    }
}

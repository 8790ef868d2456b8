// SPDX-License-Identifier: Apache-2.0

/// The counters of a group on this node, since it began; or, added up, on several. The first ten keep golang/groupcache's names and meanings.
///
/// `Codable` with the names of the properties. A counter that an encoded form does not have is zero, so that nodes of different versions can be added up.
public struct GroupStatistics: Sendable, Hashable, Codable {
    /// Any get, also from peers.
    public var gets = 0
    /// Gets that a main or near entry answered.
    public var cacheHits = 0
    /// Of ``cacheHits``, those that a near entry answered.
    public var hotHits = 0
    /// Gets that the cache did not answer: `gets - cacheHits`.
    public var loads = 0
    /// Loads that really ran, after callers of the same key were put together.
    public var loadsDeduped = 0
    /// Keys of which the getter gave a value, or said that there is none.
    public var localLoads = 0
    /// Keys that the getter failed to load.
    public var localLoadErrors = 0
    /// Answers from peers, remote loads or remote hits.
    public var peerLoads = 0
    /// Peers that failed to answer.
    public var peerErrors = 0
    /// Gets that came from peers.
    public var serverRequests = 0

    /// Calls of the getter, for one key or for many: what the origin was asked. (``loads`` counts the gets that missed, however many of them one call
    /// answers.)
    public var getterCalls = 0
    /// Of ``cacheHits``, those answered "there is none" by a negative entry.
    public var negativeHits = 0
    /// Gets answered by an entry past its time.
    public var staleHits = 0
    /// Refreshes that began in the background.
    public var refreshes = 0
    /// Getter calls answered "not modified".
    public var notModified = 0
    /// Loads whose result was not stored because a set, remove or clear came in between.
    public var supersededLoads = 0
    /// Of ``peerLoads``, values that the former owner of a key had, when the key had just become this node's.
    public var takeovers = 0
    /// Answers of other nodes that could not be decoded, or were of another schema, and were loaded here instead.
    public var schemaMismatches = 0
    /// Copies of other nodes' values that differed from what the owner had had for longer than copies may be served, of one in ten thousand
    /// ``hotHits`` that is looked after: of a promise that is kept there are none.
    public var staleNearHits = 0
    /// Values that could not be kept because they are larger than what the group, or its part for copies, may hold.
    public var valuesTooLarge = 0
    /// The size of the largest of ``valuesTooLarge``, with its key and all that it costs, in bytes.
    public var largestRefused = 0
    /// Loads and callers refused because too many were running or waiting.
    public var overloads = 0
    /// Loads that run now; of all groups that share the limit, so that a sum over groups counts them more than once.
    public var runningLoads = 0
    /// Loads that wait for their turn now; of all groups that share the limit.
    public var queuedLoads = 0
    /// Callers that wait for a load now.
    public var waiters = 0

    /// ``loads`` by what became of the entry that they might have found.
    public var misses = MissStatistics()
    /// Entries of this node's own keys.
    public var main = CacheStatistics()
    /// Copies of other nodes' entries.
    public var near = CacheStatistics()

    /// Nothing counted yet.
    public init() {}
}

/// Why gets were misses. What left long ago is forgotten: then it counts as ``absent``.
public struct MissStatistics: Sendable, Hashable, Codable {
    /// There was no entry, or it is not known any more why it left.
    public var absent = 0
    /// The entry's time was over.
    public var expired = 0
    /// It had left to make room.
    public var evicted = 0
    /// It, or one of its tags, had been removed.
    public var removed = 0
    /// The group had been cleared.
    public var cleared = 0
    /// It is another node's, and was not asked for often enough to be copied.
    public var notAdmitted = 0
    /// It is larger than what may be kept.
    public var tooLarge = 0
    /// It is a copy, and this node has not heard of its owner's changes of late.
    public var unconfirmed = 0

    /// Nothing counted yet.
    public init() {}

    static func path(_ reason: MissReason) -> WritableKeyPath<MissStatistics, Int> {
        switch reason {
        case .absent: \.absent
        case .expired: \.expired
        case .evicted: \.evicted
        case .removed: \.removed
        case .cleared: \.cleared
        case .notAdmitted: \.notAdmitted
        case .tooLarge: \.tooLarge
        case .unconfirmed: \.unconfirmed
        }
    }

    /// Each of them by its name.
    package static let counters: [(name: String, path: any WritableKeyPath<MissStatistics, Int> & Sendable)] = [
        ("absent", \.absent), ("expired", \.expired), ("evicted", \.evicted), ("removed", \.removed), ("cleared", \.cleared),
        ("notAdmitted", \.notAdmitted), ("tooLarge", \.tooLarge), ("unconfirmed", \.unconfirmed),
    ]
}

/// What one kind of entries takes, and what left it.
public struct CacheStatistics: Sendable, Hashable, Codable {
    /// Entries held.
    public var items = 0
    /// Key and value bytes held.
    public var bytes = 0
    /// Bytes that those entries cost beyond ``bytes``. The sum of both is bounded by the capacity.
    public var overheadBytes = 0
    /// Entries removed to make room.
    public var evictions = 0
    /// Entries removed because their time was over.
    public var expirations = 0
    /// Entries removed because one of their tags was, when they were found after that: see ``Group/remove(tag:soft:wait:)``.
    public var tagRemovals = 0

    /// Nothing held.
    public init() {}
}

/// The settings of a group, for display.
public struct GroupSummary: Sendable, Hashable {
    /// The group's name.
    public var name: String
    /// The capacity in bytes.
    public var capacity: Int
    /// The eviction policy's name: `lru` or `s3fifo`.
    public var eviction: String
    /// How long a value stays fresh by default; `nil`: without end.
    public var ttl: Duration?
    /// The most bytes that a value of raw bytes may have to be kept.
    public var largestValue = 0

    /// Settings.
    public init(name: String, capacity: Int, eviction: String, ttl: Duration?) {
        self.name = name
        self.capacity = capacity
        self.eviction = eviction
        self.ttl = ttl
    }
}

/// The counters of a group on this node, since it began. The first ten keep golang/groupcache's names and meanings.
public struct GroupStatistics: Sendable, Hashable {
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
    /// Getter calls that gave a value or said that there is none.
    public var localLoads = 0
    /// Getter calls that failed.
    public var localLoadErrors = 0
    /// Answers from peers, remote loads or remote hits.
    public var peerLoads = 0
    /// Peers that failed to answer.
    public var peerErrors = 0
    /// Gets that came from peers.
    public var serverRequests = 0

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
    /// Values that could not be kept because they are larger than what the group, or its part for copies, may hold.
    public var valuesTooLarge = 0
    /// The size of the largest of ``valuesTooLarge``, with its key and all that it costs, in bytes.
    public var largestRefused = 0
    /// Loads and callers refused because too many were running or waiting.
    public var overloads = 0
    /// Loads that run now; of all groups that share the limit.
    public var runningLoads = 0
    /// Loads that wait for their turn now; of all groups that share the limit.
    public var queuedLoads = 0
    /// Callers that wait for a load now.
    public var waiters = 0

    /// Entries of this node's own keys.
    public var main = CacheStatistics()
    /// Copies of other nodes' entries.
    public var near = CacheStatistics()

    /// Nothing counted yet.
    public init() {}
}

/// What one kind of entries takes, and what left it.
public struct CacheStatistics: Sendable, Hashable {
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

// SPDX-License-Identifier: Apache-2.0

/// How a ``Group`` keeps its values. Every setting has a default that suits a value without an age.
public struct GroupConfiguration: Sendable {
    /// Which entry leaves when the group is full. Default: ``EvictionPolicy/lru``.
    public var eviction: EvictionPolicy = .lru
    /// How long values are good, and what happens around the end of their time. Default: without end.
    public var freshness: Freshness
    /// How long a copy of another node's value is served, at the most, if this node does not hear what that one changes. Where it does, a copy lives as long as its
    /// owner's entry. Not negative; zero: no such copies are kept. Default: 10 s.
    public var nearTTL: Duration = .seconds(10)
    /// How long this node serves what it loaded, or was given by a peer, in the place of the key's owner, which cannot be reached or by another ring is
    /// this node. It hears of no change meanwhile: a longer time is staler, a shorter one asks the origin more often while a node is away. Not negative;
    /// zero: nothing is kept, and each get loads. Default: 10 s.
    public var standInTTL: Duration = .seconds(10)
    /// How long a load may take, the time that it waits for its turn included. More than zero; default: 30 s.
    public var loadTimeout: Duration = .seconds(30)
    /// How many loads may run and wait. `nil` (the default): a limit of its own for each group, 256 running and 4,096 waiting.
    public var loads: LoadLimit?
    /// How many callers may wait for loads, of the same key or of different ones; beyond it, gets that miss fail with
    /// ``GroupCacheError/Code/overloaded``. At least 1. A get of many keys is one caller. Default: 65,536.
    public var maximumWaiters = 65_536
    /// How many parts the store has, each with a lock of its own: a power of two, 1 to 1,024. `nil` (the default): as many as fit the
    /// capacity and the machine. With one, `.lru` is exact over the whole group. A large value may use the whole capacity.
    public var shards: Int?
    /// What becomes of a getter's call when the last one who waited for it has gone. Default: it goes on if it is half done.
    public var unwantedLoads: UnwantedLoads = .finishIfHalfDone
    /// The name of the form that the group's values have on the wire, 1 to 128 bytes of UTF-8; `nil` (the default): it has none. Nodes that run
    /// different versions of a program name different schemas: then a value of the other one counts as not to be had, without an attempt to decode it.
    public var schema: String?
    /// How many entries that have left this node are remembered until ``Group/takeRemovals()`` is called, 0 to 1,000,000; 0 (the default): none, which
    /// costs nothing.
    public var observedRemovals = 0
    /// Where the group reads the time. Default: the machine's clock.
    public var clock: CacheClock = .system

    /// The defaults, but for what is said here.
    public init(
        freshness: Freshness = Freshness(),
        eviction: EvictionPolicy = .lru,
        nearTTL: Duration = .seconds(10),
        standInTTL: Duration = .seconds(10),
        loadTimeout: Duration = .seconds(30),
        loads: LoadLimit? = nil,
        maximumWaiters: Int = 65_536,
        shards: Int? = nil,
        unwantedLoads: UnwantedLoads = .finishIfHalfDone,
        schema: String? = nil,
        observedRemovals: Int = 0,
        clock: CacheClock = .system
    ) {
        self.freshness = freshness
        self.eviction = eviction
        self.nearTTL = nearTTL
        self.standInTTL = standInTTL
        self.loadTimeout = loadTimeout
        self.loads = loads
        self.maximumWaiters = maximumWaiters
        self.shards = shards
        self.unwantedLoads = unwantedLoads
        self.schema = schema
        self.observedRemovals = observedRemovals
        self.clock = clock
    }

    func validate(name: String, capacity: ByteCount) throws(GroupCacheError) {
        func check(_ condition: Bool, _ message: String) throws(GroupCacheError) {
            if !condition { throw GroupCacheError(.invalidConfiguration, message) }
        }
        let allowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        try check((1...128).contains(name.utf8.count) && allowed, "a group's name is 1 to 128 of the characters A-Z a-z 0-9 - _ .")
        try check(name != "." && name != "..", "a group's name is not . or ..")
        try check(capacity.bytes >= 0 && capacity.bytes <= 1 << 46, "a group's capacity is at most 64 TiB, and not negative")
        try self.freshness.validate()
        try check(self.nearTTL >= .zero, "nearTTL is not negative")
        try check(self.standInTTL >= .zero, "standInTTL is not negative")
        try check(self.loadTimeout > .zero, "loadTimeout is more than zero")
        if let loads {
            try check((1...1_000_000).contains(loads.running), "loads: 1 to 1,000,000 may run")
            try check((0...1_000_000).contains(loads.queued), "loads: 0 to 1,000,000 may wait")
        }
        if let schema { try check((1...128).contains(schema.utf8.count), "a schema's name has 1 to 128 bytes") }
        try check((0...1_000_000).contains(self.observedRemovals), "observedRemovals is 0 to 1,000,000")
        try check(self.maximumWaiters >= 1, "maximumWaiters is at least 1")
        if let shards { try check((1...1024).contains(shards) && shards & (shards - 1) == 0, "shards is a power of two, 1 to 1,024") }
    }
}

// SPDX-License-Identifier: Apache-2.0

// Counters of several nodes, and their form outside of the process.
extension GroupStatistics {
    /// The counters of two nodes together. ``largestRefused`` is the larger one; everything else is added.
    public static func + (a: Self, b: Self) -> Self {
        var sum = a
        // Another node's numbers may be anything, so that the sums wrap rather than trap.
        for (_, path) in Self.counters { sum[keyPath: path] &+= b[keyPath: path] }
        sum.largestRefused = max(a.largestRefused, b.largestRefused)
        sum.misses = a.misses + b.misses
        for (_, path) in Self.caches { sum[keyPath: path] = a[keyPath: path] + b[keyPath: path] }
        return sum
    }

    /// Adds the counters of another node.
    public static func += (a: inout Self, b: Self) { a = a + b }

    /// Those that are added, each with the name that it has outside of the process, which is that of its property and of golang/groupcache.
    package static let counters: [(name: String, path: any WritableKeyPath<GroupStatistics, Int> & Sendable)] = [
        ("gets", \.gets), ("cacheHits", \.cacheHits), ("hotHits", \.hotHits), ("loads", \.loads), ("loadsDeduped", \.loadsDeduped),
        ("localLoads", \.localLoads), ("localLoadErrors", \.localLoadErrors), ("peerLoads", \.peerLoads), ("peerErrors", \.peerErrors),
        ("serverRequests", \.serverRequests), ("getterCalls", \.getterCalls), ("negativeHits", \.negativeHits),
        ("staleHits", \.staleHits), ("refreshes", \.refreshes), ("notModified", \.notModified), ("supersededLoads", \.supersededLoads),
        ("takeovers", \.takeovers), ("staleNearHits", \.staleNearHits), ("schemaMismatches", \.schemaMismatches),
        ("valuesTooLarge", \.valuesTooLarge),
        ("overloads", \.overloads), ("runningLoads", \.runningLoads), ("queuedLoads", \.queuedLoads), ("waiters", \.waiters),
    ]

    /// What is counted of each kind of entries, with its name.
    package static let caches: [(name: String, path: any WritableKeyPath<GroupStatistics, CacheStatistics> & Sendable)] = [
        ("main", \.main), ("near", \.near),
    ]

    /// Reads counters, of which those that are not there are zero.
    public init(from decoder: any Decoder) throws {
        self.init()
        let values = try decoder.container(keyedBy: CounterName.self)
        for (name, path) in Self.counters { self[keyPath: path] = try values.decodeIfPresent(Int.self, forKey: CounterName(name)) ?? 0 }
        self.largestRefused = try values.decodeIfPresent(Int.self, forKey: CounterName("largestRefused")) ?? 0
        self.misses = try values.decodeIfPresent(MissStatistics.self, forKey: CounterName("misses")) ?? MissStatistics()
        for (name, path) in Self.caches {
            self[keyPath: path] = try values.decodeIfPresent(CacheStatistics.self, forKey: CounterName(name)) ?? CacheStatistics()
        }
    }

    /// Writes all counters, under the names of their properties.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CounterName.self)
        for (name, path) in Self.counters { try values.encode(self[keyPath: path], forKey: CounterName(name)) }
        try values.encode(self.largestRefused, forKey: CounterName("largestRefused"))
        try values.encode(self.misses, forKey: CounterName("misses"))
        for (name, path) in Self.caches { try values.encode(self[keyPath: path], forKey: CounterName(name)) }
    }
}

extension CacheStatistics {
    /// All of them, each with its name.
    package static let counters: [(name: String, path: any WritableKeyPath<CacheStatistics, Int> & Sendable)] = [
        ("items", \.items), ("bytes", \.bytes), ("overheadBytes", \.overheadBytes), ("evictions", \.evictions),
        ("expirations", \.expirations), ("tagRemovals", \.tagRemovals),
    ]

    /// What both hold, and what left them.
    public static func + (a: Self, b: Self) -> Self {
        var sum = a
        for (_, path) in Self.counters { sum[keyPath: path] &+= b[keyPath: path] }
        return sum
    }

    /// Reads counters, of which those that are not there are zero.
    public init(from decoder: any Decoder) throws {
        self.init()
        let values = try decoder.container(keyedBy: CounterName.self)
        for (name, path) in Self.counters { self[keyPath: path] = try values.decodeIfPresent(Int.self, forKey: CounterName(name)) ?? 0 }
    }

    /// Writes all counters, under the names of their properties.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CounterName.self)
        for (name, path) in Self.counters { try values.encode(self[keyPath: path], forKey: CounterName(name)) }
    }
}

extension MissStatistics {
    /// What both have counted.
    public static func + (a: Self, b: Self) -> Self {
        var sum = a
        for (_, path) in Self.counters { sum[keyPath: path] &+= b[keyPath: path] }
        return sum
    }

    /// Reads counters, of which those that are not there are zero.
    public init(from decoder: any Decoder) throws {
        self.init()
        let values = try decoder.container(keyedBy: CounterName.self)
        for (name, path) in Self.counters { self[keyPath: path] = try values.decodeIfPresent(Int.self, forKey: CounterName(name)) ?? 0 }
    }

    /// Writes all counters, under the names of their properties.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CounterName.self)
        for (name, path) in Self.counters { try values.encode(self[keyPath: path], forKey: CounterName(name)) }
    }
}

/// The name of a counter.
private struct CounterName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) { self.stringValue = name }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

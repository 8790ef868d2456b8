// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The settings of a store.
@usableFromInline
package struct StoreConfiguration: Sendable {
    /// All memory of the entries, in bytes.
    package var capacity: Int
    /// Which of this node's own entries leaves a full shard.
    package var eviction: EvictionPolicy
    /// Into how many parts the store is divided, rounded up to a power of two, at most 1,024; `nil`: see ``defaultShardCount(capacity:)``. A
    /// large item may use the whole capacity, whatever the parts.
    package var shardCount: Int?
    /// Whether near entries are kept, in at most an eighth of the capacity.
    package var near: Bool
    /// XFetch's β: 1 is the paper's optimum, more refreshes earlier, 0 never.
    package var earlyRefreshBeta: Double
    /// How many entries that have left are remembered until somebody asks for them; 0: none.
    package var removals = 0
    /// What copies that live by a stream are served by; `nil`: there are none.
    package var leases: CopyLeases?

    /// Settings; only the capacity has no default.
    package init(
        capacity: Int,
        eviction: EvictionPolicy = .lru,
        shardCount: Int? = nil,
        near: Bool = true,
        earlyRefreshBeta: Double = 1
    ) {
        self.capacity = capacity
        self.eviction = eviction
        self.shardCount = shardCount
        self.near = near
        self.earlyRefreshBeta = earlyRefreshBeta
    }

    /// Four shards a core, so that two threads seldom meet, between 16 and 64; but none below 64 KiB, which keeps the loss of hits to sharding
    /// under 0.2 points.
    package static func defaultShardCount(capacity: Int) -> Int {
        let cores = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        let wanted = min(64, max(16, Self.powerOfTwo(atLeast: 4 * cores)))
        var count = 1
        while count < wanted, capacity / (count * 2) >= 64 << 10 { count *= 2 }
        return count
    }

    var resolvedShardCount: Int {
        guard let count = self.shardCount else { return Self.defaultShardCount(capacity: self.capacity) }
        return Self.powerOfTwo(atLeast: min(max(count, 1), 1024))
    }

    private static func powerOfTwo(atLeast count: Int) -> Int {
        1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
    }
}

/// Which entry leaves a full store.
public struct EvictionPolicy: Sendable, Hashable, CustomStringConvertible {
    @usableFromInline enum Base: String, Sendable { case lru, s3fifo }
    @usableFromInline let base: Base

    /// The least recently used entry (exact in each shard).
    public static let lru = Self(base: .lru)
    /// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): a hit only counts, and what is asked for
    /// once soon leaves again.
    public static let s3fifo = Self(base: .s3fifo)

    /// The policy called `name`: `lru` or `s3fifo`.
    public init?(_ name: String) {
        guard let base = Base(rawValue: name) else { return nil }
        self.base = base
    }

    init(base: Base) { self.base = base }

    /// The policy's name.
    public var description: String { self.base.rawValue }
}

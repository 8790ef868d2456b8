// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// What holds the memory.
struct Memory: Encodable {
    struct Part: Encodable {
        var entries: Int
        var bytes: Int
        var overheadBytes: Int

        init(_ cache: CacheStatistics) {
            self.entries = cache.items
            self.bytes = cache.bytes
            self.overheadBytes = cache.overheadBytes
        }
    }

    struct Shard: Encodable {
        var own: Part
        var copies: Part
        var evictions: Int
    }

    struct Group: Encodable {
        var name: String
        var capacity: Int
        var used: Int
        var own: Part
        var copies: Part
        var shards: [Shard]
    }

    var kind = "Memory"
    var capacity: Int
    var used: Int
    var residentBytes: Int?
    var groups: [Group]

    init(_ groups: [any PeerServing]) {
        self.groups = groups.map { group in
            let shards = (group as? any ExplainedGroup)?.shards ?? []
            var (own, copies) = (CacheStatistics(), CacheStatistics())
            for shard in shards { (own, copies) = (own + shard.main, copies + shard.near) }
            return Group(
                name: group.name,
                capacity: group.summary.capacity,
                used: own.bytes + own.overheadBytes + copies.bytes + copies.overheadBytes,
                own: Part(own),
                copies: Part(copies),
                shards: shards.map { Shard(own: Part($0.main), copies: Part($0.near), evictions: $0.main.evictions + $0.near.evictions) }
            )
        }
        self.capacity = self.groups.reduce(0) { $0 &+ $1.capacity }
        self.used = self.groups.reduce(0) { $0 &+ $1.used }
        self.residentBytes = ProcessNumbers.read()?.resident
    }
}

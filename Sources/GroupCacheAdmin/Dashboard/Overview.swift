// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP

/// All of a node at a moment: who the nodes are, and what each group has counted since it began.
package struct Overview: Codable, Sendable {
    package struct Node: Codable, Sendable {
        package var id: String
        package var url: String?
        package var weight: Int
        package var share: Double
        package var isSelf: Bool
        package var state: String
        package var stream: String?
        package var links: Int?
        package var undelivered: Int?
        package var p95Seconds: Double?
    }

    package struct Group: Codable, Sendable {
        package var name: String
        package var capacity: Int
        package var used: Int
        package var entries: Int
        package var copies: Int
        package var gets: Int
        package var hits: Int
        package var loads: Int
        package var getterCalls: Int
        package var getterErrors: Int
        package var peerLoads: Int
        package var peerErrors: Int
        package var evictions: Int
        package var runningLoads: Int
        package var waiters: Int
        package var misses: [String: Int]
        /// How many calls of the getter there were, and how long they took together; `nil`: nobody counts.
        package var loadCount: Int?
        package var loadSeconds: Double?
        /// How many gets that the cache did not answer took up to each of ``Overview/latencyBounds`` and, last, longer; `nil`: nobody counts.
        package var missTimes: [Int]?
    }

    package var kind = "Overview"
    package var id: String?
    package var dialect: String
    package var ring: String
    package var isDraining: Bool
    /// Whether a token was shown, and whether there are any.
    package var isTrusted: Bool
    package var changes: Int
    package var logEntries: Int
    package var followers: Int
    package var followed: Int
    package var ringDisagreements: Int
    /// In seconds: what the times of gets are told apart by.
    package var latencyBounds: [Double]
    package var nodes: [Node]
    package var groups: [Group]

    init(_ admin: Admin, isTrusted: Bool) {
        let report = admin.pool.report
        self.id = report.id
        self.dialect = report.dialect
        self.ring = report.ring
        self.isDraining = report.isDraining
        self.isTrusted = isTrusted
        self.changes = report.statistics.changes
        self.logEntries = report.logEntries
        self.followers = report.statistics.followers
        self.followed = report.statistics.followed
        self.ringDisagreements = report.statistics.lastingRingDisagreements
        self.latencyBounds = HistogramSeries.seconds
        self.nodes = report.nodes.map { node in
            Node(
                id: node.id,
                url: node.url,
                weight: node.weight,
                share: node.share,
                isSelf: node.isSelf,
                state: node.peer?.state ?? (report.isDraining ? "draining" : "up"),
                stream: node.peer?.stream,
                links: node.peer?.links,
                undelivered: node.peer?.undelivered,
                p95Seconds: node.peer.flatMap { $0.p95 > 0 ? $0.p95 : nil }
            )
        }
        self.groups = admin.pool.groups.map { group in
            let statistics = group.statistics
            let load = admin.metrics?.histogram("groupcache_load_seconds", [("group", group.name)])
            let miss = admin.metrics?.histogram("groupcache_miss_seconds", [("group", group.name)])
            return Group(
                name: group.name,
                capacity: group.summary.capacity,
                used: statistics.main.bytes + statistics.main.overheadBytes + statistics.near.bytes + statistics.near.overheadBytes,
                entries: statistics.main.items,
                copies: statistics.near.items,
                gets: statistics.gets,
                hits: statistics.cacheHits,
                loads: statistics.loads,
                getterCalls: statistics.localLoads + statistics.localLoadErrors,
                getterErrors: statistics.localLoadErrors,
                peerLoads: statistics.peerLoads,
                peerErrors: statistics.peerErrors,
                evictions: statistics.main.evictions + statistics.near.evictions,
                runningLoads: statistics.runningLoads,
                waiters: statistics.waiters,
                misses: Dictionary(uniqueKeysWithValues: MissStatistics.counters.map { ($0.name, statistics.misses[keyPath: $0.path]) }),
                loadCount: load?.counts.reduce(0, +),
                loadSeconds: load?.sum,
                missTimes: miss?.counts
            )
        }
    }
}

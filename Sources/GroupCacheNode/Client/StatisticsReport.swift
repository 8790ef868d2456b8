// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCacheHTTP

/// What `/v1/groups/…/stats` says, for people: ratios, rates and sizes instead of counters.
struct StatisticsReport: Decodable, Sendable {
    struct Cache: Decodable, Sendable {
        var items: Int
        var bytes: Int
        var overheadBytes: Int
        var evictions: Int
        var expirations: Int
    }

    var gets: Int
    var cacheHits: Int
    var hotHits: Int
    var loads: Int
    var localLoads: Int
    var localLoadErrors: Int
    var peerLoads: Int
    var peerErrors: Int
    var serverRequests: Int
    var runningLoads: Int?
    var waiters: Int?
    /// `nil`: a node of an older version.
    var misses: [String: Int]?
    var main: Cache
    var near: Cache

    /// Lines for people.
    ///
    /// - Parameters:
    ///   - before: the last report, for rates; `nil`: there is none, and counters since the beginning are told.
    ///   - seconds: how long ago that was.
    func lines(since before: StatisticsReport? = nil, seconds: Double = 0) -> [String] {
        // What has begun anew counts from zero.
        let before = before.flatMap { $0.gets <= self.gets && seconds > 0 ? $0 : nil }
        func count(_ path: KeyPath<StatisticsReport, Int>) -> String {
            guard let before else { return "\(self[keyPath: path])" }
            return Self.rate(Double(self[keyPath: path] - before[keyPath: path]) / seconds)
        }
        let (gets, hits) = before.map { (self.gets - $0.gets, self.cacheHits - $0.cacheHits) } ?? (self.gets, self.cacheHits)
        var lines = [
            "hit ratio  \(Self.percent(hits, of: gets))   gets \(count(\.gets)), hits \(count(\.cacheHits)) (copies \(count(\.hotHits)))",
            "loads      \(count(\.loads))   getter \(count(\.localLoads)), failed \(count(\.localLoadErrors)); peers \(count(\.peerLoads)), failed \(count(\.peerErrors))",
        ]
        let misses = (self.misses ?? [:]).filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        if !misses.isEmpty {
            lines.append(
                "misses     " + misses.map { "\($0.key) \($0.value) (\(Self.percent($0.value, of: self.loads)))" }.joined(separator: ", ")
            )
        }
        lines.append("served     \(count(\.serverRequests)) to peers")
        lines.append("memory     " + Self.cache("own", self.main) + "; " + Self.cache("copies", self.near))
        lines.append(
            "left       \(self.main.evictions + self.near.evictions) evicted, \(self.main.expirations + self.near.expirations) expired"
        )
        if let running = self.runningLoads, let waiters = self.waiters, running + waiters > 0 {
            lines.append("now        \(running) loads run, \(waiters) callers wait")
        }
        return lines
    }

    private static func cache(_ name: String, _ cache: Cache) -> String {
        "\(name) \(cache.items) entries, \(SizeText.text(cache.bytes + cache.overheadBytes))"
    }

    static func percent(_ part: Int, of whole: Int) -> String {
        whole == 0 ? "-" : String(format: "%.1f %%", 100 * Double(part) / Double(whole))
    }

    static func rate(_ perSecond: Double) -> String {
        perSecond >= 1_000 ? String(format: "%.1f k/s", perSecond / 1_000) : String(format: perSecond < 10 ? "%.1f/s" : "%.0f/s", perSecond)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import GroupCache
internal import GroupCacheAdmin
internal import GroupCacheHTTP
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// What being counted costs: a hit, and a scrape.
struct MetricsBenchmark {
    let rounds: Int
    let operations: Int
    let groups: Int

    private static let keyCount = 65_536

    private final class Ended: Sendable {
        let flag = Atomic(false)
    }

    /// Names and numbers: see `groupcache bench metrics --help`.
    func run() async throws -> [(String, Double)] {
        let keys = (0..<Self.keyCount).map(BenchKeys.key)
        let asked = BenchKeys.order(Self.keyCount, length: self.operations).map { keys[$0] }
        // Before anything collects metrics, and after: a group takes what it counts with when it is made.
        let plain = try await self.filled("plain", nil, keys)
        let metrics = PrometheusMetrics(limit: max(100_000, 200 * self.groups))
        MetricsSystem.bootstrap(metrics)
        var configuration = HTTPPool.Configuration()
        configuration.listen = nil
        let pool = try HTTPPool(configuration: configuration)
        let admin = try AdminServer(pool: pool, metrics: metrics)
        let counted = try await self.filled("counted", pool, keys)
        let alone = try await self.filled("alone", nil, keys)
        // Round by round in turn, so that whatever slows the machine down slows all of them.
        var times: (plain: [Double], counted: [Double]) = ([], [])
        for _ in 0..<self.rounds {
            times.plain.append(try await Self.nanoseconds(plain, asked))
            times.counted.append(try await Self.nanoseconds(alone, asked))
        }
        var others: [Group<ByteView>] = []
        for number in 1..<self.groups {
            let group = try self.group("group\(number)", pool)
            _ = try await group.get("a")
            _ = try await group.get("a")
            others.append(group)
        }
        var scrapes: [Double] = []
        var bytes = 0
        for _ in 0..<self.rounds {
            let start = ContinuousClock.now
            bytes = admin.exposition().readableBytes
            scrapes.append((ContinuousClock.now - start) / .milliseconds(1))
        }
        let quiet = try await Self.latency(counted, keys) { try await Task.sleep(for: .seconds(2)) }
        let scraped = try await Self.latency(counted, keys) {
            let end = ContinuousClock.now + .seconds(2)
            while ContinuousClock.now < end {
                // As often as a scraper comes to a hundred nodes of ours: much oftener than to one.
                _ = try await NIOThreadPool.singleton.runIfActive { admin.exposition().readableBytes }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
        return withExtendedLifetime(others) {
            [
                ("get_ns", Self.median(times.plain)), ("get_counted_ns", Self.median(times.counted)),
                ("get_counted_ratio", Self.median(zip(times.counted, times.plain).map { $0 / $1 })),
                ("exposition_ms", Self.median(scrapes)), ("exposition_bytes", Double(bytes)), ("get_p99_us", quiet),
                ("scraped_get_p99_us", scraped),
            ]
        }
    }

    private func group(_ name: String, _ pool: HTTPPool?) throws -> Group<ByteView> {
        let value = ByteView([UInt8](repeating: 7, count: 64))
        let capacity = ByteCount.mebibytes(name.hasPrefix("group") ? 1 : 64)
        return try Group(name, capacity: capacity, peers: pool, codec: RawCodec()) { _, _ in value }
    }

    private func filled(_ name: String, _ pool: HTTPPool?, _ keys: [String]) async throws -> Group<ByteView> {
        let group = try self.group(name, pool)
        for key in keys { _ = try await group.get(key) }
        return group
    }

    private static func nanoseconds(_ group: Group<ByteView>, _ asked: [String]) async throws -> Double {
        let start = ContinuousClock.now
        for key in asked { _ = try await group.get(key) }
        return (ContinuousClock.now - start) / .nanoseconds(1) / Double(asked.count)
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    /// The 99th percentile of hits, in microseconds, on a thread of their own while `body` runs.
    private static func latency(_ group: Group<ByteView>, _ keys: [String], _ body: () async throws -> Void) async throws -> Double {
        let ended = Ended()
        async let times = NIOThreadPool.singleton.runIfActive {
            var histogram = LatencyHistogram()
            var number = 1
            while !ended.flag.load(ordering: .acquiring) {
                number = (number &* 48_271 &+ 11) % keys.count
                let start = ContinuousClock.now
                _ = group.cached(keys[number])
                histogram.record(microseconds: (ContinuousClock.now - start) / .microseconds(1))
            }
            return histogram
        }
        defer { ended.flag.store(true, ordering: .releasing) }
        try await body()
        ended.flag.store(true, ordering: .releasing)
        return try await times.quantile(0.99)
    }
}

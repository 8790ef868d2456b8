// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCache
internal import GroupCacheAdmin
internal import GroupCacheHTTP
internal import NIOPosix
internal import Synchronization

/// What snapshots cost, and what they are good for.
struct SnapshotBenchmark {
    let folder: String
    let entries: Int
    let keys: Int

    private final class Ended: Sendable {
        let flag = Atomic(false)
    }

    /// Names and numbers: see `groupcache bench snapshot --help`.
    func run() async throws -> [(String, Double)] {
        try await self.snapshots() + self.restart()
    }

    private func pool() throws -> HTTPPool {
        var configuration = HTTPPool.Configuration()
        configuration.listen = nil
        return try HTTPPool(configuration: configuration)
    }

    private func group(_ pool: HTTPPool, latency: Duration = .zero) throws -> Group<ByteView> {
        let value = ByteView([UInt8](repeating: 7, count: 64))
        return try Group("bench", capacity: .bytes(max(self.entries, self.keys) * 512), peers: pool, codec: RawCodec()) { _, _ in
            if latency > .zero { try await Task.sleep(for: latency) }
            return value
        }
    }

    private func withVolume<R>(_ body: (Volume) async throws -> R) async throws -> R {
        let volume = try Volume(root: self.folder, kind: "groupcache-bench", name: "\(UInt64.random(in: 1 ... .max))")
        try volume.setUp()
        defer { try? volume.tearDown() }
        return try await body(volume)
    }

    private func snapshots(_ volume: Volume, _ pool: HTTPPool, values: Bool = false) -> Snapshots {
        var configuration = Snapshots.Configuration()
        configuration.values = values
        return Snapshots(volume: volume, pool: pool, configuration: configuration)
    }

    private func snapshots() async throws -> [(String, Double)] {
        try await self.withVolume { volume in
            let pool = try self.pool()
            let group = try self.group(pool)
            let value = ByteView([UInt8](repeating: 7, count: 64))
            for number in 0..<self.entries { try await group.set(Key(BenchKeys.key(number)), to: value) }
            // In turns, and the middle ones of them: what else runs on the machine comes and goes.
            var (quiet, paired, taken, keys) = (Rounds(), Rounds(), Rounds(), Rounds())
            for _ in 0..<Self.rounds {
                quiet.add(try await self.gets(group) { try await Task.sleep(for: .seconds(1)) })
                paired.add(try await self.gets(group) { _ = try await self.gets(group) { try await Task.sleep(for: .seconds(1)) } })
                keys.add(try await self.gets(group) { try await self.take(volume, pool, values: false) })
                taken.add(try await self.gets(group) { try await self.take(volume, pool, values: true) })
            }
            let other = try self.pool()
            let copy = try self.group(other)
            let restored = try await self.gets(group) {
                let count = try await self.snapshots(volume, other, values: true).restoreValues("bench")
                guard count == self.entries else { throw CommandError("only \(count) values were put back: the measurement is void") }
            }
            guard copy.cached(BenchKeys.key(0)) == nil else { throw CommandError("a suspect value was served") }
            return [
                ("snapshot_s", taken.seconds), ("restore_s", restored.seconds), ("keys_snapshot_s", keys.seconds),
                ("get_p99_us", quiet.p99), ("paired_get_p99_us", paired.p99),
                ("snapshot_get_p99_us", taken.p99), ("keys_snapshot_get_p99_us", keys.p99), ("restore_get_p99_us", restored.p99),
            ]
        }
    }

    private static let rounds = 5

    /// The middle of some measurements.
    private struct Rounds {
        private var all: [(seconds: Double, p99: Double)] = []

        mutating func add(_ one: (seconds: Double, p99: Double)) { self.all.append(one) }

        var seconds: Double { self.all.map(\.seconds).sorted()[self.all.count / 2] }
        var p99: Double { self.all.map(\.p99).sorted()[self.all.count / 2] }
    }

    private func take(_ volume: Volume, _ pool: HTTPPool, values: Bool) async throws {
        let taken = try await self.snapshots(volume, pool, values: values).take("bench")
        guard taken.entries == self.entries else {
            throw CommandError("the snapshot has \(taken.entries) entries: the measurement is void")
        }
    }

    /// Gets by one thread while `body` runs.
    private func gets(_ group: Group<ByteView>, _ body: @escaping () async throws -> Void) async throws -> (seconds: Double, p99: Double) {
        let ended = Ended()
        let entries = self.entries
        async let times = Self.gets(group, entries, ended)
        let start = ContinuousClock.now
        do { try await body() } catch {
            ended.flag.store(true, ordering: .releasing)
            throw error
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        ended.flag.store(true, ordering: .releasing)
        return (seconds, try await times.quantile(0.99))
    }

    /// On a thread of its own: it gives its turn to nobody, and on one of those that tasks run on it would keep the very clock from being waited for that ends
    /// it.
    private static func gets(_ group: Group<ByteView>, _ entries: Int, _ ended: Ended) async throws -> LatencyHistogram {
        try await NIOThreadPool.singleton.runIfActive {
            var histogram = LatencyHistogram()
            var number = 1
            while !ended.flag.load(ordering: .acquiring) {
                number = (number &* 48_271 &+ 11) % entries
                let key = BenchKeys.key(number)
                let start = ContinuousClock.now
                _ = group.cached(key)
                histogram.record(microseconds: (ContinuousClock.now - start) / .microseconds(1))
            }
            return histogram
        }
    }

    // MARK: A restart

    /// Draws numbers by Zipf's law.
    private struct Zipf {
        private var sums: [Double] = []
        private var random = SystemRandomNumberGenerator()

        init(_ count: Int, _ exponent: Double = 0.99) {
            var sum = 0.0
            for rank in 1...count {
                sum += 1 / pow(Double(rank), exponent)
                self.sums.append(sum)
            }
        }

        mutating func next() -> Int {
            let wanted = Double.random(in: 0..<(self.sums.last ?? 1), using: &self.random)
            var (low, high) = (0, self.sums.count - 1)
            while low < high {
                let middle = (low + high) / 2
                if self.sums[middle] < wanted { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    private func restart() async throws -> [(String, Double)] {
        try await self.withVolume { volume in
            var zipf = Zipf(self.keys)
            let pool = try self.pool()
            let group = try self.group(pool)
            // So many gets that most of the keys are there, in the order of their use.
            for _ in 0..<20 * self.keys { _ = try await group.get(BenchKeys.key(zipf.next())) }
            let before = try await self.ratio(group, &zipf, seconds: 1)
            _ = try await self.snapshots(volume, pool).take("bench")
            let warmPool = try self.pool()
            let warm = try self.group(warmPool, latency: .milliseconds(2))
            let snapshots = self.snapshots(volume, warmPool)
            let restoring = Task { try await snapshots.restore("bench") }
            let after = try await self.ratio(warm, &zipf, seconds: 10)
            restoring.cancel()
            _ = try? await restoring.value
            let cold = try self.group(try self.pool(), latency: .milliseconds(2))
            return [("warm_before", before), ("warm_after", after), ("cold_after", try await self.ratio(cold, &zipf, seconds: 10))]
        }
    }

    /// 2,000 gets a second; the hit ratio of the last second.
    private func ratio(_ group: Group<ByteView>, _ zipf: inout Zipf, seconds: Int) async throws -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        var hits = 0
        for turn in 0..<seconds * 100 {
            if turn == (seconds - 1) * 100 { hits = 0 }
            let wanted = (0..<20).map { _ in BenchKeys.key(zipf.next()) }
            await withTaskGroup(of: Void.self) { tasks in
                for key in wanted {
                    if group.cached(key) != nil { hits += 1 } else { tasks.addTask { _ = try? await group.get(key) } }
                }
            }
            try await clock.sleep(until: start + .milliseconds(10 * (turn + 1)))
        }
        return Double(hits) / 2_000
    }
}

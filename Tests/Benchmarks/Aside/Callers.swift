// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore

/// Those who ask one process of the application, one get after the other each.
struct Callers: Sendable {
    let scores: any Scores
    let index: Int
    let acknowledged: Acknowledged

    static let processes = 3
    static let keys = 10_000

    static func name(_ number: Int) -> String { "player-\(number)" }

    /// A score: its version, and dots up to 64 bytes.
    static func score(version: Int) -> String {
        let digits = String(version)
        return digits + String(repeating: ".", count: max(0, 64 - digits.count))
    }

    static func version(of score: String?) -> Int? { score.flatMap { Int($0.prefix { $0 != "." }) } }

    /// Asks for this process's part of the keys once, so that the cache holds them.
    func warm() async -> Result {
        await self.sum(64) { caller, result in
            for number in stride(from: caller * Self.processes + self.index, to: Self.keys, by: 64 * Self.processes) {
                _ = await self.ask(number, &result)
            }
            return (LatencyHistogram(), LatencyHistogram())
        }
    }

    /// Gets of all keys, some far more often than others (Zipf, 0.99).
    func mix(_ duration: Duration, callers: Int) async -> Result {
        let order = Zipf(count: Self.keys, seed: UInt64(self.index) + 1).order(1 << 16)
        return await self.until(duration, callers: callers) { turn, caller in order[(turn + caller * 9_973) % order.count] }
    }

    /// Gets of one key.
    func hot(_ duration: Duration, callers: Int) async -> Result {
        await self.until(duration, callers: callers) { _, _ in Self.keys / 2 }
    }

    /// Gets of a few keys that change: each process changes its part of them one after the other, fifty times a second at the most.
    func change(_ duration: Duration, callers: Int) async -> Result {
        let end = NIODeadline.now() + TimeAmount(duration)
        return await self.sum(callers + 1) { caller, result in
            var (gets, changes) = (LatencyHistogram(), LatencyHistogram())
            if caller == callers {
                await self.write(until: end, &changes, &result)
            } else {
                await self.read(until: end, &gets, &result) { turn in (turn * 7 + caller) % Acknowledged.keys }
            }
            return (gets, changes)
        }
    }

    private func until(_ duration: Duration, callers: Int, key: @escaping @Sendable (Int, Int) -> Int) async -> Result {
        let end = NIODeadline.now() + TimeAmount(duration)
        return await self.sum(callers) { caller, result in
            var gets = LatencyHistogram()
            await self.read(until: end, &gets, &result) { turn in key(turn, caller) }
            return (gets, LatencyHistogram())
        }
    }

    private func read(until end: NIODeadline, _ gets: inout LatencyHistogram, _ result: inout Result, key: (Int) -> Int) async {
        var turn = 0
        while NIODeadline.now() < end {
            gets.record(await self.ask(key(turn), &result))
            turn += 1
            // As between the requests of a server: one that finds all it asks for here must not keep its thread.
            await Task.yield()
        }
    }

    private func write(until end: NIODeadline, _ changes: inout LatencyHistogram, _ result: inout Result) async {
        var key = self.index
        while NIODeadline.now() < end {
            // This process alone changes the key.
            let version = self.acknowledged.version(key) + 1
            let start = NIODeadline.now()
            do {
                try await self.scores.change(Self.name(key), to: Self.score(version: version))
                try self.acknowledged.acknowledge(version, of: key)
                changes.record(.now() - start)
                result.changes += 1
            } catch {
                result.failed += 1
            }
            key = key + Self.processes < Acknowledged.keys ? key + Self.processes : self.index
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Asks once, and says how long it took.
    private func ask(_ number: Int, _ result: inout Result) async -> TimeAmount {
        let before = number < Acknowledged.keys ? self.acknowledged.version(number) : 0
        let start = NIODeadline.now()
        result.gets += 1
        do {
            let score = try await self.scores.score(of: Self.name(number))
            let took = NIODeadline.now() - start
            guard let version = Self.version(of: score) else {
                result.failed += 1
                return took
            }
            if version < before { result.stale += 1 }
            return took
        } catch {
            result.failed += 1
            return .now() - start
        }
    }

    /// Runs as many callers and adds up what they found.
    private func sum(
        _ callers: Int,
        _ body: @escaping @Sendable (Int, inout Result) async -> (LatencyHistogram, LatencyHistogram)
    ) async -> Result {
        await withTaskGroup(of: (Result, LatencyHistogram, LatencyHistogram).self) { tasks in
            for caller in 0..<callers {
                tasks.addTask {
                    var result = Result()
                    let (gets, changes) = await body(caller, &result)
                    return (result, gets, changes)
                }
            }
            var (all, gets, changes) = (Result(), LatencyHistogram(), LatencyHistogram())
            for await (result, some, others) in tasks {
                all.gets += result.gets
                all.failed += result.failed
                all.stale += result.stale
                all.changes += result.changes
                gets.add(some)
                changes.add(others)
            }
            (all.p50, all.p99, all.change) = (gets.quantile(0.5), gets.quantile(0.99), changes.quantile(0.5))
            return all
        }
    }
}

/// Numbers below `count` of which the first come far more often: Zipf's law with exponent 0.99, the same for the same seed.
struct Zipf {
    private var sums: [Double] = []
    private var state: UInt64

    init(count: Int, seed: UInt64) {
        self.state = seed
        var sum = 0.0
        for rank in 1...count {
            sum += 1 / pow(Double(rank), 0.99)
            self.sums.append(sum)
        }
    }

    func order(_ length: Int) -> [Int] {
        var generator = self
        return (0..<length).map { _ in generator.next() }
    }

    private mutating func next() -> Int {
        self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let wanted = Double(self.state >> 11) / Double(1 << 53) * (self.sums.last ?? 1)
        var (low, high) = (0, self.sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if self.sums[middle] < wanted { low = middle + 1 } else { high = middle }
        }
        // Not in the order of the names, so that the keys that change are no hotter than others.
        return (low * 7_919 + 16) % self.sums.count
    }
}

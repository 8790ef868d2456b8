// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

@Suite("Latency quantile and request budget")
struct BudgetAndLatencyTests {
    static let second: UInt64 = 1_000_000_000

    private func spend(_ budget: inout RequestBudget, _ now: UInt64) -> Bool { budget.spend(now) }

    @Test("the buckets tile the durations: each is within its bucket, and at most a quarter below its upper edge")
    func buckets() {
        var random = Dice(state: 7)
        for _ in 0..<10_000 {
            let duration = UInt64.random(in: 1_024..<(1 << UInt64.random(in: 11...35, using: &random)), using: &random)
            let bucket = LatencyQuantile.bucket(duration)
            let edge = LatencyQuantile.upperEdge(bucket)
            #expect(duration < edge)
            #expect(Double(edge) <= Double(duration) * 1.2501)
            #expect(LatencyQuantile.bucket(edge - 1) == bucket)
            #expect(LatencyQuantile.bucket(edge) == bucket + 1)
        }
        #expect(LatencyQuantile.bucket(0) == 0)
        #expect(LatencyQuantile.bucket(.max) == LatencyQuantile.bucket(1 << 40))
    }

    @Test("is within a quarter above the true 95th percentile", arguments: 0..<10 as Range<UInt64>)
    func accuracy(_ seed: UInt64) {
        var random = Dice(state: seed)
        var quantile = LatencyQuantile()
        #expect(quantile.value == 0)
        var all: [UInt64] = []
        for number in 0..<4_000 {
            let duration = UInt64.random(in: 2_000...UInt64.random(in: 3_000...50_000_000, using: &random), using: &random)
            all.append(duration)
            quantile.record(duration, UInt64(number))
        }
        all = Array(all.prefix(4_000)).sorted()
        let exact = Double(all[3_799])
        // It lags by up to 32 of 4,000 records.
        #expect(Double(quantile.value) >= exact * 0.95 && Double(quantile.value) <= exact * 1.32, "seed \(seed)")
    }

    @Test("follows from the first record, and forgets")
    func decay() {
        var quantile = LatencyQuantile()
        quantile.record(100_000_000, 0)
        #expect(quantile.value >= 100_000_000)
        for _ in 0..<1_000 { quantile.record(100_000_000, 1) }
        // Ten half-lives later, an eighth of the thousand is left, and is soon outvoted.
        for number in 0..<3_000 { quantile.record(10_000, 50 * Self.second + UInt64(number)) }
        #expect(quantile.value < 13_000)
        #expect(quantile.count <= 3_128)
        for _ in 0..<3_000 { quantile.record(1_000_000, 1_000 * Self.second) }
        #expect((1_000_000..<1_300_000).contains(quantile.value))
    }

    @Test("knows a peer that is asked once a minute")
    func seldom() {
        var quantile = LatencyQuantile()
        for minute in 0..<200 as Range<UInt64> { quantile.record(7_000_000, minute * 60 * Self.second) }
        #expect(quantile.count >= 64)
        #expect((7_000_000..<8_750_000).contains(quantile.value))
    }

    @Test("a clock that another thread read a little earlier does no harm")
    func unsortedTimes() {
        var quantile = LatencyQuantile()
        quantile.record(5_000, 10 * Self.second)
        quantile.record(5_000, 9 * Self.second)
        #expect(quantile.count == 2)
        var budget = RequestBudget(.hedges)
        #expect(self.spend(&budget, 10 * Self.second))
        #expect(self.spend(&budget, 9 * Self.second))
    }

    @Test("5 % of the requests, whatever the load, once the burst is spent")
    func fivePercent() {
        var budget = RequestBudget(.init(percent: 5, burst: 20, perSecond: 0))
        for _ in 0..<20 { #expect(self.spend(&budget, 0)) }
        #expect(!self.spend(&budget, 0))
        var granted = 0
        for _ in 0..<100_000 {
            budget.earn()
            if budget.spend(0) { granted += 1 }
        }
        #expect(granted == 5_000)
    }

    @Test("never more than the burst at once, however long it was quiet")
    func burst() {
        var budget = RequestBudget(.init(percent: 5, burst: 20, perSecond: 2))
        for _ in 0..<1_000_000 { budget.earn() }
        var granted = 0
        while budget.spend(0) { granted += 1 }
        #expect(granted == 20)
        #expect(budget.available == 0)
        for _ in 0..<2 { #expect(self.spend(&budget, Self.second)) }
        #expect(!self.spend(&budget, Self.second))
        granted = 0
        while budget.spend(.max) { granted += 1 }
        #expect(granted == 20)
    }
}

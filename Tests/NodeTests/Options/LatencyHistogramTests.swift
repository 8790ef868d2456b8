// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheNode

@Suite struct LatencyHistogramTests {
    @Test func quantilesAreWithinThreePercent() {
        var histogram = LatencyHistogram()
        for microseconds in 1...10_000 { histogram.record(microseconds: Double(microseconds)) }
        for (fraction, expected) in [(0.5, 5000.0), (0.9, 9000), (0.99, 9900)] {
            let quantile = histogram.quantile(fraction)
            #expect(quantile >= expected && quantile <= expected * 1.04, "\(fraction): \(quantile)")
        }
        #expect(histogram.quantile(1) == 10_000)
        #expect(histogram.count == 10_000)
    }

    @Test func extremesDoNotFall() {
        var histogram = LatencyHistogram()
        #expect(histogram.quantile(0.99) == 0)
        histogram.record(microseconds: 0)
        histogram.record(microseconds: 1e15)
        #expect(histogram.count == 2)
        #expect(histogram.quantile(1) == 1e15)
    }

    @Test func sumsAreTheSameAsOne() {
        var (all, even, odd) = (LatencyHistogram(), LatencyHistogram(), LatencyHistogram())
        for number in 1...1000 {
            all.record(microseconds: Double(number))
            if number % 2 == 0 { even.record(microseconds: Double(number)) } else { odd.record(microseconds: Double(number)) }
        }
        even.add(odd)
        #expect(even.count == all.count)
        #expect(even.quantile(0.5) == all.quantile(0.5) && even.quantile(0.99) == all.quantile(0.99))
    }
}

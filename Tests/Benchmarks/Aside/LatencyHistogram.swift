// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Counts of durations in buckets 1/32 of their size apart, so that quantiles cost no memory for each get.
struct LatencyHistogram: Sendable {
    private var counts = [Int](repeating: 0, count: 64 * 32)
    private var count = 0

    mutating func record(_ duration: TimeAmount) {
        let nanoseconds = UInt64(max(32, duration.nanoseconds))
        let octave = 63 - nanoseconds.leadingZeroBitCount
        self.counts[octave * 32 + Int(nanoseconds >> (octave - 5)) - 32] += 1
        self.count += 1
    }

    mutating func add(_ other: LatencyHistogram) {
        for (index, count) in other.counts.enumerated() { self.counts[index] += count }
        self.count += other.count
    }

    /// Microseconds that `fraction` of all do not exceed; 0: there were none.
    func quantile(_ fraction: Double) -> Double {
        let rank = Int((Double(self.count) * fraction).rounded(.up))
        var seen = 0
        for (index, count) in self.counts.enumerated() where count > 0 {
            seen += count
            if seen >= rank { return Double(UInt64(index % 32 + 33) << (index / 32 - 5)) / 1000 }
        }
        return 0
    }
}

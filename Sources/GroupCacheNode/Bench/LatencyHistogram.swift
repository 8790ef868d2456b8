// SPDX-License-Identifier: Apache-2.0

/// Counts of durations in buckets that are 1/32 of their size apart: quantiles within 3 %, in fixed memory.
struct LatencyHistogram: Sendable {
    private(set) var count = 0
    private var buckets = [Int](repeating: 0, count: 64 * Self.steps)
    private var largest = 0.0

    private static let steps = 32

    /// Adds a duration. What is under 0.1 µs counts as 0.1 µs.
    mutating func record(microseconds: Double) {
        self.count += 1
        self.largest = max(self.largest, microseconds)
        self.buckets[Self.bucket(of: microseconds)] += 1
    }

    /// Adds what another has counted.
    mutating func add(_ other: LatencyHistogram) {
        self.count += other.count
        self.largest = max(self.largest, other.largest)
        for index in self.buckets.indices { self.buckets[index] += other.buckets[index] }
    }

    /// The smallest duration in µs that `fraction` of all do not exceed, to the bucket; 0 when nothing was recorded.
    func quantile(_ fraction: Double) -> Double {
        guard self.count > 0 else { return 0 }
        if fraction >= 1 { return (self.largest * 10).rounded() / 10 }
        let rank = Int((Double(self.count) * fraction).rounded(.up))
        var seen = 0
        for (index, count) in self.buckets.enumerated() {
            seen += count
            if seen >= max(1, rank) { return (Self.upperBound(of: index) * 10).rounded() / 10 }
        }
        return self.largest
    }

    /// Bucket `octave * steps + step` ends at `0.1 µs * 2^octave * (1 + (step + 1) / steps)`.
    private static func bucket(of microseconds: Double) -> Int {
        let units = max(1, microseconds * 10)
        let octave = min(63, Int(units.exponent))
        return min(64 * self.steps - 1, octave * self.steps + Int((units.significand - 1) * Double(self.steps)))
    }

    private static func upperBound(of bucket: Int) -> Double {
        let octave = bucket / self.steps
        return Double(sign: .plus, exponent: octave, significand: 1 + Double(bucket % self.steps + 1) / Double(self.steps)) / 10
    }
}

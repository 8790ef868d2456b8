// SPDX-License-Identifier: Apache-2.0

/// A running quantile of durations: a histogram whose buckets grow by a quarter of a power of two, halved from time to time so that it
/// forgets. A value, O(1) to record, at most 25 % above the true quantile, from 1 µs to 68 s. Times are nanoseconds.
struct LatencyQuantile: Sendable {
    private static let buckets = 105
    /// Durations below this share the first bucket.
    private static let floorBits = 10
    /// Looking for the quantile takes longer than recording, so only some records do it.
    private static let refreshEvery = 32
    /// So few are not forgotten for their age alone.
    private static let enough = 128

    private let perMille: Int
    private let halfLife: UInt64
    private var counts = InlineArray<105, UInt32>(repeating: 0)
    private var total = 0
    private var untilRefresh = 1
    private var decayed: UInt64?
    private var cached: UInt64 = 0

    /// - Parameters:
    ///   - perMille: which quantile; 1...1000.
    ///   - halfLife: after how long what was recorded counts half.
    init(perMille: Int = 950, halfLife: UInt64 = 5_000_000_000) {
        self.perMille = perMille
        self.halfLife = max(1, halfLife)
    }

    /// How many durations are remembered.
    var count: Int { self.total }

    /// The quantile, of the upper edge of its bucket; 0 while nothing is recorded. It lags by up to 32 records.
    var value: UInt64 { self.cached }

    mutating func record(_ duration: UInt64, _ now: UInt64) {
        if let decayed = self.decayed {
            if now > decayed, now - decayed >= self.halfLife { self.decay(now, since: decayed) }
        } else {
            self.decayed = now
        }
        self.counts[Self.bucket(duration)] += 1
        self.total += 1
        // The counts must not overflow, whatever the clock says.
        if self.total >= 1 << 30 { self.halve() }
        self.untilRefresh -= 1
        if self.untilRefresh <= 0 { self.refresh() }
    }

    private mutating func decay(_ now: UInt64, since: UInt64) {
        var times = (now - since) / self.halfLife
        self.decayed = since + times * self.halfLife
        // A peer that is seldom asked would never be known if only time counted.
        while times > 0, self.total > Self.enough {
            self.halve()
            times -= 1
        }
    }

    private mutating func halve() {
        self.total = 0
        self.untilRefresh = 1
        for index in 0..<Self.buckets {
            self.counts[index] >>= 1
            self.total += Int(self.counts[index])
        }
    }

    private mutating func refresh() {
        // Few records move the quantile a lot: then look each time.
        self.untilRefresh = self.total < Self.refreshEvery ? 1 : Self.refreshEvery
        let rank = (self.total * self.perMille + 999) / 1000
        var seen = 0
        for index in 0..<Self.buckets {
            seen += Int(self.counts[index])
            if seen >= rank {
                self.cached = Self.upperEdge(index)
                return
            }
        }
    }

    /// Four buckets a power of two: the two bits after the leading one.
    static func bucket(_ duration: UInt64) -> Int {
        guard duration >= 1 << UInt64(self.floorBits) else { return 0 }
        let bits = 63 - duration.leadingZeroBitCount
        let quarter = Int(duration >> UInt64(bits - 2)) & 3
        return min(self.buckets - 1, 1 + (bits - self.floorBits) * 4 + quarter)
    }

    static func upperEdge(_ bucket: Int) -> UInt64 {
        guard bucket > 0 else { return 1 << UInt64(self.floorBits) }
        let bits = UInt64((bucket - 1) / 4 + self.floorBits)
        let quarter = UInt64((bucket - 1) % 4)
        return (1 << bits) + (quarter + 1) << (bits - 2)
    }
}

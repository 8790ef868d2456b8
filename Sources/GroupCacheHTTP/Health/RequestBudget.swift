// SPDX-License-Identifier: Apache-2.0

/// How many extra requests are allowed on top of the ordinary ones: a token bucket that ordinary requests fill. A value; integers only.
///
/// Extra requests that follow the load without bound make an overload worse; with a budget of 5 %, they make it worse by 5 %.
struct RequestBudget: Sendable {
    struct Settings: Sendable, Hashable {
        /// Extra requests for a hundred ordinary ones; 0...100.
        var percent: Int
        /// Extra requests at once, after a while without any.
        var burst: Int
        /// Extra requests in a second that are allowed without any ordinary ones, or a quiet peer would never get any.
        var perSecond: Int

        /// For asking a second node because the first one is slow.
        static let hedges = Settings(percent: 5, burst: 20, perSecond: 2)
        /// For asking a second node because the first one failed. The burst is what a node has under way to a peer when that dies.
        static let retries = Settings(percent: 10, burst: 512, perSecond: 20)
    }

    /// Tokens that one extra request costs.
    private static let cost: UInt64 = 1_000_000_000

    private let perRequest: UInt64
    private let perNanosecond: UInt64
    private let most: UInt64
    private var tokens: UInt64
    private var filled: UInt64?

    init(_ settings: Settings) {
        self.perRequest = UInt64(clamping: settings.percent) * Self.cost / 100
        self.perNanosecond = UInt64(clamping: settings.perSecond)
        self.most = UInt64(clamping: settings.burst) * Self.cost
        self.tokens = self.most
    }

    /// How many extra requests are allowed right now, but for what time has added since.
    var available: Int { Int(self.tokens / Self.cost) }

    /// An ordinary request was made.
    mutating func earn() {
        self.tokens = min(self.most, self.tokens + self.perRequest)
    }

    /// Asks for an extra one.
    mutating func spend(_ now: UInt64) -> Bool {
        self.trickle(now)
        guard self.tokens >= Self.cost else { return false }
        self.tokens -= Self.cost
        return true
    }

    private mutating func trickle(_ now: UInt64) {
        defer { self.filled = max(self.filled ?? now, now) }
        guard let filled, now > filled else { return }
        let (more, overflow) = (now - filled).multipliedReportingOverflow(by: self.perNanosecond)
        self.tokens =
            overflow ? self.most : min(self.most, self.tokens.addingReportingOverflow(more).overflow ? self.most : self.tokens + more)
    }
}

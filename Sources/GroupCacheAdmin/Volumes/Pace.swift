// SPDX-License-Identifier: Apache-2.0

/// Lets things happen at a bounded rate: a value, told the time. Up to a twentieth of a second's worth may happen at once.
struct Pace: Sendable {
    private let perSecond: Double
    private let burst: Double
    private var credit: Double
    private var last: Duration?

    /// - Parameter perSecond: at least 1.
    init(perSecond: Int) {
        self.perSecond = Double(max(1, perSecond))
        self.burst = max(1, self.perSecond / 20)
        self.credit = self.burst
    }

    /// Takes one turn. How long to wait before it is used; a clock that goes back lets nobody wait longer for it.
    mutating func take(now: Duration) -> Duration {
        if let last, now > last { self.credit = min(self.burst, self.credit + (now - last) / .seconds(1) * self.perSecond) }
        self.last = now
        self.credit -= 1
        return self.credit >= 0 ? .zero : .seconds(-self.credit / self.perSecond)
    }
}

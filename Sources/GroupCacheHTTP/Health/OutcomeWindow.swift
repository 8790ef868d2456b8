// SPDX-License-Identifier: Apache-2.0

/// Outcomes of the last moments, counted in two halves: the older half goes when the younger is full. So it remembers between half of its
/// length and all of it, for two additions an outcome.
struct OutcomeWindow: Sendable {
    private let half: UInt64
    private var began: UInt64 = 0
    private var young = (all: 0, failed: 0)
    private var old = (all: 0, failed: 0)

    /// - Parameter length: nanoseconds.
    init(length: UInt64) { self.half = max(1, length / 2) }

    mutating func add(failed: Bool, _ now: UInt64) {
        // A clock read by another thread may be a little behind.
        if now > self.began, now - self.began >= self.half {
            self.old = now - self.began < 2 * self.half ? self.young : (0, 0)
            self.young = (0, 0)
            self.began = now
        }
        self.young.all += 1
        if failed { self.young.failed += 1 }
    }

    var counts: (all: Int, failed: Int) { (self.young.all + self.old.all, self.young.failed + self.old.failed) }
}

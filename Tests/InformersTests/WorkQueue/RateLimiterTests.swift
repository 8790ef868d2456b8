// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Informers

@Suite("Rate limiters")
struct RateLimiterTests {
    /// The waits of a key that fails again and again.
    private func waits(_ limiter: RateLimiter, _ count: Int) -> [Duration] {
        var limiter = limiter
        return (0..<count).map { limiter.delay(failures: $0, now: .zero) }
    }

    @Test("each failure doubles the wait")
    func itemExponentialFailureRateLimiter() {
        let limiter = RateLimiter.exponential(from: .milliseconds(1), to: .seconds(1))
        #expect(self.waits(limiter, 5) == [1, 2, 4, 8, 16].map { .milliseconds($0) })
        #expect(self.waits(.exponential(), 2) == [.milliseconds(5), .milliseconds(10)])
        #expect(self.waits(.exponential(), 30).last == .seconds(1000))
    }

    @Test("a thousand failures are the longest wait, not an overflow")
    func itemExponentialFailureRateLimiterOverFlow() {
        let short = RateLimiter.exponential(from: .milliseconds(1), to: .seconds(1000))
        #expect(self.waits(short, 6).last == .milliseconds(32))
        #expect(self.waits(short, 1001).last == .seconds(1000))
        let long = RateLimiter.exponential(from: .seconds(60), to: .seconds(3_600_000))
        #expect(self.waits(long, 3).last == .seconds(240))
        #expect(self.waits(long, 1001).last == .seconds(3_600_000))
        #expect(self.waits(.exponential(from: .seconds(Int64.max), to: .seconds(Int64.max)), 200).last == .seconds(Int64.max))
        #expect(
            self.waits(.exponential(from: .nanoseconds(1), to: .seconds(Int64.max)), 65).last == .nanoseconds(1) * (1 << 32) * (1 << 32)
        )
    }

    @Test("the waits are exact up to the longest one, whatever both are")
    func itemExponentialFailureRateLimiterFloat64Boundary() {
        let bases = (0..<63).map { Int64(1) << $0 } + [1_000_000, 5_000_000, .max, .max - 1023]
        for base in bases {
            for maximum in [0, 1, 1_000_000_000_000, Int64.max] {
                let limiter = RateLimiter.exponential(from: .nanoseconds(base), to: .nanoseconds(maximum))
                let expected = (0..<65).map { attempt in
                    attempt < 64 && base <= maximum >> attempt ? Duration.nanoseconds(base << attempt) : .nanoseconds(maximum)
                }
                #expect(self.waits(limiter, 65) == expected, "\(base), \(maximum)")
            }
        }
        #expect(self.waits(.exponential(from: .seconds(-1), to: .seconds(1)), 3) == [.zero, .zero, .zero])
    }

    @Test("quick for the first failures, slow for more")
    func itemFastSlowRateLimiter() {
        let limiter = RateLimiter.steps(fast: .milliseconds(5), slow: .seconds(10), attempts: 3)
        #expect(self.waits(limiter, 5) == [.milliseconds(5), .milliseconds(5), .milliseconds(5), .seconds(10), .seconds(10)])
    }

    @Test("the longest of several")
    func maxOfRateLimiter() {
        let limiter = RateLimiter.maximum(
            of: .steps(fast: .milliseconds(5), slow: .seconds(3), attempts: 3),
            .exponential(from: .milliseconds(1), to: .seconds(1))
        )
        #expect(self.waits(limiter, 5) == [.milliseconds(5), .milliseconds(5), .milliseconds(5), .seconds(3), .seconds(3)])
        let other = RateLimiter.maximum(of: .steps(fast: .zero, slow: .zero, attempts: 0), .exponential(from: .seconds(1), to: .seconds(9)))
        #expect(self.waits(other, 3) == [.seconds(1), .seconds(2), .seconds(4)])
    }

    @Test("never longer than the cap")
    func withMaxWaitRateLimiter() {
        let limiter = RateLimiter.steps(fast: .milliseconds(5), slow: .seconds(1000), attempts: 100).capped(at: .seconds(500))
        let waits = self.waits(limiter, 200)
        #expect(waits.prefix(100).allSatisfy { $0 == .milliseconds(5) })
        #expect(waits.suffix(100).allSatisfy { $0 == .seconds(500) })
    }

    @Test("a bucket lets the first through at once, then so many a second, and fills while nothing comes")
    func bucket() {
        var limiter = RateLimiter.bucket(perSecond: 10, burst: 3).capped(at: .seconds(60))
        func next(at now: Duration) -> Duration { limiter.delay(failures: 0, now: now) }
        #expect((0..<5).map { _ in next(at: .seconds(5)) } == [.zero, .zero, .zero, .milliseconds(100), .milliseconds(200)])
        // Two tokens are owed, one more has come since.
        #expect(next(at: .milliseconds(5100)) == .milliseconds(200))
        #expect((0..<4).map { _ in next(at: .seconds(100)) } == [.zero, .zero, .zero, .milliseconds(100)])
    }

    @Test("the standard one: the key's own wait, and ten a second after a hundred")
    func standard() {
        var limiter = RateLimiter.standard
        let first = (0..<100).map { _ in limiter.delay(failures: 0, now: .zero) }
        #expect(first.allSatisfy { $0 == .milliseconds(5) })
        #expect(limiter.delay(failures: 0, now: .zero) == .milliseconds(100))
        #expect(limiter.delay(failures: 9, now: .zero) == .milliseconds(2560))
    }
}

// SPDX-License-Identifier: Apache-2.0

/// How long a key waits before it is tried again, by how often it has failed and by how much else is tried again: a value.
///
/// A ``WorkQueue`` counts the failures of each key; a limiter is the rule that makes a wait of them.
public struct RateLimiter: Sendable {
    private enum Kind: Sendable {
        case exponential(base: Duration, maximum: Duration)
        case steps(fast: Duration, slow: Duration, attempts: Int)
        case bucket(TokenBucket)
        case maximum([RateLimiter])
        case capped([RateLimiter], Duration)
    }

    private var kind: Kind

    /// What client-go's controllers use: ``exponential(from:to:)``, and no more than ten keys a second after the first hundred.
    public static var standard: RateLimiter { .maximum(of: .exponential(), .bucket(perSecond: 10, burst: 100)) }

    /// `base` after the first failure of a key, twice as long after each more, `maximum` at most. Negative durations count as zero.
    public static func exponential(from base: Duration = .milliseconds(5), to maximum: Duration = .seconds(1000)) -> RateLimiter {
        RateLimiter(kind: .exponential(base: max(base, .zero), maximum: max(maximum, .zero)))
    }

    /// `fast` after each of the first `attempts` failures of a key, `slow` after any more.
    public static func steps(fast: Duration, slow: Duration, attempts: Int) -> RateLimiter {
        RateLimiter(kind: .steps(fast: fast, slow: slow, attempts: attempts))
    }

    /// No wait for the first `burst` (at least 1) keys, whichever they are, then so long that no more than `rate` (above 0) a second are tried again.
    public static func bucket(perSecond rate: Double, burst: Int) -> RateLimiter {
        RateLimiter(kind: .bucket(TokenBucket(rate: rate, burst: burst)))
    }

    /// The longest wait of several limiters.
    public static func maximum(of limiters: RateLimiter...) -> RateLimiter { RateLimiter(kind: .maximum(limiters)) }

    /// The same waits, none of them longer than `maximum`.
    public func capped(at maximum: Duration) -> RateLimiter { RateLimiter(kind: .capped([self], maximum)) }

    /// The wait of a key that has failed before `failures` times, and now once more.
    mutating func delay(failures: Int, now: Duration) -> Duration {
        switch self.kind {
        case .exponential(let base, let maximum): return Self.double(base, times: failures, atMost: maximum)
        case .steps(let fast, let slow, let attempts): return failures < attempts ? fast : slow
        case .bucket(var bucket):
            defer { self.kind = .bucket(bucket) }
            return bucket.reserve(now: now)
        case .maximum(var limiters):
            defer { self.kind = .maximum(limiters) }
            return Self.longest(of: &limiters, failures, now)
        case .capped(var limiters, let maximum):
            defer { self.kind = .capped(limiters, maximum) }
            return min(Self.longest(of: &limiters, failures, now), maximum)
        }
    }

    /// All of them are asked, whichever is the longest: each of them counts.
    private static func longest(of limiters: inout [RateLimiter], _ failures: Int, _ now: Duration) -> Duration {
        var longest = Duration.zero
        for index in limiters.indices { longest = max(longest, limiters[index].delay(failures: failures, now: now)) }
        return longest
    }

    /// Doubling by adding, so that nothing is rounded and nothing overflows: it ends at the maximum after 127 turns at most.
    private static func double(_ base: Duration, times: Int, atMost maximum: Duration) -> Duration {
        if base == .zero { return .zero }
        if base >= maximum { return maximum }
        var delay = base
        for _ in 0..<times {
            if delay >= maximum - delay { return maximum }
            delay += delay
        }
        return delay
    }
}

/// A bucket of tokens that fills at a steady rate, kept as the moment at which it would be full: nothing has to be counted up while it rests.
private struct TokenBucket: Sendable {
    private let interval: Duration
    private let capacity: Duration
    private var fullAt = Duration.zero

    init(rate: Double, burst: Int) {
        // A rate of zero would be a wait for ever; what cannot be counted in a Duration is as good as that.
        self.interval = .seconds(1 / max(rate, 1e-9))
        self.capacity = self.interval * max(1, burst)
    }

    /// Takes a token that may have yet to come; returns how long until then.
    mutating func reserve(now: Duration) -> Duration {
        self.fullAt = max(self.fullAt, now) + self.interval
        return max(.zero, self.fullAt - now - self.capacity)
    }
}

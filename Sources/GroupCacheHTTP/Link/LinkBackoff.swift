internal import GroupCache

/// When to try again to reach a peer: at once, then after pauses that double up to a second and a half, with full jitter (Brooker, "Exponential
/// Backoff And Jitter", AWS Architecture Blog, 2015). A value.
struct LinkBackoff {
    private static let longest: Int64 = 1_500
    private var attempts = 0

    /// Milliseconds until the next attempt.
    mutating func next(using random: inout some RandomNumberGenerator) -> Int64 {
        defer { self.attempts += 1 }
        guard self.attempts > 0 else { return Int64.random(in: 1...10, using: &random) }
        let ceiling = min(Self.longest, 25 << Int64(min(self.attempts, 10)))
        return Int64.random(in: ceiling / 2...ceiling, using: &random)
    }

    mutating func reset() { self.attempts = 0 }
}

// SPDX-License-Identifier: Apache-2.0

/// The keys of one shard whose getter has failed of late, and how long it is not to be called for them again: a value, without locks or clocks.
///
/// An origin that is down would else be asked once for each get. The pause doubles from failure to failure, up to a limit, and varies at random,
/// so that nodes and keys that failed together do not come back together. Bounded: where there is no room for another key, one whose pause is
/// over goes, or else any.
struct FailureTable: Sendable {
    private struct Failure {
        var error: GroupCacheError
        /// Until when the getter is not called; milliseconds.
        var until: Int64
        /// How long the last pause was, without its variation; milliseconds.
        var pause: Int64
    }

    private var failures: [UInt64: Failure] = [:]
    /// How many keys are remembered at the most.
    private let capacity: Int

    init(capacity: Int = 256) { self.capacity = capacity }

    /// How many keys are remembered.
    var count: Int { self.failures.count }

    /// Why the getter is not to be called now; `nil`: it may be. The error says after what time it may.
    func error(of hash: UInt64, now: Int64) -> GroupCacheError? {
        guard !self.failures.isEmpty, let failure = self.failures[hash], now < failure.until else { return nil }
        var error = failure.error
        error.retryAfter = .milliseconds(failure.until - now)
        return error
    }

    /// The getter has failed.
    ///
    /// - Parameters:
    ///   - random: 0 to 1: which part of the variation, a quarter downwards, is taken.
    ///   - stated: How long the getter has said that it holds, in milliseconds: then it is that. Zero: the getter may be called again at once,
    ///     but if that fails, too, the pauses begin.
    mutating func note(
        _ error: GroupCacheError,
        of hash: UInt64,
        now: Int64,
        _ backOff: Freshness.BackOff,
        random: Double,
        stated: Int64? = nil
    ) {
        let (first, longest) = (backOff.first.milliseconds, backOff.longest.milliseconds)
        if self.failures[hash] == nil, self.failures.count >= self.capacity { self.makeRoom(now) }
        if let stated, stated > 0 {
            self.failures[hash] = Failure(error: error, until: now + min(stated, 1 << 40), pause: first)
            return
        }
        guard first > 0 else { return }
        // A key that has had peace for a while begins anew.
        let last = self.failures[hash].flatMap { now < $0.until + longest ? $0.pause : nil }
        if stated != nil, last == nil {
            self.failures[hash] = Failure(error: error, until: now, pause: 0)
            return
        }
        let pause = min(last.map { max(first, $0 * 2) } ?? first, max(first, longest))
        let varied = Int64(Double(pause) * (1 - 0.25 * random))
        self.failures[hash] = Failure(error: error, until: now + max(1, varied), pause: pause)
    }

    /// The key has been loaded, set or removed, or somebody asks for it to be loaded anew.
    mutating func forget(_ hash: UInt64) {
        if !self.failures.isEmpty { self.failures.removeValue(forKey: hash) }
    }

    mutating func forgetAll() { self.failures = [:] }

    private mutating func makeRoom(_ now: Int64) {
        let over = self.failures.first { $0.value.until <= now } ?? self.failures.first
        if let over { self.failures.removeValue(forKey: over.key) }
    }
}

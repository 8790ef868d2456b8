// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// Those who wait for something of a ``ChangeFeed``: a value. Whoever takes one out resumes it.
struct FeedWaiters {
    /// For what, beside the time.
    enum Reason: Hashable {
        /// That something is recorded.
        case change
        /// That every follower has applied a change.
        case acknowledgement(of: UInt64)
        /// That somebody follows who did not.
        case arrival
        /// For nothing else.
        case time
    }

    struct Waiter {
        let id: UInt64
        let continuation: CheckedContinuation<Void, Never>
        var timer: Scheduled<Void>?

        func resume() {
            self.timer?.cancel()
            self.continuation.resume()
        }
    }

    private var lastID: UInt64 = 0
    /// Of each waiter, where it is.
    private var reasons: [UInt64: Reason] = [:]
    private var changes: [UInt64: Waiter] = [:]
    private var arrivals: [UInt64: Waiter] = [:]
    private var times: [UInt64: Waiter] = [:]
    private var acknowledgements: [UInt64: (sequence: UInt64, waiter: Waiter)] = [:]
    /// No greater than the first change that anybody waits for: an acknowledgement of less costs no look at those who wait.
    private var first = UInt64.max

    var count: Int { self.reasons.count }
    /// How many wait until others have heard of a change.
    var changesCount: Int { self.acknowledgements.count + self.arrivals.count }

    mutating func nextID() -> UInt64 {
        self.lastID += 1
        return self.lastID
    }

    mutating func insert(_ waiter: Waiter, for reason: Reason) {
        self.reasons[waiter.id] = reason
        switch reason {
        case .change: self.changes[waiter.id] = waiter
        case .arrival: self.arrivals[waiter.id] = waiter
        case .time: self.times[waiter.id] = waiter
        case .acknowledgement(let sequence):
            self.acknowledgements[waiter.id] = (sequence, waiter)
            self.first = min(self.first, sequence)
        }
    }

    /// `false`: it waits no more.
    mutating func setTimer(_ timer: Scheduled<Void>, of id: UInt64) -> Bool {
        switch self.reasons[id] {
        case nil: return false
        case .change: self.changes[id]?.timer = timer
        case .arrival: self.arrivals[id]?.timer = timer
        case .time: self.times[id]?.timer = timer
        case .acknowledgement: self.acknowledgements[id]?.waiter.timer = timer
        }
        return true
    }

    mutating func take(_ id: UInt64) -> Waiter? {
        switch self.reasons.removeValue(forKey: id) {
        case nil: nil
        case .change: self.changes.removeValue(forKey: id)
        case .arrival: self.arrivals.removeValue(forKey: id)
        case .time: self.times.removeValue(forKey: id)
        case .acknowledgement: self.acknowledgements.removeValue(forKey: id)?.waiter
        }
    }

    /// All that wait for what is no certain change. O(those).
    mutating func takeAll(_ reason: Reason) -> [Waiter] {
        let waiters: [Waiter]
        switch reason {
        case .change:
            waiters = Array(self.changes.values)
            self.changes = [:]
        case .arrival:
            waiters = Array(self.arrivals.values)
            self.arrivals = [:]
        case .time, .acknowledgement: return []
        }
        for waiter in waiters { self.reasons[waiter.id] = nil }
        return waiters
    }

    /// Those whose changes every follower has applied. O(followers), and O(those who wait) when there may be one.
    mutating func take(appliedBy audience: Audience) -> [Waiter] {
        if self.acknowledgements.isEmpty { return [] }
        let applied = audience.applied
        guard applied >= self.first else { return [] }
        var done: [Waiter] = []
        var next = UInt64.max
        for (sequence, waiter) in self.acknowledgements.values {
            if applied >= sequence { done.append(waiter) } else { next = min(next, sequence) }
        }
        for waiter in done { _ = self.take(waiter.id) }
        self.first = next
        return done
    }

    mutating func takeAll() -> [Waiter] {
        let waiters = self.reasons.keys.sorted()
        return waiters.compactMap { self.take($0) }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// How many loads run, and which ones wait for their turn: a value, without locks, tasks or clocks.
///
/// The queue is first in, first out; whoever gives up leaves it at once. Every event is O(1) amortised.
struct LoadLimiter<Waiter: Sendable>: Sendable {
    private let runningLimit: Int
    private let queueLimit: Int
    private(set) var running = 0
    private var waiters: [UInt64: (waiter: Waiter, isPatient: Bool)] = [:]
    private var patient = 0
    /// In order of arrival, among them some that have left.
    private var order = CircularBuffer<UInt64>()

    init(running: Int, queued: Int) {
        self.runningLimit = running
        self.queueLimit = queued
    }

    /// How many wait; those that wait with another one as one are not counted.
    var queued: Int { self.waiters.count - self.patient }
    /// Memory that waiting takes, in ids: bounded by a multiple of ``queued``.
    var footprint: Int { self.order.count }

    enum Entry: Hashable {
        case run
        case queued
        case refused
    }

    /// Begins a load if there is room and nobody has waited for longer.
    mutating func tryEnter() -> Bool {
        guard self.running < self.runningLimit, self.waiters.isEmpty else { return false }
        self.running += 1
        return true
    }

    /// Begins a load, or makes it wait.
    ///
    /// - Parameter isPatient: One of many that wait as one: there is always room for it.
    mutating func enter(_ id: UInt64, _ waiter: Waiter, isPatient: Bool = false) -> Entry {
        if self.tryEnter() { return .run }
        guard isPatient || self.queued < self.queueLimit else { return .refused }
        self.waiters[id] = (waiter, isPatient)
        if isPatient { self.patient += 1 }
        self.order.append(id)
        return .queued
    }

    /// Takes out one that no longer wants to wait. `nil`: its turn has come before, or it never waited.
    mutating func leave(_ id: UInt64) -> Waiter? {
        guard let waiter = self.remove(id) else { return nil }
        // With an origin that is stuck, callers come and go and nothing is ever taken from the front.
        if self.order.count > 2 * self.waiters.count + 32 {
            let waiters = self.waiters
            self.order = CircularBuffer(self.order.lazy.filter { waiters[$0] != nil })
        }
        return waiter
    }

    /// Ends a load, or lends its place. Returns whose turn it is now: that load counts as running already.
    mutating func exit() -> Waiter? {
        self.running -= 1
        guard self.running < self.runningLimit else { return nil }
        while let id = self.order.popFirst() {
            guard let waiter = self.remove(id) else { continue }
            self.running += 1
            return waiter
        }
        return nil
    }

    private mutating func remove(_ id: UInt64) -> Waiter? {
        guard let (waiter, isPatient) = self.waiters.removeValue(forKey: id) else { return nil }
        if isPatient { self.patient -= 1 }
        return waiter
    }

    /// Goes on with a load that had lent its place, whether or not there is room: it holds what others may wait for.
    mutating func reenter() { self.running += 1 }
}

// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Counters of what is not a hit. Hits are counted in the shards, under the lock that they take anyway.
final class GroupCounters: Sendable {
    let loads = Atomic<Int>(0)
    let loadsDeduped = Atomic<Int>(0)
    /// Calls of the getter, of which one may be for many keys.
    let getterCalls = Atomic<Int>(0)
    let localLoads = Atomic<Int>(0)
    let localLoadErrors = Atomic<Int>(0)
    let peerLoads = Atomic<Int>(0)
    let peerErrors = Atomic<Int>(0)
    let serverRequests = Atomic<Int>(0)
    /// Gets of clients over the network that the store was asked for first.
    let clientLooks = Atomic<Int>(0)
    let staleIfErrorHits = Atomic<Int>(0)
    let refreshes = Atomic<Int>(0)
    let notModified = Atomic<Int>(0)
    let supersededLoads = Atomic<Int>(0)
    /// What metrics know of what the shards have counted.
    let exported = ExportedCounts()
    let takeovers = Atomic<Int>(0)
    let schemaMismatches = Atomic<Int>(0)
    let saidMismatch = Occasion()
    let staleNearHits = Atomic<Int>(0)
    let saidStaleNear = Occasion()
    let saidTooLarge = Occasion()
    let saidFailure = Occasion()
    let saidStale = Occasion()
    let overloads = Atomic<Int>(0)
    /// By reason.
    let misses = InlineArray<9, Atomic<Int>> { _ in Atomic(0) }
    /// Callers that wait for a load now.
    let waiting = Atomic<Int>(0)
}

/// Counts of the shards, as far as metrics know of them.
final class ExportedCounts: Sendable {
    let hits = Atomic<Int>(0)
    let staleHits = Atomic<Int>(0)
    let evictions = Atomic<Int>(0)
    let gets = Atomic<Int>(0)
}

extension Atomic where Value == Int {
    /// By how much `count` is more than what was known, which it is from now on. Of several callers each is told its part.
    func advance(to count: Int) -> Int {
        let (known, _) = self.max(count, ordering: .relaxed)
        return Swift.max(0, count - known)
    }

    func increment(by amount: Int = 1) {
        self.wrappingAdd(amount, ordering: .relaxed)
    }

    var value: Int { self.load(ordering: .relaxed) }
}

/// Something that is said again only after a while, however often it happens.
final class Occasion: Sendable {
    private let next = Atomic<Int64>(.min)

    /// Whether it is to be said now. Of several callers at the same moment one is told yes.
    func isDue(_ now: Int64, every pause: Int64) -> Bool {
        let due = self.next.load(ordering: .relaxed)
        guard now >= due else { return false }
        return self.next.compareExchange(expected: due, desired: now + pause, ordering: .relaxed).exchanged
    }
}

internal import Synchronization

/// Counters of what is not a hit. Hits are counted in the shards, under the lock that they take anyway.
final class GroupCounters: Sendable {
    let loads = Atomic<Int>(0)
    let loadsDeduped = Atomic<Int>(0)
    let localLoads = Atomic<Int>(0)
    let localLoadErrors = Atomic<Int>(0)
    let peerLoads = Atomic<Int>(0)
    let peerErrors = Atomic<Int>(0)
    let serverRequests = Atomic<Int>(0)
    let staleIfErrorHits = Atomic<Int>(0)
    let refreshes = Atomic<Int>(0)
    let notModified = Atomic<Int>(0)
    let supersededLoads = Atomic<Int>(0)
    /// Of the hits that the shards have counted, those that metrics know of.
    let exportedHits = Atomic<Int>(0)
    let takeovers = Atomic<Int>(0)
    let schemaMismatches = Atomic<Int>(0)
    let saidMismatch = Occasion()
    let saidTooLarge = Occasion()
    let overloads = Atomic<Int>(0)
    /// Callers that wait for a load now.
    let waiting = Atomic<Int>(0)
}

extension Atomic where Value == Int {
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

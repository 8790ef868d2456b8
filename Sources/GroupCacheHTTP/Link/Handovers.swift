// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// Values that were loaded for requests over links and are too large for one, until they are fetched by GET: what this node may not keep, or had no
/// room for, would have to be loaded a second time for that. So would one that is too large for its origin or its group, and is an error.
///
/// A value; its owner has the lock and the clock. Each is given out once, to whoever knows its number, which only the asker was told. What nobody fetches
/// goes when its time is over, so an asker that has left costs memory for some seconds, and all of them together no more than a limit.
struct Handovers {
    typealias Outcome = Result<ServedEntry, GroupCacheError>

    private struct Waiting {
        var outcome: Outcome
        var since: NIODeadline
        var size: Int { if case .success(let entry) = self.outcome { entry.value?.count ?? 0 } else { 0 } }
    }

    /// How long a value waits.
    static let patience = TimeAmount.seconds(5)
    /// How many wait at the most.
    static let countLimit = 1_024

    private let limit: Int
    private var waiting: [UInt64: Waiting] = [:]
    /// Of all values that wait.
    private(set) var bytes = 0

    /// - Parameter limit: how many bytes they may have together.
    init(limit: Int) { self.limit = limit }

    var count: Int { self.waiting.count }

    /// Keeps `outcome` for the GET that is to follow.
    ///
    /// - Parameter number: drawn at random for this one; not 0.
    /// - Returns: `false`: there is no room, and the GET has to do without.
    mutating func put(_ outcome: Outcome, as number: UInt64, now: NIODeadline) -> Bool {
        let one = Waiting(outcome: outcome, since: now)
        if !self.hasRoom(one.size) { self.expire(now) }
        guard number != 0, self.hasRoom(one.size), self.waiting[number] == nil else { return false }
        self.waiting[number] = one
        self.bytes += one.size
        return true
    }

    /// Gives out what has that number, a value older by as long as it has waited.
    mutating func take(_ number: UInt64, now: NIODeadline) -> Outcome? {
        guard let one = self.waiting.removeValue(forKey: number) else { return nil }
        self.bytes -= one.size
        // A clock read by another thread may be a little behind.
        let waited = max(.zero, now - one.since)
        guard waited < Self.patience else { return nil }
        guard case .success(var entry) = one.outcome else { return one.outcome }
        entry.ageInMilliseconds += waited.nanoseconds / 1_000_000
        entry.ttl = entry.ttl.map { $0 - .nanoseconds(waited.nanoseconds) }
        return .success(entry)
    }

    /// Lets go what nobody has fetched. O(``count``).
    mutating func expire(_ now: NIODeadline) {
        guard !self.waiting.isEmpty else { return }
        self.waiting = self.waiting.filter { now - $0.value.since < Self.patience }
        self.bytes = self.waiting.values.reduce(0) { $0 + $1.size }
    }

    private func hasRoom(_ size: Int) -> Bool { self.waiting.count < Self.countLimit && self.bytes + size <= self.limit }
}

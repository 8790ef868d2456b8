// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// How far a connection has come. It goes in one direction only.
enum Lifecycle: Int, Comparable {
    /// Everything is answered.
    case open
    /// What is running is finished, and nothing new is begun after it.
    case draining
    /// The last bytes are leaving; what still comes is thrown away.
    case closing
    /// Nothing is sent any more, and nobody is left to be told anything.
    case closed

    /// Goes on to `next`, unless it is as far already.
    ///
    /// - Returns: whether that is news.
    @discardableResult
    mutating func advance(to next: Self) -> Bool {
        guard self < next else { return false }
        self = next
        return true
    }

    static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }
}

/// The place that a connection takes among all that a pool may have. It counts itself, for as long as it exists, so that nobody can forget to.
struct ConnectionPermit: ~Copyable {
    private let core: PoolCore

    /// - Parameters:
    ///   - limit: how many there may be; beyond it there is none to be had, which is counted.
    ///   - isRefused: its client is only told that there are too many, which has been counted.
    init?(_ core: PoolCore, limit: Int, isRefused: Bool = false) {
        guard core.counters.connections.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
            core.counters.connections.wrappingSubtract(1, ordering: .relaxed)
            if !isRefused { core.counters.refusedConnections.wrappingAdd(1, ordering: .relaxed) }
            return nil
        }
        if !isRefused { core.counters.accepted.wrappingAdd(1, ordering: .relaxed) }
        self.core = core
    }

    deinit { self.core.counters.connections.wrappingSubtract(1, ordering: .relaxed) }
}

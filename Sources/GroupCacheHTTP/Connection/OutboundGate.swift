// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Whether the other side of a connection takes what it is sent, and what waits while it does not.
///
/// Reading is what somebody who does not read is slowed down with: a read that is asked for meanwhile is held back here, and asked for again
/// once there is room. A value: the handler tells it what the channel says, and does what it returns.
struct OutboundGate: Equatable {
    /// Since when the channel has no room; `nil`: it has.
    private(set) var stalledSince: NIODeadline?
    /// Bytes that were written since the channel last had room for all of them, which a slow reader is granted time for.
    private(set) var unsentBytes = 0
    /// Whether a read was asked for that has not been passed on.
    private(set) var holdsRead = false

    /// Whether there is room for more.
    var isOpen: Bool { self.stalledSince == nil }

    /// The channel has no room any more. The moment of the first time counts.
    mutating func stall(at now: NIODeadline) {
        if self.stalledSince == nil { self.stalledSince = now }
    }

    /// The channel has room, or it does not matter any more whether it has.
    mutating func open() {
        self.stalledSince = nil
        self.unsentBytes = 0
    }

    /// Bytes were handed to the channel, which may have said within that very write that it is full, or that there is room again.
    mutating func wrote(_ count: Int) {
        self.unsentBytes = self.isOpen ? 0 : self.unsentBytes + count
    }

    /// A read is asked for.
    ///
    /// - Parameter isWanted: whether what would come is wanted now.
    /// - Returns: whether to pass it on; otherwise ``releaseRead(isWanted:)`` says when.
    mutating func read(isWanted: Bool) -> Bool {
        if !isWanted { self.holdsRead = true }
        return isWanted
    }

    /// Whether a read that was held back is to be passed on now. Says so once.
    mutating func releaseRead(isWanted: Bool) -> Bool {
        guard self.holdsRead, isWanted else { return false }
        self.holdsRead = false
        return true
    }
}

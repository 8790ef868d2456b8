// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Which other versions of the ring peers have shown of late: a value; its clock is passed in.
///
/// Rings differ for a moment whenever a node comes or goes. If they go on to, keys have two owners, and somebody has to know.
struct RingWatch: Equatable {
    struct Other: Equatable {
        var version: UInt64
        var since: NIODeadline
        var last: NIODeadline
    }

    /// How long rings may differ before it is news.
    static let patience = TimeAmount.seconds(10)
    /// What has not been seen for so long is over.
    static let memory = TimeAmount.seconds(10)
    /// Between two words about it.
    static let pause = TimeAmount.seconds(60)
    /// More are not told apart: peers may show anything.
    static let maximumCount = 16

    private var others: [Other] = []
    private var own: UInt64 = 0
    private var said: NIODeadline?

    /// A peer has shown another version than ours.
    ///
    /// - Returns: for how long rings have differed, if that is to be said now.
    mutating func note(_ version: UInt64, own: UInt64, now: NIODeadline) -> TimeAmount? {
        self.forget(own: own, now)
        if let index = self.others.firstIndex(where: { $0.version == version }) {
            self.others[index].last = now
        } else if self.others.count < Self.maximumCount {
            self.others.append(Other(version: version, since: now, last: now))
        }
        guard let longest = self.others.map({ now - $0.since }).max(), longest >= Self.patience else { return nil }
        if let said, now < said + Self.pause { return nil }
        self.said = now
        return longest
    }

    /// Those that have differed for longer than ``patience``, and do so still.
    mutating func lasting(own: UInt64, now: NIODeadline) -> [Other] {
        self.forget(own: own, now)
        return self.others.filter { now - $0.since >= Self.patience }
    }

    /// With another ring of our own all begins anew.
    private mutating func forget(own: UInt64, _ now: NIODeadline) {
        if self.own != own { self.others = [] }
        self.own = own
        self.others.removeAll { $0.last + Self.memory < now }
    }
}

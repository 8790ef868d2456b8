/// Who follows this node's change log, and how long each of them may still serve what it has not heard of: a value. Times are milliseconds.
///
/// A follower serves copies until the moment that its last bookmark proves. A bookmark that does not tell of a change was written before the change; so a
/// follower that has not acknowledged it stops serving within the promise, counted from the change: also one that is gone, and whatever it hears later.
package struct Audience: Sendable {
    private struct Member: Sendable {
        var sent: UInt64
        var acknowledged: UInt64
        /// When its last bookmark was written.
        var stamped: Int64
        var isGone = false
    }

    private var members: [UInt64: Member] = [:]
    /// How long a bookmark lets a follower serve by its own clock, and by ours, which may run one in a thousand faster.
    private let longest: Int64
    /// Since when this node knows all that may follow it in its place.
    private var known: Int64

    /// Nobody. Whoever followed this node in an earlier life, or another one that had its keys, is not known.
    package init(promise: Int64, now: Int64) {
        self.longest = promise + (promise + 999) / 1000
        self.known = now
    }

    /// How many follow, or may still serve.
    package var count: Int { self.members.count }

    /// Somebody follows, or follows again.
    ///
    /// - Parameters:
    ///   - id: The life of the node that follows: its epoch.
    ///   - resumed: The place up to which it has applied everything, and from which it goes on. `nil`: it begins anew, and until it is known to have
    ///     heard that, it may serve what an earlier stream proved fresh.
    ///   - sequence: From where it is told.
    package mutating func opened(_ id: UInt64, resumed: UInt64?, from sequence: UInt64) {
        // No bookmark of this stream has been written; one of an earlier stream counts on.
        let stamped = self.members[id]?.stamped ?? .min
        self.members[id] = Member(sent: sequence, acknowledged: resumed ?? 0, stamped: stamped)
    }

    /// A follower is being told everything up to `sequence`.
    package mutating func sent(_ id: UInt64, upTo sequence: UInt64) {
        guard let member = self.members[id] else { return }
        self.members[id]?.sent = max(member.sent, sequence)
    }

    /// A bookmark is being written. To be called with the clock that was read before the end of the log was.
    package mutating func stamped(_ id: UInt64, now: Int64) {
        guard let member = self.members[id] else { return }
        self.members[id]?.stamped = max(member.stamped, now)
    }

    /// A follower has applied everything up to `sequence`. `false`: it says so of what it was not told, or is none.
    package mutating func acknowledged(_ id: UInt64, upTo sequence: UInt64) -> Bool {
        guard let member = self.members[id], !member.isGone, sequence <= member.sent else { return false }
        self.members[id]?.acknowledged = max(member.acknowledged, sequence)
        return true
    }

    /// A stream has ended.
    package mutating func closed(_ id: UInt64) { self.members[id]?.isGone = true }

    /// This node acts for keys since `now` whose followers it does not know.
    package mutating func tookOver(_ now: Int64) { self.known = max(self.known, now) }

    /// Who may still serve what was changed as `sequence` at the moment `changed`, and until when at the most; `nil`: nobody.
    package mutating func waiting(for sequence: UInt64, changed: Int64, now: Int64) -> (until: Int64, members: [UInt64])? {
        self.members = self.members.filter { !$0.value.isGone || now <= $0.value.stamped + self.longest }
        var until = self.known > changed - self.longest ? self.known + self.longest : .min
        var waited: [UInt64] = []
        for (id, member) in self.members where member.acknowledged < sequence {
            let end = min(member.stamped, changed) + self.longest
            if end < now { continue }
            waited.append(id)
            until = max(until, end)
        }
        return until < now ? nil : (until, waited.sorted())
    }
}

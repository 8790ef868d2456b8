// SPDX-License-Identifier: Apache-2.0

/// Who follows this node's change log, and how long others may still serve what was changed: a value. Times are milliseconds.
///
/// A follower serves copies until the moment that its last bookmark proves, and a bookmark that does not tell of a change was written before the change. A
/// node that cannot follow serves what it loaded in this node's place for as long after the load began. Neither, then, serves what was there before a
/// change for longer than the promise, counted from the change, if stand-ins keep nothing for longer than that. Only who has acknowledged the change is
/// done earlier; and nobody else is: not who follows and is merely told, not who is gone, and not who has not followed for long, for that one is just who
/// stands in.
package struct Audience: Sendable {
    private struct Member: Sendable {
        var sent: UInt64
        var acknowledged: UInt64
        /// When its stream ended; `nil`: it has not.
        var closed: Int64?
    }

    private var members: [UInt64: Member] = [:]
    /// How long anybody may serve on by its own clock, and by ours, which may run one in a thousand faster.
    private let longest: Int64
    /// Since when this node knows all that may follow it.
    private var known: Int64

    /// Nobody. Whoever followed this node in an earlier life, and is none of its peers by now, is not known.
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
    ///     heard that, it may serve what it had.
    ///   - sequence: From where it is told.
    package mutating func opened(_ id: UInt64, resumed: UInt64?, from sequence: UInt64) {
        self.members[id] = Member(sent: sequence, acknowledged: resumed ?? 0)
    }

    /// A follower is being told everything up to `sequence`.
    package mutating func sent(_ id: UInt64, upTo sequence: UInt64) {
        guard let member = self.members[id] else { return }
        self.members[id]?.sent = max(member.sent, sequence)
    }

    /// A follower has applied everything up to `sequence`. `false`: it says so of what it was not told, or is none.
    package mutating func acknowledged(_ id: UInt64, upTo sequence: UInt64) -> Bool {
        guard let member = self.members[id], member.closed == nil, sequence <= member.sent else { return false }
        self.members[id]?.acknowledged = max(member.acknowledged, sequence)
        return true
    }

    /// The last change that all of them have applied; the greatest number: there is nobody. O(followers).
    package var applied: UInt64 { self.members.values.reduce(.max) { min($0, $1.acknowledged) } }

    /// A stream has ended.
    package mutating func closed(_ id: UInt64, now: Int64) {
        guard let member = self.members[id], member.closed == nil else { return }
        self.members[id]?.closed = now
    }

    /// Forgets streams that ended so long ago that nobody can have anything of them. O(followers).
    package mutating func forget(_ now: Int64) {
        let longest = max(10 * self.longest, 600_000)
        self.members = self.members.filter { $0.value.closed.map { now <= $0 + longest } ?? true }
    }

    /// This node acts for keys since `now` whose followers it does not know.
    package mutating func tookOver(_ now: Int64) { self.known = max(self.known, now) }

    /// Who may still serve what was there before a change, and until when at the most; `nil`: nobody.
    ///
    /// - Parameters:
    ///   - sequence: The change.
    ///   - changed: When it was made.
    ///   - others: There are peers that do not follow now. They may stand in for this node.
    ///   - standIn: How long a node may keep what it has loaded in this one's place, if that is longer than the promise.
    package mutating func waiting(
        for sequence: UInt64,
        changed: Int64,
        now: Int64,
        others: Bool,
        atLeast standIn: Int64 = 0
    ) -> (until: Int64, members: [UInt64])? {
        let longest = max(self.longest, standIn + (standIn + 999) / 1000)
        self.members = self.members.filter { $0.value.closed.map { now <= $0 + longest } ?? true }
        let waited = self.members.filter { $0.value.acknowledged < sequence }.map(\.key).sorted()
        // Those whom this node does not know have heard nothing from it since then.
        let until = min(changed, waited.isEmpty && !others ? self.known : .max) + longest
        return until < now ? nil : (until, waited)
    }
}

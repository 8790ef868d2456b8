// SPDX-License-Identifier: Apache-2.0

/// Until when this node may act as the owner of its keys: a value. Moments are milliseconds of one clock that never goes back.
///
/// Who may act is a matter of moments and not of timers: a process that was stopped finds, when it goes on, that a moment has passed, while its timers have
/// still to fire. So whatever acts as an owner compares ``until`` with the clock, each time.
///
/// Three speak to it. A source of members that fences says that this node is a member until a moment, or that it is none. Peers say that they go by this
/// node's ring still: as long as all of them do, nobody has taken its place, whatever has become of the source. And the node says that it leaves, with all
/// that belongs to leaving.
package struct OwnerFence: Sendable, Hashable {
    /// What a source says of this node.
    package enum Word: Sendable, Hashable {
        /// It is no member: others may act for its keys.
        case out
        /// It is a member before a moment.
        ///
        /// - Parameter tenure: The same number as before: it has not ceased to be one since, however late the source says so. `nil`: the source cannot know, so
        ///   that what has lapsed has lapsed.
        case member(until: Int64, tenure: UInt64?)
        /// It leaves, and tells who comes after it of its changes: what it is now it stays to its end.
        case leaving
    }

    /// What has come of it.
    enum Step: Sendable, Hashable {
        /// Nothing that anybody has to know.
        case same
        /// The moment has changed.
        case renewed
        /// It acts again, or for the first time. What it has is from before others acted for its keys, and has to be confirmed.
        case returned
        /// It acts no more.
        case left
    }

    /// The moment from which this node acts as no owner; the largest: nobody fences it.
    private(set) var until = Int64.max
    /// The source's number of the time for which this node has been a member; `nil`: it has none, or is none.
    private var tenure: UInt64?
    /// Whether it is a member by the source's last word.
    private var isMember = true
    private var isLeaving = false
    /// For how long the source's word has held at the most.
    private var span: Int64 = 0

    /// Whether anybody fences this node.
    var isOn: Bool { self.until != .max }

    /// A source has spoken.
    mutating func heard(_ word: Word, now: Int64) -> Step {
        if self.isLeaving { return .same }
        switch word {
        case .out:
            let step: Step = self.isMember ? .left : .same
            (self.until, self.tenure, self.isMember) = (.min, nil, false)
            return step
        case .member(let until, let tenure):
            // A member who has lapsed without a word may have been out meanwhile: only a source that counts knows that it was not.
            let goesOn = self.isMember && self.isOn && tenure == self.tenure && (tenure != nil || now < self.until)
            defer { (self.tenure, self.isMember) = (tenure, true) }
            self.span = max(self.span, until > now ? until - now : 0)
            if goesOn {
                guard until > self.until else { return .same }
                self.until = until
                return .renewed
            }
            self.until = until
            return .returned
        case .leaving:
            guard self.isOn, self.isMember, now < self.until else { return .same }
            // Not the largest: that one has never been fenced.
            (self.until, self.isLeaving) = (.max - 1, true)
            return .renewed
        }
    }

    /// Whether the peers' word is of any use now: the source's is over soon, and nothing has lapsed yet.
    func asksPeers(_ now: Int64, within time: Int64) -> Bool {
        self.isOn && self.isMember && !self.isLeaving && now < self.until && self.until - now < time
    }

    /// All peers go by this node's ring, and will have told it before a moment if one of them does not any more.
    ///
    /// What has lapsed they cannot bring back: that their rings are as they were does not say that they have been so all the time. Nor does their word hold for
    /// longer than the source's: a node that stands still is gone for the others after that time.
    mutating func confirmed(until moment: Int64, now: Int64) -> Step {
        let moment = min(moment, now + self.span)
        guard self.isOn, self.isMember, !self.isLeaving, now < self.until, moment > self.until else { return .same }
        self.until = moment
        return .renewed
    }
}

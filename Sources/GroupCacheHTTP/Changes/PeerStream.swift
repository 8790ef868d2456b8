// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import Synchronization

/// What this node knows of another one's changes, and what that one has still to hear: one for each peer.
///
/// Locks: ``state`` is held for a look or a step, and never while a group is told something.
final class PeerStream: Sendable {
    /// Whether the peer can be followed, as far as is known.
    enum Ability: Sendable { case unknown, follows, refuses }

    private struct State {
        var follower: Follower
        var ability = Ability.unknown
        var outbox = Outbox()
        /// The peer was a member before, and may have missed something since.
        var former: Departed.Member?
        /// Something was changed while the peer could not be told at all.
        var hasMissed = false
        /// By which ring the peer went when it last said so, and until when it would have said that it does not any more; `nil`: that is not known.
        var confirmation: (ring: UInt64, until: Int64)?
        /// Since when its links are refused, in milliseconds; `nil`: they are not.
        var refusedSince: Int64?
        /// The peer is none of ours any more, or another stream is of it.
        var isOver = false
    }

    /// What becomes of a change that the peer is to hear of.
    enum Kept { case kept, refused, over }

    /// Of ``leases``; 0: there are none for this peer, and copies of its entries end with their time.
    let row: Int
    private let leases: CopyLeases?
    private let state: NIOLockedValueBox<State>
    /// Whether somebody follows the peer: once, however often the list of peers changes.
    private let isTaken = Atomic(false)
    /// Whether changes are being heard, so that copies can live by them.
    private let hears = Atomic(false)
    private let hasNews = Atomic(false)
    private let refuses = Atomic(false)
    /// By which ring the peer makes changes, as the last of its bookmarks has it; 0: that is not known.
    private let ring = Atomic<UInt64>(0)
    /// How far the peer's clock is ahead of the leases', at the least, in milliseconds; `.min`: nobody knows.
    private let clockAhead = Atomic(Int64.min)
    /// By how much the leases' clock may jump.
    private static let coarseness: Int64 = 10
    /// In which life this node is.
    let life: UInt64
    /// The greatest number of a set of the peer's keys that nobody waits for any more.
    private let givenUp = Atomic<UInt64>(0)

    init(_ leases: CopyLeases?, promise: Duration) {
        self.leases = leases
        self.row = leases?.take() ?? 0
        self.life = leases?.life ?? 0
        self.state = NIOLockedValueBox(State(follower: Follower(promise: Int64(promise.milliseconds))))
    }

    deinit { self.leases?.giveBack(self.row) }

    /// `false`: somebody follows the peer already.
    func take() -> Bool { !self.isTaken.exchange(true, ordering: .relaxed) }

    /// What a copy of an entry of the peer lives by: the row of its leases; 0: its time, for nobody follows here, or the peer cannot be followed; -1: there is to
    /// be none. The peer's changes are not heard just now, and when they are, nobody knows what was missed; or others' are: it does not own the key.
    func copyRow(isOwn: Bool) -> Int {
        if self.hears.load(ordering: .acquiring) { return isOwn ? self.row : -1 }
        return self.isTaken.load(ordering: .relaxed) && !self.refuses.load(ordering: .relaxed) ? -1 : 0
    }

    /// Whether it is none of ours any more, or another stream is of it.
    var isOver: Bool { self.state.withLockedValue { $0.isOver } }

    /// Whether its changes are heard.
    var isHeard: Bool { self.hears.load(ordering: .acquiring) }

    /// Whether the peer says by which ring it goes: one of an earlier version does not.
    var namesRings: Bool { self.isHeard && self.ring.load(ordering: .acquiring) != 0 }

    /// Whether the peer may still change something by another ring than this one, and we hear of that, or of what it has changed by another, later. Of one
    /// that cannot be followed, has left the list or does not say by which ring it goes nothing can be waited for.
    func mayChange(otherThan ring: UInt64) -> Bool {
        if self.ability == .refuses || self.isOver { return false }
        if self.owesNews || !self.isHeard { return true }
        let last = self.ring.load(ordering: .acquiring)
        return last != 0 && last != ring
    }

    /// In which life of the peer its changes are being heard.
    var epoch: UInt64? { self.state.withLockedValue { $0.follower.position?.epoch } }

    /// The peer was a member before. What was changed since then, others were told; until it is known in which life it comes back, nothing is asked of it.
    func wasMember(_ former: Departed.Member, hasMissed: Bool) {
        self.gaveUp(former.givenUp)
        guard hasMissed else { return }
        self.state.withLockedValue { state in
            state.former = former
            self.noteNews(state)
        }
    }

    /// The peer is no member any more, or is reached in another way.
    ///
    /// - Returns: What is to be known of it when it comes back, but for the number of changes; `nil`: nothing. And what it has still to hear, for others to
    ///   whom its keys may have gone.
    func end() -> (Departed.Member?, unheard: [Change]) {
        let last = self.state.withLockedValue { state -> (Departed.Member?, [Change]) in
            state.isOver = true
            self.hears.store(false, ordering: .releasing)
            let former = state.former
            let owes = !state.outbox.isEmpty || state.hasMissed || former != nil
            let epoch = state.follower.position?.epoch ?? former?.epoch
            let givenUp = self.givenUp.load(ordering: .acquiring)
            guard owes || epoch != nil || givenUp > 0 else { return (nil, []) }
            // As long as it can be asked for what it had, it is known that this is old.
            return (Departed.Member(epoch: epoch, changes: 0, isOwed: owes, givenUp: givenUp), state.outbox.leave())
        }
        // What was copied from it is another node's to change by now.
        self.leases?.lose(self.row)
        return last
    }

    /// Under the lock of the state.
    private func noteNews(_ state: State) {
        self.hasNews.store(state.ability != .refuses && (!state.outbox.isEmpty || state.former != nil), ordering: .releasing)
    }

    var ability: Ability { self.state.withLockedValue { $0.ability } }

    // MARK: Following

    /// The peer is being asked.
    ///
    /// - Parameter now: by the clock of the leases, read before.
    func ask(_ now: Int64) -> StreamPosition? {
        self.state.withLockedValue { state in
            guard state.follower.isOpen else { return state.follower.ask(now) }
            state.follower.goOn(now)
            return state.follower.position
        }
    }

    /// The peer has answered.
    ///
    /// - Parameters:
    ///   - asked: When it was asked.
    ///   - begins: Whatever of the peer's keys is being loaded may be from before the place at which the stream begins.
    ///   - spread: What has been changed of late that concerns everybody.
    ///   - hear: Applies a change.
    /// - Throws: for an answer that cannot be. Then nothing is known of what it has changed.
    func answered(
        _ list: ChangeList,
        asked: Int64,
        begins: () -> Void = {},
        spread: () -> [Change] = { [] },
        hear: (Change) -> Void
    ) throws(Follower.Fault) {
        guard let leases, self.row != 0 else { return }
        // However long the answer was on its way: it left before now.
        let ahead = list.clock == 0 ? .min : Int64(clamping: list.clock) - leases.clock.milliseconds - Self.coarseness
        self.clockAhead.store(ahead, ordering: .releasing)
        do throws(Follower.Fault) {
            guard let start = list.start else { throw .notOpen }
            let isNew = try self.begin(start, list, asked)
            if isNew {
                // Whoever comes back as the one who had gone has not heard what was changed meanwhile; and what it was owed when it went it has not heard in
                // whatever life it was by then. Another one may have been a member for others before it was one here.
                let spread = self.state.withLockedValue { $0.former != nil } ? spread() : []
                self.state.withLockedValue { state in
                    if let former = state.former.take() {
                        let hasMissed = former.isOwed || former.epoch ?? start.epoch == start.epoch
                        for change in hasMissed ? [.everything] : spread { state.outbox.put(change) }
                    }
                    self.noteNews(state)
                }
                // The copies that there are first; those that are asked for from now on are made after the place at which the stream begins.
                leases.lose(self.row)
                // And what was loaded in the peer's place: the next question says that everything up to there has been applied. In a life in which nothing
                // has changed yet that is nothing; and who changed something in the one before was told by nobody that we had applied it, and waited.
                if start.sequence > 0 {
                    leases.suspectUnheard()
                    begins()
                }
                self.state.withLockedValue { if !$0.isOver { self.hears.store(true, ordering: .releasing) } }
            }
            // Each is dropped before a bookmark says that it was heard.
            for change in list.distinct { hear(change) }
            guard let elapsed = list.elapsed else { return }
            // All that it had in its log when it went by this ring has been applied.
            self.ring.store(list.ring, ordering: .releasing)
            try self.renew(leases, at: list.end, elapsed, ring: list.ring)
        } catch {
            self.lose()
            throw error
        }
    }

    private func begin(_ start: StreamPosition, _ list: ChangeList, _ asked: Int64) throws(Follower.Fault) -> Bool {
        try self.step { follower throws(Follower.Fault) in
            var isNew = false
            if !follower.isOpen || follower.position != start {
                // Another life of the peer, or it does not go back as far as we had come.
                let isResumed = follower.position == start
                if !isResumed { follower.lose() }
                _ = follower.ask(asked)
                isNew = try follower.opened(at: start) == .anew
            }
            try follower.heard(after: start.sequence, upTo: list.end)
            return isNew
        }
    }

    private func renew(_ leases: CopyLeases, at end: UInt64, _ elapsed: Int64, ring: UInt64) throws(Follower.Fault) {
        let until = try self.step { follower throws(Follower.Fault) in
            try follower.bookmark(at: end, elapsed: elapsed, now: leases.clock.milliseconds)
            return follower.freshUntil
        }
        leases.renew(self.row, until: until)
        self.state.withLockedValue { $0.confirmation = (ring, until) }
    }

    /// Until when the peer goes by a ring as far as is known here: it would have told of another one by then. `nil`: it does not, or nobody knows.
    func confirmation(of ring: UInt64) -> Int64? {
        self.state.withLockedValue { state in
            guard !state.isOver, let word = state.confirmation, word.ring == ring else { return nil }
            return word.until
        }
    }

    private func step<R>(_ body: (inout Follower) throws(Follower.Fault) -> R) throws(Follower.Fault) -> R {
        let result = self.state.withLockedValue { state -> Result<R, Follower.Fault> in
            state.refusedSince = nil
            if state.ability != .follows {
                state.ability = .follows
                if state.hasMissed { state.outbox.put(.everything) }
                state.hasMissed = false
                self.refuses.store(false, ordering: .relaxed)
                self.noteNews(state)
            }
            do throws(Follower.Fault) { return .success(try body(&state.follower)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// No answer has come. What was proven holds.
    func broke() { self.state.withLockedValue { $0.follower.broke() } }

    /// For how long a peer that could be followed may refuse links before it is taken for one that cannot be, in milliseconds.
    private static let longestRefusal: Int64 = 60_000

    /// The peer does not take links just now: something in front of it may say so, or it has no right token yet.
    ///
    /// - Parameter now: in milliseconds.
    func linkRefused(_ now: Int64) {
        let isFinal = self.state.withLockedValue { state in
            if state.ability != .follows, state.former == nil { return true }
            let since = state.refusedSince ?? now
            state.refusedSince = since
            return now - since > Self.longestRefusal
        }
        if isFinal { self.refused() } else { self.broke() }
    }

    /// The peer does not know what a follower is. It is asked for values as any peer that tells nothing; should it know later, it hears of everything then.
    func refused() {
        self.state.withLockedValue { state in
            state.ability = .refuses
            self.refuses.store(true, ordering: .relaxed)
            if !state.outbox.isEmpty || state.former != nil { state.hasMissed = true }
            state.outbox = Outbox()
            state.former = nil
            self.noteNews(state)
        }
        self.lose()
    }

    private func lose() {
        self.hears.store(false, ordering: .releasing)
        self.ring.store(0, ordering: .releasing)
        self.state.withLockedValue { state in
            state.follower.lose()
            state.confirmation = nil
        }
        self.leases?.lose(self.row)
    }

    /// Owners have changed: what was copied may be another node's by now.
    func suspect() { self.leases?.suspect(self.row) }

    // MARK: Sets

    /// A set of one of the peer's keys begins; 0: nobody counts.
    func nextSet() -> UInt64 { self.leases?.nextSet() ?? 0 }

    /// A set was not answered, and its caller has been told so. It may lie in a buffer of a network that is cut, or of a node that stands still, and come
    /// there long after what its caller has set since: so with all that follows the peer is told to take neither that nor any that began before it.
    func gaveUp(_ turn: UInt64) { self.givenUp.max(turn, ordering: .releasing) }

    /// What the peer is told of a set's turn, as it leaves.
    func turn(_ number: UInt64) -> [UInt64] {
        guard self.life != 0, let leases else { return [] }
        let turn = [self.life, number, self.givenUp.load(ordering: .acquiring)]
        let ahead = self.clockAhead.load(ordering: .acquiring)
        let (moment, isBeyond) = leases.clock.milliseconds.addingReportingOverflow(ahead)
        return number == 0 || ahead == .min || isBeyond || moment < 0 ? turn : turn + [UInt64(moment)]
    }

    // MARK: What the peer has to hear

    /// Whether it has to hear of something before anything is asked of it.
    var owesNews: Bool { self.hasNews.load(ordering: .acquiring) }
    /// How many changes it has not heard of.
    var unheard: Int { self.state.withLockedValue { $0.outbox.count } }

    /// The peer has to hear of a change before anything else is asked of it. Only where somebody follows, or is about to.
    func put(_ change: Change) -> Kept {
        self.state.withLockedValue { state in
            if state.isOver {
                // What it had may still be asked for, by who owns its keys now: not of one that does not know of this.
                self.hasNews.store(true, ordering: .releasing)
                return .over
            }
            guard state.ability != .refuses else {
                state.hasMissed = true
                return .refused
            }
            state.outbox.put(change)
            self.noteNews(state)
            return .kept
        }
    }

    /// All that the peer has still to hear, for another node to tell it; nothing waits here after.
    func handOn() -> Outbox {
        self.state.withLockedValue { state in
            var outbox = Outbox()
            for change in state.outbox.handOn() { outbox.put(change) }
            self.noteNews(state)
            return outbox
        }
    }

    func nextParcel() -> Outbox.Parcel? { self.state.withLockedValue { $0.outbox.next() } }

    func delivered(_ parcel: Outbox.Parcel) {
        self.state.withLockedValue { state in
            _ = state.outbox.acknowledged(parcel.number)
            self.noteNews(state)
        }
    }

    func notDelivered() { self.state.withLockedValue { $0.outbox.failed() } }
}

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
        /// In which life the peer was when it was last a member, and had gone.
        var former: UInt64?
    }

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
    /// In which life this node is.
    let life: UInt64
    /// The last number that was given to a set of the peer's keys, and the last one of those that nobody waits for any more.
    private let lastSet = Atomic<UInt64>(0)
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

    /// Whether its changes are heard.
    var isHeard: Bool { self.hears.load(ordering: .acquiring) }

    /// In which life of the peer its changes are being heard.
    var epoch: UInt64? { self.state.withLockedValue { $0.follower.position?.epoch } }

    /// The peer was a member before, in a life of which this node knows. What was changed since then, others were told.
    func wasMember(in epoch: UInt64) { self.state.withLockedValue { $0.former = epoch } }

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
    ///   - hear: Applies a change.
    /// - Throws: for an answer that cannot be. Then nothing is known of what it has changed.
    func answered(_ list: ChangeList, asked: Int64, hear: (Change) -> Void) throws(Follower.Fault) {
        guard let leases, self.row != 0 else { return }
        do throws(Follower.Fault) {
            guard let start = list.start else { throw .notOpen }
            let isNew = try self.begin(start, list, asked)
            if isNew {
                // Whoever comes back as the one who had gone has not heard what was changed meanwhile.
                self.state.withLockedValue { state in
                    if let former = state.former.take(), former == start.epoch {
                        state.outbox.put(.everything)
                        self.hasNews.store(true, ordering: .releasing)
                    }
                }
                // The copies that there are first; those that are asked for from now on are made after the place at which the stream begins.
                leases.lose(self.row)
                self.hears.store(true, ordering: .releasing)
            }
            // Each is dropped before a bookmark says that it was heard.
            for change in list.changes { hear(change) }
            guard let elapsed = list.elapsed else { return }
            try self.renew(leases, at: list.end, elapsed)
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

    private func renew(_ leases: CopyLeases, at end: UInt64, _ elapsed: Int64) throws(Follower.Fault) {
        let until = try self.step { follower throws(Follower.Fault) in
            try follower.bookmark(at: end, elapsed: elapsed, now: leases.clock.milliseconds)
            return follower.freshUntil
        }
        leases.renew(self.row, until: until)
    }

    private func step<R>(_ body: (inout Follower) throws(Follower.Fault) -> R) throws(Follower.Fault) -> R {
        let result = self.state.withLockedValue { state -> Result<R, Follower.Fault> in
            state.ability = .follows
            self.refuses.store(false, ordering: .relaxed)
            do throws(Follower.Fault) { return .success(try body(&state.follower)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// No answer has come. What was proven holds.
    func broke() { self.state.withLockedValue { $0.follower.broke() } }

    /// The peer does not know what a follower is.
    func refused() {
        self.state.withLockedValue { state in
            state.ability = .refuses
            self.refuses.store(true, ordering: .relaxed)
            state.outbox = Outbox()
        }
        self.hasNews.store(false, ordering: .releasing)
        self.lose()
    }

    private func lose() {
        self.hears.store(false, ordering: .releasing)
        self.state.withLockedValue { $0.follower.lose() }
        self.leases?.lose(self.row)
    }

    /// Owners have changed: what was copied may be another node's by now.
    func suspect() { self.leases?.suspect(self.row) }

    // MARK: Sets

    /// A set of one of the peer's keys begins. Its number is one more than that of the set before.
    func nextSet() -> UInt64 { self.lastSet.wrappingAdd(1, ordering: .relaxed).newValue }

    /// A set was not answered, and its caller has been told so. It may lie in a buffer of a network that is cut, or of a node that stands still, and come
    /// there long after what its caller has set since: so with all that follows the peer is told to take none of those that have begun by now.
    func gaveUp() { self.givenUp.max(self.lastSet.load(ordering: .relaxed), ordering: .releasing) }

    /// What the peer is told of a set's turn.
    func turn(_ number: UInt64) -> [UInt64] { self.life == 0 ? [] : [self.life, number, self.givenUp.load(ordering: .acquiring)] }

    // MARK: What the peer has to hear

    /// Whether it has to hear of something before anything is asked of it.
    var owesNews: Bool { self.hasNews.load(ordering: .acquiring) }
    /// How many changes it has not heard of.
    var unheard: Int { self.state.withLockedValue { $0.outbox.count } }

    /// `false`: it cannot be told.
    func put(_ change: Change) -> Bool {
        self.state.withLockedValue { state in
            guard state.ability == .follows else { return false }
            state.outbox.put(change)
            self.hasNews.store(true, ordering: .releasing)
            return true
        }
    }

    func nextParcel() -> Outbox.Parcel? { self.state.withLockedValue { $0.outbox.next() } }

    func delivered(_ parcel: Outbox.Parcel) {
        self.state.withLockedValue { state in
            _ = state.outbox.acknowledged(parcel.number)
            if state.outbox.isEmpty { self.hasNews.store(false, ordering: .releasing) }
        }
    }

    func notDelivered() { self.state.withLockedValue { $0.outbox.failed() } }
}

// SPDX-License-Identifier: Apache-2.0

/// How a node gets into the list in etcd, stays there, and leaves: what has happened goes in, what is to be done next comes out.
///
/// A value without I/O. One thing is done at a time; each brings one ``Outcome``.
///
/// A member's entry lies under a lease. Whoever dies is gone when the lease is over. Its epoch is the number of its lease, so that a node
/// that lost its lease, and for which others may have acted meanwhile, comes back as another life of itself.
struct EtcdRegistrationState: Sendable {
    /// What is to be done.
    enum Action: Sendable, Hashable {
        /// Ask this node at its own URL.
        case probe
        case grant(seconds: Int64)
        /// Put the entry under the lease, if nobody has put one since revision `seen` of it; 0: if there is none.
        case claim(lease: Int64, seen: Int64)
        case keepAlive(lease: Int64)
        /// See whether the entry is still the one under this lease.
        case look(lease: Int64)
        /// Write the entry anew, if it is still the one under this lease.
        case rewrite(lease: Int64, state: Member.State)
        case revoke(lease: Int64)
        case wait(Duration)
        case end
    }

    /// What came of it.
    enum Outcome: Sendable, Hashable {
        case started
        /// `nil`: it was this node that answered.
        case probed(DiscoveryError?)
        case granted(lease: Int64, seconds: Int64)
        /// It is ours.
        case mine
        /// There is none.
        case absent
        /// It is another one; `url`: where it says that its node is, if it can be read.
        case taken(url: String?, revision: Int64)
        /// For how long the lease lives on; 0: it is over.
        case keptAlive(seconds: Int64)
        case revoked
        case waited
        case failed(DiscoveryError)
    }

    /// What somebody should be told.
    enum Note: Sendable, Hashable {
        case registered
        /// Not, and why.
        case kept(out: DiscoveryError)
        case leaseLost
        /// By this node's clock: others may have taken over.
        case leaseOver
        case away(DiscoveryError)
        case back
        case entryGone
    }

    private enum Phase: Sendable, Hashable {
        case probing
        case granting
        case claiming(tries: Int)
        /// Until the next look at the lease.
        case resting
        case keeping
        case looking
        /// A lease that came to nothing is given back before the next try.
        case cleaning(then: DiscoveryError?)
        /// Before the next try.
        case pausing
        case publishing
        case revoking
        case over
    }

    /// This node as it is to be seen; its epoch follows from the lease.
    let member: Member
    private let seconds: Int64
    private var phase = Phase.over
    /// The lease, and for how many seconds etcd has granted it.
    private(set) var lease: (id: Int64, seconds: Int64)?
    /// Until when the lease is known to live, by this node's clock: counted from when it was asked for.
    private(set) var validUntil: Duration?
    private(set) var isRegistered = false
    /// Which time in the list this is. As long as the number stays the entry has not been gone.
    private(set) var tenure: UInt64 = 0

    /// Until when this node may act as the owner of keys; `nil`: it may not. Earlier than the end of its lease by a twentieth: for clocks that run at different
    /// speeds, and for what was begun in time.
    var actsUntil: Duration? {
        guard self.isRegistered, let lease = self.lease, let validUntil = self.validUntil else { return nil }
        return validUntil - .seconds(lease.seconds) / 20
    }
    private var asked = Duration.zero
    private var problem: DiscoveryError?
    private var isAway = false
    private var isOver = false
    private var seen: Int64 = 0

    private static let pause = Duration.seconds(1)

    init(member: Member, seconds: Int64) {
        self.member = member
        self.seconds = max(1, seconds)
    }

    /// This node as the entry has it.
    func entry(state: Member.State) -> Member {
        let epoch = self.lease.map { UInt64(bitPattern: $0.id) }
        // All but state and epoch has been checked already.
        let entry = try? Member(
            id: self.member.id,
            url: self.member.url,
            zone: self.member.zone,
            weight: self.member.weight,
            state: state,
            epoch: epoch
        )
        return entry ?? self.member
    }

    /// Something has come of the last action.
    mutating func next(_ outcome: Outcome, now: Duration) -> (action: Action, note: Note?) {
        switch (self.phase, outcome) {
        case (.over, .started): return (self.probe(), nil)
        case (.probing, .probed(nil)): return (self.ask(.granting, .grant(seconds: self.seconds), now), nil)
        case (.probing, .probed(let error?)): return (self.retry(), self.complaint(error))
        case (.granting, .granted(let id, let seconds)):
            self.lease = (id, max(1, seconds))
            self.validUntil = self.asked + .seconds(max(1, seconds))
            return (self.claim(seen: 0, tries: 4), nil)
        case (.claiming, .mine):
            let isNews = self.problem != nil || !self.isRegistered
            if !self.isRegistered { self.tenure += 1 }
            self.isRegistered = true
            self.problem = nil
            return (self.rest(), isNews ? .registered : nil)
        case (.claiming(let tries), .absent): return self.claimAgain(seen: 0, tries, now)
        case (.claiming(let tries), .taken(let url, let revision)):
            // The entry of an earlier life at the same place is ours to replace: this node has just been reached there. One of another place
            // is another node, or this one before it moved: that shows when its lease is over.
            if let url, url != self.member.url {
                return (self.clean(after: self.takenBy(url), now), nil)
            }
            return self.claimAgain(seen: revision, tries, now)
        case (.resting, .waited):
            return (self.ask(.keeping, self.lease.map { .keepAlive(lease: $0.id) } ?? .probe, now), nil)
        case (.keeping, .keptAlive(let seconds)) where seconds > 0:
            self.validUntil = self.asked + .seconds(seconds)
            self.isOver = false
            self.phase = .looking
            return (self.lease.map { .look(lease: $0.id) } ?? .probe, self.comesBack())
        case (.keeping, .keptAlive):
            self.drop()
            return (self.probe(), .leaseLost)
        case (.looking, .mine): return (self.rest(), nil)
        case (.looking, .absent):
            // Somebody has deleted it by hand, and left the lease. Others may have acted for this node since.
            self.isRegistered = false
            return (self.claim(seen: 0, tries: 4), .entryGone)
        case (.looking, .taken(let url, _)):
            // Another process goes by our id. It can be reached at that URL and not this one, or the other way round: the probe shows it.
            let error = url == self.member.url ? self.replaced : self.takenBy(url ?? "a node that cannot be read")
            return (self.clean(after: error, now), nil)
        case (.cleaning(let error), .revoked), (.cleaning(let error), .failed):
            self.drop()
            return (self.retry(), error.flatMap { self.complaint($0) })
        case (.pausing, .waited): return (self.probe(), nil)
        case (.keeping, .failed(let error)), (.looking, .failed(let error)): return (self.rest(soon: true), self.goesAway(error, now))
        case (.granting, .failed(let error)): return (self.retry(), self.complaint(error))
        case (.claiming, .failed(let error)): return (self.clean(after: error, now), nil)
        case (.publishing, _):
            self.phase = .over
            return (.end, nil)
        case (.revoking, _):
            self.drop()
            self.phase = .over
            return (.end, nil)
        // An outcome of something else than was asked for.
        default: return (self.phase == .over ? .end : self.retry(), nil)
        }
    }

    /// The node is about to leave: those who read the list are told before its lease ends.
    mutating func drain() -> Action {
        guard let lease = self.lease, self.isRegistered else {
            self.phase = .over
            return .end
        }
        self.phase = .publishing
        return .rewrite(lease: lease.id, state: .draining)
    }

    /// The node has left.
    mutating func leave() -> Action {
        guard let lease = self.lease else {
            self.phase = .over
            return .end
        }
        self.phase = .revoking
        return .revoke(lease: lease.id)
    }

    private mutating func probe() -> Action {
        self.phase = .probing
        return .probe
    }

    private mutating func ask(_ phase: Phase, _ action: Action, _ now: Duration) -> Action {
        self.phase = phase
        self.asked = now
        return action
    }

    private mutating func claim(seen: Int64, tries: Int) -> Action {
        guard let lease = self.lease else { return self.probe() }
        self.phase = .claiming(tries: tries)
        return .claim(lease: lease.id, seen: seen)
    }

    /// Somebody came between what we saw and what we put; each try sees something newer.
    private mutating func claimAgain(seen: Int64, _ tries: Int, _ now: Duration) -> (action: Action, note: Note?) {
        guard tries > 1 else { return (self.clean(after: DiscoveryError(.unavailable, "its entry changes all the time"), now), nil) }
        return (self.claim(seen: seen, tries: tries - 1), nil)
    }

    private mutating func rest(soon: Bool = false) -> Action {
        self.phase = .resting
        let third = Duration.seconds(self.lease?.seconds ?? 1) / 3
        return .wait(soon ? min(third, Self.pause) : third)
    }

    private mutating func retry() -> Action {
        self.phase = .pausing
        return .wait(Self.pause)
    }

    private mutating func clean(after error: DiscoveryError, _ now: Duration) -> Action {
        guard let lease = self.lease else { return self.retry() }
        return self.ask(.cleaning(then: error), .revoke(lease: lease.id), now)
    }

    private mutating func drop() {
        self.lease = nil
        self.validUntil = nil
        self.isRegistered = false
        self.isAway = false
        self.isOver = false
    }

    /// The same complaint is made once.
    private mutating func complaint(_ error: DiscoveryError) -> Note? {
        defer { self.problem = error }
        return error == self.problem ? nil : .kept(out: error)
    }

    private mutating func goesAway(_ error: DiscoveryError, _ now: Duration) -> Note? {
        if let validUntil = self.validUntil, validUntil <= now, !self.isOver {
            self.isOver = true
            return .leaseOver
        }
        defer { self.isAway = true }
        // The lease may live: only etcd can say. Another one beside it would leave an entry that nobody keeps.
        return self.isAway ? nil : .away(error)
    }

    private mutating func comesBack() -> Note? {
        defer { self.isAway = false }
        return self.isAway ? .back : nil
    }

    private func takenBy(_ url: String) -> DiscoveryError {
        DiscoveryError(.refused, "the id \(self.member.id) is taken by \(url), and this node is at \(self.member.url)")
    }

    private var replaced: DiscoveryError {
        DiscoveryError(.refused, "another process has registered as \(self.member.id) at \(self.member.url), where this node is")
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheDiscovery

/// What a registration does next, for everything that may come of what it did.
@Suite struct EtcdRegistrationStateTests {
    private typealias Action = EtcdRegistrationState.Action
    private typealias Outcome = EtcdRegistrationState.Outcome
    private static let away = DiscoveryError(.unavailable, "away")

    private var state = EtcdRegistrationState(member: .named("n1"), seconds: 15)
    private var now = Duration.zero

    private mutating func next(_ outcome: Outcome) -> Action { self.state.next(outcome, now: self.now).action }
    private mutating func note(_ outcome: Outcome) -> EtcdRegistrationState.Note? { self.state.next(outcome, now: self.now).note }

    private mutating func register(lease: Int64 = 7) {
        _ = self.next(.started)
        _ = self.next(.probed(nil))
        _ = self.next(.granted(lease: lease, seconds: 15))
        _ = self.next(.mine)
    }

    @Test mutating func aNodeRegistersAndKeepsItsLease() {
        #expect(self.next(.started) == .probe)
        #expect(self.next(.probed(nil)) == .grant(seconds: 15))
        self.now = .seconds(1)
        #expect(self.next(.granted(lease: 7, seconds: 20)) == .claim(lease: 7, seen: 0))
        #expect(!self.state.isRegistered)
        // Counted from the question: the answer may have been long on its way.
        #expect(self.state.validUntil == .seconds(20))
        #expect(self.note(.mine) == .registered)
        #expect(self.state.isRegistered && self.state.entry(state: .ready).epoch == 7)
        self.now = .seconds(8)
        #expect(self.next(.waited) == .keepAlive(lease: 7))
        #expect(self.next(.keptAlive(seconds: 20)) == .look(lease: 7))
        #expect(self.state.validUntil == .seconds(28))
        #expect(self.next(.mine) == .wait(.seconds(20) / 3))
    }

    /// A twentieth of the lease is left for clocks that differ; what counts is when the question was sent, and who is not in the list acts for nobody.
    @Test mutating func whoMayAct() {
        _ = self.next(.started)
        _ = self.next(.probed(nil))
        _ = self.next(.granted(lease: 7, seconds: 20))
        #expect(self.state.actsUntil == nil)
        _ = self.next(.mine)
        #expect(self.state.actsUntil == .seconds(19) && self.state.tenure == 1)
        self.now = .seconds(5)
        _ = self.next(.waited)
        self.now = .seconds(12)
        _ = self.next(.keptAlive(seconds: 20))
        #expect(self.state.actsUntil == .seconds(24) && self.state.tenure == 1)
        // The entry is gone, though the lease lives: from here on others may act, and it is another time in the list.
        _ = self.next(.absent)
        #expect(self.state.actsUntil == nil)
        _ = self.next(.mine)
        #expect(self.state.actsUntil == .seconds(24) && self.state.tenure == 2)
        // Etcd is away: the moment stays where it is. It comes back, and the lease has lived all the time.
        _ = self.next(.waited)
        self.now = .seconds(60)
        _ = self.next(.failed(Self.away))
        #expect(self.state.actsUntil == .seconds(24) && self.state.tenure == 2)
        _ = self.next(.waited)
        _ = self.next(.keptAlive(seconds: 20))
        #expect(self.state.actsUntil == .seconds(79) && self.state.tenure == 2)
        // Another process has taken the entry.
        _ = self.next(.taken(url: "http://elsewhere:1", revision: 9))
        _ = self.next(.revoked)
        #expect(self.state.actsUntil == nil)
    }

    @Test mutating func whoLosesItsLeaseMayActAgainWithAnother() {
        self.register(lease: 7)
        let first = self.state.tenure
        _ = self.next(.waited)
        _ = self.next(.keptAlive(seconds: 0))
        #expect(self.state.actsUntil == nil)
        _ = self.next(.probed(nil))
        _ = self.next(.granted(lease: 8, seconds: 15))
        #expect(self.state.actsUntil == nil)
        _ = self.next(.mine)
        #expect(self.state.actsUntil != nil && self.state.tenure != first)
    }

    @Test mutating func whoLosesItsLeaseIsAnotherLife() {
        self.register(lease: 7)
        _ = self.next(.waited)
        #expect(self.note(.keptAlive(seconds: 0)) == .leaseLost)
        #expect(!self.state.isRegistered && self.state.validUntil == nil)
        #expect(self.next(.probed(nil)) == .grant(seconds: 15))
        #expect(self.next(.granted(lease: 8, seconds: 15)) == .claim(lease: 8, seen: 0))
        #expect(self.note(.mine) == .registered)
        #expect(self.state.entry(state: .ready).epoch == 8)
    }

    /// While etcd is away nobody knows whether the lease lives; another one beside it would leave an entry that nobody keeps.
    @Test mutating func anOutageCostsNoSecondLease() {
        self.register()
        _ = self.next(.waited)
        self.now = .seconds(5)
        #expect(self.note(.failed(Self.away)) == .away(Self.away))
        for second in 6..<15 {
            self.now = .seconds(second)
            #expect(self.next(.waited) == .keepAlive(lease: 7))
            let (action, note) = self.state.next(.failed(Self.away), now: self.now)
            #expect(action == .wait(.seconds(1)) && note == nil)
        }
        self.now = .seconds(15)
        _ = self.next(.waited)
        #expect(self.note(.failed(Self.away)) == .leaseOver)
        _ = self.next(.waited)
        #expect(self.note(.failed(Self.away)) == nil)
        #expect(self.state.isRegistered)
        // Etcd lets leases live on that were alive when it stopped.
        self.now = .seconds(60)
        _ = self.next(.waited)
        #expect(self.note(.keptAlive(seconds: 15)) == .back)
        #expect(self.state.validUntil == .seconds(75))
        #expect(self.next(.mine) == .wait(.seconds(5)))
    }

    @Test mutating func anEntryThatIsDeletedByHandComesBack() {
        self.register()
        _ = self.next(.waited)
        _ = self.next(.keptAlive(seconds: 15))
        let (action, note) = self.state.next(.absent, now: self.now)
        #expect(action == .claim(lease: 7, seen: 0) && note == .entryGone)
        #expect(self.next(.mine) == .wait(.seconds(5)))
    }

    /// Whoever reaches itself at the URL of the entry has come after whoever put it there.
    @Test mutating func anEarlierLifeIsReplaced() {
        _ = self.next(.started)
        _ = self.next(.probed(nil))
        _ = self.next(.granted(lease: 7, seconds: 15))
        #expect(self.next(.taken(url: "http://n1:8001", revision: 40)) == .claim(lease: 7, seen: 40))
        // It has been changed, or removed, meanwhile.
        #expect(self.next(.taken(url: nil, revision: 41)) == .claim(lease: 7, seen: 41))
        #expect(self.next(.absent) == .claim(lease: 7, seen: 0))
        #expect(self.note(.mine) == .registered)
    }

    @Test mutating func anEntryThatChangesAllTheTimeIsLeftForLater() {
        _ = self.next(.started)
        _ = self.next(.probed(nil))
        _ = self.next(.granted(lease: 7, seconds: 15))
        for revision in 1...3 { _ = self.next(.taken(url: nil, revision: Int64(revision))) }
        #expect(self.next(.taken(url: nil, revision: 4)) == .revoke(lease: 7))
        #expect(self.next(.revoked) == .wait(.seconds(1)))
    }

    @Test mutating func anIDThatIsTakenIsLeftAloneAndBothAddressesAreNamed() {
        for round in 0..<3 {
            _ = self.next(round == 0 ? .started : .waited)
            _ = self.next(.probed(nil))
            _ = self.next(.granted(lease: Int64(10 + round), seconds: 15))
            #expect(self.next(.taken(url: "http://elsewhere:1", revision: 5)) == .revoke(lease: Int64(10 + round)))
            let (action, note) = self.state.next(.revoked, now: self.now)
            #expect(action == .wait(.seconds(1)))
            guard round == 0 else {
                // Said once.
                #expect(note == nil)
                continue
            }
            guard case .kept(let error) = note else {
                Issue.record("\(String(describing: note))")
                return
            }
            #expect(error.message == "the id n1 is taken by http://elsewhere:1, and this node is at http://n1:8001")
        }
        #expect(self.state.lease == nil)
        // The other one has left.
        _ = self.next(.waited)
        _ = self.next(.probed(nil))
        _ = self.next(.granted(lease: 20, seconds: 15))
        #expect(self.note(.mine) == .registered)
    }

    /// Somebody took the id while this node was registered: it gives up its lease, and whoever reaches itself there may have the entry.
    @Test(arguments: ["http://n1:8001", "http://elsewhere:1"])
    mutating func anIDThatIsTakenAwayIsGivenUp(url: String) {
        self.register()
        _ = self.next(.waited)
        _ = self.next(.keptAlive(seconds: 15))
        #expect(self.next(.taken(url: url, revision: 9)) == .revoke(lease: 7))
        let (action, note) = self.state.next(.revoked, now: self.now)
        #expect(action == .wait(.seconds(1)))
        guard case .kept(let error) = note else {
            Issue.record("\(String(describing: note))")
            return
        }
        #expect(error.message.contains(url))
        #expect(!self.state.isRegistered)
        #expect(self.next(.waited) == .probe)
    }

    @Test mutating func whoCannotReachItselfDoesNotJoin() {
        let deaf = DiscoveryError(.refused, "does not reach itself")
        _ = self.next(.started)
        #expect(self.note(.probed(deaf)) == .kept(out: deaf))
        #expect(self.next(.waited) == .probe)
        #expect(self.note(.probed(deaf)) == nil)
        _ = self.next(.waited)
        #expect(self.next(.probed(nil)) == .grant(seconds: 15))
    }

    /// What failed may have been done all the same: the lease is given back, and with it what may be there.
    @Test mutating func aClaimThatFailsIsTakenBack() {
        _ = self.next(.started)
        _ = self.next(.probed(nil))
        #expect(self.next(.failed(Self.away)) == .wait(.seconds(1)))
        _ = self.next(.waited)
        _ = self.next(.probed(nil))
        _ = self.next(.granted(lease: 7, seconds: 15))
        #expect(self.next(.failed(Self.away)) == .revoke(lease: 7))
        #expect(self.next(.failed(Self.away)) == .wait(.seconds(1)))
        #expect(self.state.lease == nil)
    }

    @Test mutating func whoLeavesSaysSoFirst() {
        self.register()
        #expect(self.state.drain() == .rewrite(lease: 7, state: .draining))
        #expect(self.state.entry(state: .draining).state == .draining)
        #expect(self.next(.mine) == .end)
        #expect(self.state.leave() == .revoke(lease: 7))
        #expect(self.next(.revoked) == .end)
        #expect(self.state.leave() == .end)
    }

    @Test mutating func whoIsNotThereHasNothingToLeave() {
        #expect(self.state.drain() == .end)
        #expect(self.state.leave() == .end)
        // Granted and not yet registered: nothing to say, but a lease to give back.
        _ = self.next(.started)
        _ = self.next(.probed(nil))
        _ = self.next(.granted(lease: 7, seconds: 15))
        #expect(self.state.drain() == .end)
        #expect(self.state.leave() == .revoke(lease: 7))
    }

    /// In any phase, after anything: it asks for something, holds one lease at most, and never puts an entry before it has reached itself.
    @Test mutating func nothingLeadsAstray() {
        let outcomes: [Outcome] = [
            .started, .probed(nil), .probed(Self.away), .granted(lease: 1, seconds: 0), .granted(lease: -2, seconds: 15), .mine, .absent,
            .taken(url: nil, revision: 0), .taken(url: "http://n1:8001", revision: 3), .taken(url: "http://x:1", revision: 3),
            .keptAlive(seconds: -1), .keptAlive(seconds: 9), .revoked, .waited, .failed(Self.away),
        ]
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var state = EtcdRegistrationState(member: .named("n1"), seconds: 0)
            var now = Duration.zero
            var hasReachedItself = false
            for _ in 0..<100 {
                let outcome = outcomes.randomElement(using: &random)!
                let (action, _) = state.next(outcome, now: now)
                if outcome == .probed(nil) { hasReachedItself = true }
                switch action {
                case .claim(let lease, _), .keepAlive(let lease), .look(let lease), .rewrite(let lease, _):
                    #expect(state.lease?.id == lease)
                case .wait(let duration): #expect(duration > .zero)
                case .grant, .revoke, .probe, .end: break
                }
                if case .claim = action { #expect(hasReachedItself) }
                now += .seconds(1)
            }
        }
    }
}

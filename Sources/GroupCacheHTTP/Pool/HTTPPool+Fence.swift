// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

// Whether this node may act as the owner of its keys: see ``OwnerFence``.
extension HTTPPool {
    /// The moment of now, by the clock of ``OwnerFence/Word``. Whoever makes one of another clock's reads this one first: what passes between the two looks
    /// then makes it earlier, and not later.
    package var moment: Int64 { self.core.clock.milliseconds }

    /// A source of members has said something of this node. Only where nodes tell each other of changes: those of other dialects know no acting owners.
    package func heard(_ word: OwnerFence.Word) {
        guard self.configuration.dialect == .native, self.configuration.listen != nil else { return }
        // Who leaves is no member any more before it has handed over.
        let word = word == .out && self.isDraining ? .leaving : word
        let step = self.core.fence.withLockedValue { fence in
            let step = fence.heard(word, now: self.moment)
            self.core.follow(step, fence.until)
            return step
        }
        // A node that begins acts for nobody yet, and then for the first time: nothing to tell.
        let isNews = !self.ring.members.isEmpty
        switch step {
        case .same, .renewed: break
        case .left:
            if isNews { self.core.logger.notice("this node acts as no owner until its source of members has it") }
        case .returned:
            if isNews { self.core.logger.notice("this node acts as an owner again; what it had is confirmed before it is served") }
            self.ownersChanged()
        }
    }

    /// As after a change of the ring: from now on this node owns keys that others may have changed in its place.
    func ownersChanged() {
        for getter in self.core.members.withLockedValue({ $0 }).getters { getter?.standing.stream.suspect() }
        self.core.feed?.tookOver()
        // Who follows is told at once by which ring this node goes: see `formerOwners(toCompare:)`.
        self.core.feed?.wake()
        for group in self.core.groups.withLockedValue({ $0.groups }) { group.peersChanged() }
        self.core.keysMoved.continuation.yield()
    }
}

extension PoolCore {
    var clock: CacheClock { self.leases?.clock ?? .system }

    /// Whether this node may act as the owner of no key, whatever the ring says. By the clock, and not by what somebody has had the time to note.
    var isFenced: Bool {
        let until = self.actsUntil.load(ordering: .acquiring)
        return until != .max && self.clock.milliseconds >= until
    }

    /// Makes true what has come of a word. Under the fence's lock, so that the last word counts everywhere.
    func follow(_ step: OwnerFence.Step, _ until: Int64) {
        if step == .same { return }
        // What opens comes last, and what shuts first: no entry is served, and no key taken for this node's, that is not to be.
        if step == .left { self.actsUntil.store(until, ordering: .releasing) }
        for case let group as any ChangeListener in self.groups.withLockedValue({ $0.groups }) {
            group.fence(until: until, suspect: step == .returned, by: self.clock)
        }
        if step == .left { return }
        if step == .returned {
            // Others have acted in its place: it comes back as one that has just begun.
            let until = NIODeadline.now() + .init(self.configuration.warmTime)
            self.members.update { $0 = $0.begun(warmingUntil: until) }
        }
        self.actsUntil.store(until, ordering: .releasing)
    }

    /// A group has come.
    func fence(_ group: any PeerServing) {
        guard let group = group as? any ChangeListener else { return }
        self.fence.withLockedValue { if $0.isOn { group.fence(until: $0.until, suspect: false, by: self.clock) } }
    }

    /// A peer has said by which ring it goes. When all go by ours nobody has taken this node's place: so a source that is away, with which all would be fenced
    /// at once, is not missed as long as the members hear each other.
    func noteConfirmations() {
        let promise = Int64(self.configuration.promise / .milliseconds(1))
        guard self.actsUntil.load(ordering: .relaxed) != .max,
            self.fence.withLockedValue({ $0.asksPeers(self.clock.milliseconds, within: promise) })
        else { return }
        let members = self.members.withLockedValue { $0 }
        let peers = members.getters.compactMap { $0 }
        // Alone it has nobody to ask.
        guard members.selfIndex != nil, !peers.isEmpty else { return }
        var moment = Int64.max
        for peer in peers {
            guard let until = peer.standing.stream.confirmation(of: members.ring.version) else { return }
            moment = min(moment, until)
        }
        self.fence.withLockedValue { fence in
            let step = fence.confirmed(until: moment, now: self.clock.milliseconds)
            self.follow(step, fence.until)
        }
    }
}

/// Who owns the keys of a node that may not act as their owner, and knows nobody else: nobody.
final class NoOwner: PeerGetter {
    static let shared = NoOwner()

    let id = ""

    private static var failure: GroupCacheError {
        GroupCacheError(.shutDown, "this node is no member by its source's last word, and knows no other node", retryAfter: .seconds(1))
    }

    func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry { throw Self.failure }
    func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError) { throw Self.failure }
    func remove(_ request: PeerRequest) async throws(GroupCacheError) { throw Self.failure }
    func set(_ request: PeerRequest, to entry: PeerEntry, if condition: ChangeCondition?) async throws(GroupCacheError) -> SetOutcome {
        throw Self.failure
    }
    func remove(_ request: PeerRequest, if condition: ChangeCondition?, settle: Duration) async throws(GroupCacheError) {
        throw Self.failure
    }
}

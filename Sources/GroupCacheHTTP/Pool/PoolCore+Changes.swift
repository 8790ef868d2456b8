// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

// What is written down of this node's changes, kept for who cannot be told of them, and heard of those of others.
extension PoolCore: ChangeRecorder {
    var position: StreamPosition { self.feed?.position ?? StreamPosition(epoch: 0, sequence: 0) }

    func record(_ change: Change) -> UInt64 { self.record(change, isSet: false) }

    func record(_ change: Change, isSet: Bool) -> UInt64 { self.feed?.record(change, isSet: isSet) ?? 0 }

    func changes(of group: String, after position: StreamPosition) -> (any ChangeCursor)? {
        self.feed.map { LogCursor($0.log, group: group, after: position) }
    }

    func wake() { self.feed?.wake() }

    func applied(_ sequence: UInt64, standInTTL: Duration, within time: Duration?) async throws(GroupCacheError) {
        let getters = self.members.withLockedValue { $0 }.getters.compactMap { $0 }
        let deaf = getters.filter { $0.standing.stream.ability == .refuses }
        if !deaf.isEmpty { throw GroupCacheError.cannotFollow.about(deaf.map(\.id)) }
        try await self.feed?.applied(sequence, standInTTL: standInTTL, within: time, others: getters.map(\.id))
    }

    /// What those hear who come back, and what those leave who go.
    ///
    /// - Returns: What those who go have not heard.
    func swap(_ gone: [HTTPGetter], for new: [HTTPGetter]) -> [Change] {
        if gone.isEmpty, new.isEmpty { return [] }
        var unheard: [Change] = []
        let spread = new.isEmpty || !self.isFollowing.load(ordering: .relaxed) ? [] : self.spreadOfLate
        // Those that this node's callers have made, wherever, and those that others have made here.
        let changes = self.changesMade.load(ordering: .relaxed) &+ self.position.sequence
        self.departed.withLockedValue { departed in
            for getter in gone {
                let (member, rest) = getter.standing.stream.end()
                unheard += rest
                guard var member else { continue }
                member.changes = changes
                departed.left(getter.id, member)
            }
            for getter in new {
                if let (former, hasMissed) = departed.returned(getter.id, changes: changes) {
                    getter.standing.stream.wasMember(former, hasMissed: hasMissed)
                } else {
                    // It may have been a member for others before it is one here: what concerns everybody it was not told.
                    for change in spread { _ = getter.standing.stream.put(change) }
                }
            }
        }
        return unheard
    }

    /// What has been changed of late that concerns everybody.
    var spreadOfLate: [Change] { self.feed?.recent().filter(\.isOfMany) ?? [] }

    /// A peer makes changes by some ring.
    func noteRing(_ ring: UInt64) {
        guard ring != 0, self.otherRingSince.load(ordering: .relaxed) == .max else { return }
        if ring != self.members.withLockedValue({ $0 }).ring.version {
            self.otherRingSince.store(self.position.sequence, ordering: .relaxed)
        }
    }

    /// Owners have changed. What this node has changed as an owner since it knows that others go by another ring, they may not have heard; nor what those have
    /// not heard who have left.
    ///
    /// - Parameters:
    ///   - old: Who they were.
    ///   - unheard: by those who have left.
    func passOn(_ unheard: [Change], after old: Members) {
        let since = self.otherRingSince.exchange(.max, ordering: .relaxed)
        guard self.isFollowing.load(ordering: .relaxed) else { return }
        let members = self.members.withLockedValue { $0 }
        let made = since == .max ? [] : self.feed?.recent(after: since) ?? []
        for change in made {
            guard case .key(let key, _) = change, old.owner(of: key.bytes.span) == nil, let owner = members.owner(of: key.bytes.span) else {
                continue
            }
            _ = self.keep(change, for: owner)
        }
        for change in unheard {
            guard case .key(let key, _) = change else { continue }
            if let owner = members.owner(of: key.bytes.span) { _ = self.keep(change, for: owner) } else { self.heard(change) }
        }
    }

    /// A peer could not be told of a change: it will be, before anything else is asked of it, also when it goes and comes back meanwhile.
    ///
    /// - Returns: `false`: it cannot be told.
    func keep(_ change: Change, for getter: HTTPGetter) -> Bool {
        guard self.isFollowing.load(ordering: .relaxed) else { return false }
        switch getter.standing.stream.put(change) {
        case .kept: return true
        case .refused: return false
        case .over: break
        }
        // It has left the list, or is there by another address.
        return self.members.withLockedValue { members in
            switch members.getters.first(where: { $0?.id == getter.id })??.standing.stream.put(change) {
            case .kept: return true
            case .refused: return false
            case .over, nil:
                self.departed.withLockedValue { $0.owe(getter.id) }
                // Its key may be another's by now, who does not know of the change.
                if case .key(let key, _) = change { _ = members.owner(of: key.bytes.span)?.standing.stream.put(change) }
                return true
            }
        }
    }

    /// Another node, which stops, could not tell a node of changes: this one does.
    ///
    /// - Throws: `cannotFollow`: it cannot, either.
    func takeOn(_ changes: [Change], for id: String) throws(GroupCacheError) {
        let members = self.members.withLockedValue { $0 }
        if id == members.selfID(self.configuration.dialect) { return changes.forEach { self.made($0) } }
        guard let getter = members.getters.first(where: { $0?.id == id }) ?? nil else {
            // Should it come back, it hears that anything may have changed. Of who never was a member nobody has to hear anything.
            return self.departed.withLockedValue { if $0.knows(id) { $0.owe(id) } }
        }
        for change in changes where !self.keep(change, for: getter) { throw .cannotFollow }
    }

    /// A peer's changes are heard from now on, and were not before; or it tells that it may have changed anything, of a group or at all.
    func loadsMayBeOld(of getter: HTTPGetter, _ change: Change = .everything) {
        let members = self.members.withLockedValue { $0 }
        let now = NIODeadline.now()
        let wasOwner: ((Key) -> Bool)? =
            !members.warming.changes.contains { $0.ring != nil && $0.until > now }
            ? nil : { key in members.lastOwners(of: key.bytes.span, now: now).contains { $0 === getter } }
        for group in self.listeners(change) { group.loadsMayBeOld(of: { $0?.id == getter.id }, wasOwner: wasOwner) }
    }

    private func listeners(_ change: Change) -> [any ChangeListener] {
        let groups = self.groups.withLockedValue { $0 }
        if let name = change.group { return (groups.find(name) as? any ChangeListener).map { [$0] } ?? [] }
        return groups.groups.compactMap { $0 as? any ChangeListener }
    }

    /// A peer has changed something.
    func heard(_ change: Change, from getter: HTTPGetter? = nil) {
        for group in self.listeners(change) { group.heard(change) }
        guard let getter else { return }
        switch change {
        // Not what is copied from it only: it may have been told so in place of any change of a key that has moved to it, or that it has had for a while.
        case .group, .everything: self.loadsMayBeOld(of: getter, change)
        case .key, .copies, .tag: break
        }
    }

    /// Something is changed that concerns more nodes than this one.
    func made(_ change: Change) { for group in self.listeners(change) { group.made(change) } }

    /// How long what is loaded in another node's place may be kept, of what was changed.
    func standInTTL(of change: Change) -> Duration { self.listeners(change).map(\.standInTTL).max() ?? .zero }
}

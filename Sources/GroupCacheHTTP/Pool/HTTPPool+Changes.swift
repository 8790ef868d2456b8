// SPDX-License-Identifier: Apache-2.0

package import GroupCache
internal import Informers
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

// Changes of this node, which others follow, and those of others, which it follows.
extension HTTPPool: RecordingPeers {
    package var recorder: (any ChangeRecorder)? { self.core.feed == nil ? nil : self.core }
    package var leases: CopyLeases? { self.core.leases }

    package func owns(_ key: Span<UInt8>) -> Bool {
        self.core.members.withLockedValue { $0 }.owner(of: key) == nil && !self.core.isFenced
    }

    package func soleOwner(of key: Span<UInt8>) -> UInt64? {
        // Before the members: if it is the same afterwards, so are they.
        let place = self.core.members.changes
        guard self.mayMakeChangesAlone else { return nil }
        let members = self.core.members.withLockedValue { $0 }
        guard members.isSoleOwner(of: key), !members.ring.members.isEmpty || self.knowsOwners else { return nil }
        return place
    }

    package func isStill(_ place: UInt64) -> Bool { self.core.members.changes == place && self.mayMakeChangesAlone }

    private var mayMakeChangesAlone: Bool { !self.isDraining && !self.core.isFenced }

    package func otherOwners(of key: Key) -> [any PeerGetter] {
        let members = self.core.members.withLockedValue { $0 }
        // All of them: who compares looks at all of them.
        var others = members.lastOwners(of: key.bytes.span, now: .now())
        if self.isDraining, let next = members.nextOwner(of: key.bytes.span), !others.contains(where: { $0 === next }) {
            others.append(next)
        }
        return others
    }

    /// For how long who compares waits for a former owner's word. More than ``patience``: after a beginning it may take that until they speak at all.
    private static let comparing = TimeAmount.seconds(2)

    package func formerOwners(toCompare key: Key) async throws(GroupCacheError) -> [any PeerGetter] {
        let end = NIODeadline.now() + Self.comparing
        while true {
            let members = self.core.members.withLockedValue { $0 }
            let owners = members.formerOwners(of: key.bytes.span, now: .now())
            // Who does not hear of others' changes is promised nothing.
            guard self.core.isFollowing.load(ordering: .relaxed) else { return owners }
            let open = owners.filter { $0.standing.stream.mayChange(otherThan: members.ring.version) }
            if open.isEmpty { return owners }
            if Task.isCancelled { throw .cancelled }
            // They say by which ring they go as soon as that is another; over a link that has just been opened nothing was said yet.
            if NIODeadline.now() >= end { throw GroupCacheError.ownerChanging.about(open.map(\.id)) }
            await self.pause(.milliseconds(10))
        }
    }

    package func linkedOwner(of key: Key) -> (any PeerGetter)? {
        guard let owner = self.core.members.withLockedValue({ $0 }).owner(of: key.bytes.span) else { return nil }
        return owner.hasLinks && owner.isLinked && owner.isUp ? owner : nil
    }

    package func handsOver(_ key: Span<UInt8>) -> Bool { self.isDraining || !self.owns(key) }

    package var knowsOwners: Bool {
        // A list may be empty, and meant so.
        self.core.membership.withLockedValue { $0?.isReady ?? true } || !self.core.members.withLockedValue { $0 }.ring.members.isEmpty
    }

    package var promise: Duration { self.configuration.promise }

    package var sweeps: Bool { self.core.isFollowing.load(ordering: .relaxed) }

    package func spread(_ change: Change, wait: ChangeWait) async throws(GroupCacheError) {
        self.core.changesMade.wrappingAdd(1, ordering: .relaxed)
        let getters = self.core.members.withLockedValue { $0 }.getters.compactMap { $0 }
        // And once more: whoever has left between the two is not told.
        self.core.changesMade.wrappingAdd(1, ordering: .relaxed)
        if getters.isEmpty { return }
        let failures = await withTaskGroup(of: (String, GroupCacheError)?.self) { tasks in
            for getter in getters {
                tasks.addTask {
                    do throws(GroupCacheError) {
                        // Behind what it has not heard yet, it has to be the last.
                        if getter.standing.stream.owesNews, self.core.keep(change, for: getter) { throw .notDelivered }
                        try await getter.make([change], wait: wait, standInTTL: self.core.standInTTL(of: change))
                        return nil
                    } catch {
                        if error.code == .cannotFollow || error.code == .notDelivered { return (getter.id, error) }
                        return (getter.id, self.core.keep(change, for: getter) ? .notDelivered : .cannotFollow)
                    }
                }
            }
            return await tasks.reduce(into: [(String, GroupCacheError)]()) { if let some = $1 { $0.append(some) } }
        }
        if failures.isEmpty { return }
        let deaf = failures.filter { $0.1.code == .cannotFollow }
        if !deaf.isEmpty { throw GroupCacheError.cannotFollow.about(deaf.map(\.0)) }
        // Who has made it says who has not heard of it; of the others it is they.
        throw GroupCacheError.notDelivered.about(Array(Set(failures.flatMap { $1.nodes.isEmpty ? [$0] : $1.nodes })))
    }

    package func keep(_ change: Change, for node: any PeerGetter) -> Bool {
        self.core.changesMade.wrappingAdd(1, ordering: .relaxed)
        guard let getter = node as? HTTPGetter else { return false }
        return self.core.keep(change, for: getter)
    }

    // MARK: Following

    /// Follows every peer, those of now and those that come, until the task is cancelled.
    func follow() async {
        guard self.core.feed != nil else { return }
        self.core.isFollowing.store(true, ordering: .relaxed)
        defer { self.core.isFollowing.store(false, ordering: .relaxed) }
        await withDiscardingTaskGroup { tasks in
            for await _ in self.core.peersChanged.stream {
                for getter in self.core.members.withLockedValue({ $0 }).getters.compactMap({ $0 }) where getter.standing.stream.take() {
                    tasks.addTask { await self.follow(getter) }
                }
            }
        }
    }

    private func follow(_ getter: HTTPGetter) async {
        let stream = getter.standing.stream
        if stream.row == 0 {
            self.core.logger.warning(
                "there are too many peers to follow them all; copies of this one's end with their time",
                metadata: ["peer": "\(getter.id)"]
            )
            return stream.refused()
        }
        var backoff = LinkBackoff()
        var random = SystemRandomNumberGenerator()
        await self.waitForLink(to: getter)
        while !Task.isCancelled, !getter.isOver, !stream.isOver {
            do throws(GroupCacheError) {
                try await self.deliver(to: getter)
                let began = NIODeadline.now()
                let count = try await self.ask(getter)
                backoff.reset()
                // A peer that answers at once though it has little to tell is not to keep us busy.
                let shortest = count == 0 ? Self.shortest : count < Self.few ? self.breath : .zero
                if NIODeadline.now() - began < shortest { await self.pause(shortest) }
                continue
            } catch {
                stream.broke()
                switch error.code {
                // It is asked again, for it may be replaced by one of a later version.
                // What it has not heard it will never hear, and it is asked again as any peer that tells nothing.
                case .unsupported, .badRequest, .noSuchGroup, .cannotFollow:
                    stream.refused()
                    await self.pause(.milliseconds(.random(in: 20_000...40_000)))
                default:
                    if !getter.hasLinks { stream.linkRefused(Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000)) }
                    await self.pause(.milliseconds(backoff.next(using: &random)))
                }
            }
        }
        stream.broke()
    }

    /// How long a node that begins leaves it to those who ask for values to open links.
    private static let patience = TimeAmount.seconds(1)

    /// Nodes that begin together are not all there at once. Who tried at once would take the others for down, and do their work, when the first callers come.
    private func waitForLink(to getter: HTTPGetter) async {
        let end = NIODeadline.now() + Self.patience
        // What it has to hear comes before what anybody asks it.
        while getter.standing.links.load(ordering: .relaxed) == 0, !getter.standing.stream.owesNews, NIODeadline.now() < end,
            !Task.isCancelled, !getter.isOver
        {
            await self.pause(.milliseconds(20))
        }
    }

    /// Tells a peer what it could not be told.
    private func deliver(to getter: HTTPGetter) async throws(GroupCacheError) {
        let stream = getter.standing.stream
        while let parcel = stream.nextParcel() {
            do throws(GroupCacheError) {
                try await getter.make(parcel.changes, wait: .owner)
                stream.delivered(parcel)
            } catch {
                stream.notDelivered()
                throw error
            }
        }
    }

    /// For how long a node that stops looks for others that deliver what it owes.
    private static let handingOn = TimeAmount.seconds(5)

    /// What this node owes to peers that cannot be reached would be lost with it: other nodes deliver it.
    func handOutboxesOn() async {
        let end = NIODeadline.now() + Self.handingOn
        let getters = self.core.members.withLockedValue { $0 }.getters.compactMap { $0 }
        for getter in getters where getter.standing.stream.unheard > 0 {
            var outbox = getter.standing.stream.handOn()
            // One of an earlier version would make the changes itself, and say that it is done.
            var heirs = getters.filter { $0 !== getter && $0.standing.stream.namesRings && $0.isUp }
            while let heir = heirs.first, NIODeadline.now() < end, let parcel = outbox.next() {
                do throws(GroupCacheError) {
                    try await heir.make(parcel.changes, for: getter.id, wait: .owner)
                    _ = outbox.acknowledged(parcel.number)
                } catch {
                    outbox.failed()
                    heirs.removeFirst()
                }
            }
            let left = outbox.handOn()
            if left.isEmpty { continue }
            for change in left { _ = self.core.keep(change, for: getter) }
            self.core.logger.warning(
                "this node stops, and nobody tells a peer what it owes it: until its time is over, the peer may serve what was changed",
                metadata: ["peer": "\(getter.id)", "changes": "\(left.count)"]
            )
        }
    }

    /// How soon a peer is asked again that had nothing to tell.
    private static let shortest = TimeAmount.milliseconds(10)
    /// Of fewer changes the next ones can wait a moment.
    private static let few = 64
    /// How long: the longer the more nodes there are to be asked, for each answer costs this node some 100 µs, however little it tells: so to ask takes a quarter
    /// of a core, also where all of very many nodes change something all the time. 1 to 100 ms.
    private var breath: TimeAmount {
        .microseconds(max(1_000, min(100_000, 400 * Int64(self.core.members.withLockedValue { $0.getters.count }))))
    }

    /// - Returns: How many changes the peer has told.
    private func ask(_ getter: HTTPGetter) async throws(GroupCacheError) -> Int {
        guard let feed = self.core.feed, let leases = self.core.leases else { return 0 }
        let stream = getter.standing.stream
        let asked = leases.clock.milliseconds
        let question = ChangeQuestion(
            follower: feed.log.epoch,
            id: self.core.members.withLockedValue { $0 }.selfID(self.configuration.dialect) ?? "",
            position: stream.ask(asked),
            wait: UInt32(clamping: feed.promise / 5)
        )
        let list = try await getter.follow(question)
        do throws(Follower.Fault) {
            try stream.answered(list, asked: asked) {
                self.core.loadsMayBeOld(of: getter)
            } spread: {
                self.core.spreadOfLate
            } hear: {
                self.core.heard($0, from: getter)
            }
            self.core.noteRing(list.ring)
            self.core.noteConfirmations()
        } catch {
            self.core.logger.warning(
                "a peer tells changes that cannot be; what was copied from it is not used",
                metadata: ["peer": "\(getter.id)"]
            )
            throw GroupCacheError(.peerFailed, "the peer tells changes that cannot be", cause: error)
        }
        return list.changes.count
    }

    /// By a timer of an event loop: see ``sweep()``.
    func pause(_ time: TimeAmount) async {
        let timer = self.eventLoopGroup.next().scheduleTask(in: time) {}
        await withTaskCancellationHandler {
            _ = try? await timer.futureResult.get()
        } onCancel: {
            timer.cancel()
        }
    }
}

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

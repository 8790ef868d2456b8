// SPDX-License-Identifier: Apache-2.0

package import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

// Changes of this node, which others follow: what a group asks its pool about them.
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
}

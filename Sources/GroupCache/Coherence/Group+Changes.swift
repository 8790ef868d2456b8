// SPDX-License-Identifier: Apache-2.0

// What this node tells of its changes, and what it does about those of others.
extension Group {
    /// Another node has changed something.
    ///
    /// An answer that left that node before the change may still be on its way. It is the business of a flight, and those that run are superseded here, in
    /// one step with the store: an answer that lands before is taken out again, and one that lands after is not kept. One that is asked for after this
    /// was made after the change.
    func heard(_ change: Change) {
        switch change {
        case .key(let key, _): self.discard(self.hashed(key))
        // What this node has as the owner is no copy of a former one's.
        case .copies(let key, _): if self.peers?.pickOwner(of: key) != nil { self.discard(self.hashed(key)) }
        case .tag(let tag, _, let soft): self.store.tags.copies.remove(tag, soft: soft, now: self.store.now())
        case .group, .everything: self.discardCopies()
        }
    }

    /// Loads of the keys of some owners may bring what was there before a change of which this node has not heard.
    ///
    /// - Parameter wasOwner: Whether they have owned a key that is this node's now, a moment ago; `nil`: no owner has changed in that time.
    func loadsMayBeOld(of isOwner: ((any PeerGetter)?) -> Bool, wasOwner: ((Key) -> Bool)?) {
        guard let peers = self.peers else { return }
        self.dropMoved(atOnce: true)
        // What has come back they may have changed in between, in a life that did not know whose it had been before.
        if let wasOwner { self.discardOwn(where: wasOwner) }
        for shard in 0..<self.store.shardCount {
            // Who owns what is asked outside of the lock; a load that begins meanwhile begins late enough.
            let keys = self.flights.withTable(shard) { $0.keys }
            for key in keys where isOwner(peers.pickOwner(of: key.key)) {
                self.flights.withTable(shard) { $0.supersede(key) }?.start()
            }
        }
    }

    /// Makes a change, which concerns more nodes than this one, here.
    ///
    /// The store changes first, and then the change is recorded. Here that needs no lock over both. Who reads the log's position and then the store has
    /// a position before the change's, or finds what the change has left; and a load that began before and lands after knows of a change of a tag by
    /// its number, and of a clear because it was superseded.
    ///
    /// - Returns: Its number in the log, if somebody follows this node.
    @discardableResult
    func made(_ change: Change) -> UInt64? {
        switch change {
        case .key(let key, _):
            self.discard(self.hashed(key), records: true)
            return self.recorder?.position.sequence
        case .copies(let key, _):
            self.discardAsFormer(key)
            return self.recorder?.position.sequence
        case .tag(let tag, _, let soft):
            // What is copied from others goes at once, too, and not only when they tell.
            let now = self.store.now()
            self.store.tags.own.remove(tag, soft: soft, now: now)
            self.store.tags.copies.remove(tag, soft: soft, now: now)
        case .group, .everything: self.clearLocal()
        }
        guard let recorder else { return nil }
        // Of everything only what is this group's is this group's to record.
        let sequence = recorder.record(change.group == nil ? .group(self.name) : change)
        recorder.wake()
        return sequence
    }

    /// What this node has of a key that has come to another one goes, and so do the copies that were made here.
    func discardAsFormer(_ key: Key) {
        self.discard(self.hashed(key))
        _ = self.recorder?.record(.copies(key, group: self.name))
        self.recorder?.wake()
    }

    /// Makes a change here and at every other node.
    private func make(_ change: Change, wait: ChangeWait) async throws(GroupCacheError) {
        // There seems to be nobody to tell.
        if self.recording?.knowsOwners == false { throw .ownersUnknown }
        let sequence = self.made(change)
        if self.peers == nil { return }
        guard let recording else { throw .cannotFollow }
        var failure: GroupCacheError?
        let began = self.configuration.clock.milliseconds
        do throws(GroupCacheError) { try await recording.spread(change, wait: wait) } catch { failure = error }
        // What was asked of others meanwhile they may have answered before they were told. And of one that was not told this node may have taken over what
        // it had.
        if failure == nil { self.heard(change) } else { self.made(change) }
        if wait.isApplied, let recorder, let sequence {
            // The others have waited for theirs meanwhile.
            let left = wait.after(.milliseconds(self.configuration.clock.milliseconds - began))
            do throws(GroupCacheError) {
                try await recorder.applied(sequence, standInTTL: self.longestUnheard, within: left.within)
            } catch {
                // Who has not made the change is worse off than who has copies of it.
                failure = failure.map { $0.code == error.code ? $0.about(Array(Set($0.nodes + error.nodes))) : $0 } ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Removes every value that has a tag, from all nodes, however many there are: O(1) at each.
    ///
    /// ```swift
    /// try await pages.set("home", to: page, tags: ["user:7", "layout"])
    /// try await pages.remove(tag: "layout")
    /// ```
    ///
    /// A get that begins after this has returned is not answered with a value that has the tag and was loaded, or set, before, be it one whose load runs
    /// just now. Each node removes what it owns, and what it has copied; of nodes that follow an owner, as ``ChangeWait`` says. An entry takes its place
    /// until it is found, or its room is needed.
    ///
    /// A node tells 65,536 tags apart that were removed. Of more it takes the half that were removed longest ago for one, which all values have that
    /// have tags and were not asked for since.
    ///
    /// - Parameters:
    ///   - tag: 1 to 128 bytes of UTF-8, compared byte for byte.
    ///   - soft: The values' time is over, but they are still there: for ``Freshness/staleWhileRevalidate``, ``Freshness/staleIfError`` and
    ///     ``LoadContext/previous``. The windows begin now; when the tag is removed softly again before a value is asked for, then.
    ///   - wait: What is waited for.
    /// - Throws: ``GroupCacheError``: `invalidConfiguration`: it is no tag, and nothing has changed. Else the change is made here, and
    ///   `notDelivered` names the nodes that have not heard of it, and `cannotFollow` those that never will, or says that the pool cannot tell others.
    public func remove(tag: String, soft: Bool = false, wait: ChangeWait = .owner) async throws(GroupCacheError) {
        guard let tag = EntryTag(tag) else { throw .invalidTags }
        try await self.make(.tag(tag, group: self.name, soft: soft), wait: wait)
    }

    /// Removes everything from all nodes: ``clearLocal()`` is for this one. O(entries) at each, and one change for those who follow it.
    ///
    /// Loads that run go on for those who wait for them, and are not stored; who asks after this has returned does not wait for them.
    ///
    /// - Parameter wait: What is waited for.
    /// - Throws: ``GroupCacheError``: as ``remove(tag:soft:wait:)``.
    public func clear(wait: ChangeWait = .owner) async throws(GroupCacheError) {
        try await self.make(.group(self.name), wait: wait)
    }

    /// What this node's entries live by that are another's, and of whose changes nothing is heard.
    var unheard: Int { self.store.leases == nil ? 0 : CopyLeases.unheard }

    /// What was removed, as this node's entries or copies see it.
    func removals(_ kind: EntryKind) -> TagRemovals { kind == .main ? self.store.tags.own : self.store.tags.copies }

    /// Removes all copies of other nodes' entries, and what loads that began before would bring. O(entries).
    private func discardCopies() {
        // First the flights, as where everything is cleared.
        let now = self.configuration.clock.milliseconds
        for shard in 0..<self.store.shardCount {
            let next = self.flights.withTable(shard) { table in
                table.changed.insertAll(now: now)
                return table.supersedeAll()
            }
            for load in next { load.start() }
        }
        var cursor: ScanCursor? = .start
        while let from = cursor {
            let page = self.store.scan(from: from, limit: 256)
            for entry in page.entries where entry.details.kind == .near {
                entry.key.withUnsafeBytes { _ = self.store.remove(self.store.hash($0), $0) }
            }
            cursor = page.next
        }
    }
}

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
        // Which entries have a tag nobody knows yet; so all copies go.
        case .tag, .group, .everything: self.discardCopies()
        }
    }

    /// Makes a change that concerns more nodes than this one.
    func made(_ change: Change) {
        switch change {
        case .key(let key, _): self.discard(self.hashed(key), records: true)
        case .copies(let key, _): self.discardAsFormer(key)
        // Which entries have a tag nobody knows yet; so everything goes.
        case .tag, .group, .everything:
            self.clearLocal()
            _ = self.recorder?.record(change)
            self.recorder?.wake()
        }
    }

    /// What this node has of a key that has come to another one goes, and so do the copies that were made here.
    func discardAsFormer(_ key: Key) {
        self.discard(self.hashed(key))
        _ = self.recorder?.record(.copies(key, group: self.name))
        self.recorder?.wake()
    }

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

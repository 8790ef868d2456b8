// SPDX-License-Identifier: Apache-2.0

// What every change of a key comes down to: the store changes, the loads that began before are sent off, and it is written down, in one step.
extension Group {
    /// How often a condition is looked at anew because somebody else has changed the key in between.
    private static var attempts: Int { 64 }

    /// Changes the store if a condition holds, in one step with sending off the loads that began before.
    ///
    /// The tag is made of what an entry had before the lock is taken, since codecs are other people's code and bytes may be many. Under the lock it
    /// is only asked whether that very entry is still there, by its version, which no two values of a key have in common; if not, all begins anew.
    /// So of two callers who have seen the same value one finds the other's.
    func change(
        _ key: HashedKey,
        records: Bool,
        if condition: ChangeCondition?,
        settle: Duration = .zero,
        _ body: (inout Victims<Value>) -> InsertOutcome?
    ) throws(GroupCacheError) -> Changed {
        guard let condition else { return self.change(key, records: records, settle: settle, body) }
        for _ in 0..<Self.attempts {
            let held = try self.held(key, withTag: condition.comparesTags)
            guard condition.holds(isThere: held.isThere, held.tag) else { throw .conditionFailed }
            if let done = self.change(key, records: records, onlyOf: held.version, settle: settle, body) { return done }
        }
        throw GroupCacheError(.overloaded, "others change the key all the time", retryAfter: .milliseconds(100))
    }

    /// Changes the store in one step with sending off the loads that began before, and with writing it down.
    func change(
        _ key: HashedKey,
        records: Bool,
        settle: Duration,
        _ body: (inout Victims<Value>) -> InsertOutcome?
    ) -> Changed {
        // Never nil: it asks for nothing.
        while true { if let done = self.change(key, records: records, onlyOf: nil, settle: settle, body) { return done } }
    }

    /// - Parameters:
    ///   - version: of the entry that has to be there still, or 0 for none; `nil`: whatever is there.
    ///   - adopts: What comes is another node's, from before this one changed anything of the key: not if it has.
    ///   - body: Changes the store; returns what became of the value that it stored, if it did.
    /// - Returns: `nil`: something else is there by now, and nothing has changed.
    func change(
        _ key: HashedKey,
        records: Bool,
        onlyOf version: UInt64?,
        adopts: Bool = false,
        settle: Duration,
        _ body: (inout Victims<Value>) -> InsertOutcome?
    ) -> Changed? {
        // Let go without the lock, as what leaves the store is: a value may run code of its own when it goes.
        var victims = Victims<Value>()
        let hasPeers = self.flights.hasPeers
        let now = !hasPeers && settle == .zero ? nil : self.configuration.clock.milliseconds
        // Nothing of what is returned is of the group's type, which is not known here: each look-up of one that is costs as much as the change itself.
        let done = self.flights.withTable(self.shard(key)) { table -> Changed? in
            let held = self.heldVersion(key)
            if let version, version != held { return nil }
            if let now {
                if adopts, table.changedHere.contains(key.hash, now: now) { return nil }
                if hasPeers { table.changed.insert(key.hash, now: now) }
                if records, hasPeers { table.changedHere.insert(key.hash, now: now) }
                if settle > .zero { table.settling.insert(key.hash, until: now + settle.milliseconds, now: now) }
            }
            table.failures.forget(key.hash)
            let next = table.supersede(key)
            let outcome = body(&victims)
            // Last, and under the lock: see ChangeRecorder.
            if records, let recorder {
                _ = recorder.record(.key(key.key, group: self.name), isSet: outcome.map { $0 != .tooLarge } ?? false)
            }
            return Changed(outcome: outcome, wasThere: held != 0, next: next)
        }
        if records, done != nil { self.recorder?.wake() }
        // The optimiser may end a life after its last use: these last until the lock is let go.
        withExtendedLifetime(victims) {}
        guard let done else { return nil }
        done.next?.start()
        return done
    }
}

/// What a change has come to. Not a group's own type, which would be one of the group's values: see ``Group/change(_:records:onlyOf:adopts:settle:_:)``.
struct Changed {
    /// What became of a value that was to be stored; `nil`: none was.
    var outcome: InsertOutcome?
    /// Whether there was a value before.
    var wasThere: Bool
    /// A load that waited behind one that was sent off, to be started without the lock.
    fileprivate var next: Load?
}

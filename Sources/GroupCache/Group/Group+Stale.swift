// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

// Values past their time, and loads past theirs: who is served one, who loads a new one, and who waits no longer.
extension Group {
    /// The value that may be served because a load fails, or is slow.
    ///
    /// - Parameter counts: It is served.
    func oldAnswer(_ key: HashedKey, counts: Bool = false) -> Answer? {
        guard let entry = self.entry(key), let value = entry.value, let until = entry.details.staleIfErrorUntil,
            entry.details.state != .fresh, self.configuration.clock.milliseconds < until
        else { return nil }
        if counts {
            self.counters.staleIfErrorHits.increment()
            self.noteStale()
        }
        return Answer(value: value, source: .stale, ttl: .zero, attributes: entry.sidecar?.attributes ?? .none)
    }

    /// The value that is to be loaded anew, if we hold it as its owner.
    func previous(_ key: HashedKey) -> EntryInfo<Value>? {
        // Nearly always there is none, which is found out without touching a value.
        guard self.holds(key), let entry = self.entry(key), entry.details.kind == .main, entry.value != nil else { return nil }
        return entry
    }

    /// Sees to it that a load ends in time, whether or not the getter or the peer heeds its cancellation; and, if there is an old value, that this
    /// has to do from some moment on.
    func setTimers(of load: Load) {
        // Loads hold their group; the timer does not, for it may have long to run when there are none.
        // All loads have the same time, so that of the first to begin is over first. A timer for each would cost as much as the rest of a peer get.
        if !self.flights.isWatched.load(ordering: .sequentiallyConsistent),
            !self.flights.isWatched.exchange(true, ordering: .sequentiallyConsistent)
        {
            _ = self.flights.deadlines.add(at: load.began + self.loadTime) { [weak self] in self?.endOverdueLoads() }
        }
        if load.kind == .local { self.setSoftTimer(of: load) }
    }

    @inline(never)
    private func setSoftTimer(of load: Load) {
        guard self.holds(load.key), self.entry(load.key)?.details.staleIfErrorUntil != nil else { return }
        let patience = self.configuration.freshness.softTimeout
        guard patience < self.configuration.loadTimeout else { return }
        let soft = self.flights.deadlines.add(after: patience) { self.releasePatient(load) }
        load.setTimer(soft, of: self.flights.deadlines)
    }

    /// Ends the loads whose time is over, from the moment on at which they were asked for: one that is to follow another one has waited for that.
    ///
    /// Comes when the time of the oldest load of then is over; and again for the oldest that it finds. A load that begins meanwhile finds that
    /// nobody watches, or is found here, or both.
    private func endOverdueLoads() {
        self.flights.isWatched.store(false, ordering: .sequentiallyConsistent)
        let now = self.configuration.clock.milliseconds
        let longest = self.loadTime
        var oldest: Int64?
        for shard in 0..<self.store.shardCount {
            var overdue: [Load] = []
            self.flights.withTable(shard) { table in
                table.forEachJob { load in
                    if load.began + longest <= now { overdue.append(load) } else { oldest = min(oldest ?? .max, load.began) }
                }
            }
            for load in overdue {
                self.land(load, .failure(.deadlineExceeded), cancelling: true, failed: load.kind == .local ? LoadFailure() : nil)
            }
        }
        guard let oldest else { return }
        self.flights.isWatched.store(true, ordering: .sequentiallyConsistent)
        _ = self.flights.deadlines.add(at: max(now + 1, oldest + longest)) { [weak self] in self?.endOverdueLoads() }
    }

    /// The load is slow: who can have an old value waits no longer, nor who comes when the value is old that is still fresh. The load goes on.
    private func releasePatient(_ load: Load) {
        let old = self.oldAnswer(load.key)
        let waiters = self.flights.withTable(self.shard(load)) { $0.setSlow(load.flight, releasing: old != nil) }
        guard let old else { return }
        self.counters.staleIfErrorHits.increment(by: waiters.count)
        if !waiters.isEmpty { self.noteStale() }
        for waiter in waiters { waiter.finish(.success(old)) }
    }

    /// Whether a load had less time than it should have, because who began it had no more: then it is not the getter that failed.
    func wasHurried(_ load: Load) -> Bool {
        load.deadline < load.began + self.loadTime && self.configuration.clock.milliseconds >= load.deadline
    }

    /// Loads the value of `key` anew, unless that is already being done. Only the owner does so; other nodes' copies just end.
    ///
    /// The load is nobody's: it inherits no task-local values of the caller who happened to find the entry old.
    ///
    /// - Parameter state: As which the entry was found.
    func refreshInBackground(_ key: HashedKey, _ state: EntryState) {
        guard self.peers?.pickOwner(of: key.key) == nil else { return }
        let now = self.configuration.clock.milliseconds
        let longest = self.loadTime
        let load = self.flights.withTable(self.shard(key)) { table -> Load? in
            if table.isLoading(.local, key) || table.failures.error(of: key.hash, now: now) != nil { return nil }
            return table.hold(.local, key, number: NumberSource.shared.next()) { flight in
                Load(self, flight, .local, key, .local, began: now, deadline: now + longest, trail: nil, refreshes: state)
            }
        }
        load?.start()
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Tracing

// The way of a get that the store did not answer, in call order: look at what was found → wait for the key's load, or begin it → ask peers, or
// look again, take over what a former owner has, wait for a turn and call the getter → land.
//
// A load runs on its own, in no caller's task: each caller can go alone, and the last one takes the load along.
extension Group: LoadingGroup {
    /// Ends any get, of a caller, of a peer, over HTTP, with what was found in the store.
    func answer(_ key: HashedKey, _ found: Lookup<Value>, _ options: GetOptions) async throws(GroupCacheError) -> Answer {
        if let error = key.key.error { throw error }
        if options.reload { return try await self.reload(key, options) }
        switch found.state {
        case .fresh:
            return Answer(value: found.value, source: found.isNear ? .near : .main)
        case .refreshEarly:
            self.refreshInBackground(key, found.state)
            return Answer(value: found.value, source: .main)
        case .stale where options.allowStale:
            self.refreshInBackground(key, found.state)
            return Answer(value: found.value, source: .stale)
        case .stale, .miss, .expired: return try await self.miss(key, options)
        }
    }

    /// Asks the ring for the owner of a key that the store has not.
    @inline(__always)
    func miss(_ key: HashedKey, _ options: GetOptions) async throws(GroupCacheError) -> Answer {
        if let error = key.key.error { throw error }
        self.counters.loads.increment()
        self.noteMiss(key)
        self.metrics.countLoad()
        let start = self.metrics.start()
        defer { self.metrics.endMiss(start) }
        let route = options.isTerminal ? .local : self.peers?.pickPeer(for: key.key) ?? .local
        return try await self.join(self.kind(route, options), key, route, options)
    }

    func kind(_ route: PeerRoute, _ options: GetOptions) -> FlightKind {
        if route.owner == nil { .local } else { options.isStrict ? .strict : .routed }
    }

    /// Waits for the load of `key`, or begins one.
    ///
    /// - Parameter deadline: When the caller's time is over, in milliseconds; `nil`: it begins now.
    func join(
        _ kind: FlightKind,
        _ key: HashedKey,
        _ route: PeerRoute,
        _ options: GetOptions,
        deadline: Int64? = nil
    ) async throws(GroupCacheError) -> Answer {
        let trail = Trail.waiting
        let began = self.configuration.clock.milliseconds
        let longest = self.loadTime
        let mine = min(deadline ?? options.deadline ?? .max, began + (options.timeout?.milliseconds ?? longest), began + longest)
        // Every load ends by itself in time; its caller needs a clock of its own only to go earlier.
        let until: Int64? = mine < began + longest ? mine : nil
        var found: Answer
        do throws(GroupCacheError) {
            if !options.isCounted { try self.beginWaiting(trail) }
            defer { if !options.isCounted { self.endWaiting(trail) } }
            let request = self.request(kind, key, trail, isStrict: options.isStrict, reload: options.reload)
            found = try await self.flights.join(request, until: until, old: { self.oldAnswer(key, counts: true) }) { flight in
                // Peers are asked for all who may join, with the load's own time; the getter is told the time of who began it.
                let deadline = kind == .local ? mine : began + longest
                return Load(
                    self,
                    flight,
                    kind,
                    key,
                    route,
                    began: began,
                    deadline: deadline,
                    trail: trail,
                    batch: options.batch,
                    isForPeer: options.isTerminal
                )
            }
        } catch {
            // The load may still end well, but for this caller it is too slow, which is as much of a failure; or there are too many callers already,
            // or the getter has just failed. (A load that fails comes with the old value, if there is one, by itself.)
            guard error.code != .cancelled, error.code != .recursiveLoad, !options.isStrict, let old = self.oldAnswer(key, counts: true)
            else {
                throw error
            }
            return old
        }
        // What this caller has waited for began before one of its tags was removed. That may have been before the caller came, and only now, with the
        // value, is it known which tags it has. Whatever is joined now begins after that.
        if found.isOld { return try await self.join(kind, key, route, options, deadline: mine) }
        return found
    }

    // MARK: The load

    /// Does what a load is for, or sends it on its way.
    func begin(_ load: Load, _ place: Load.Place) {
        self.setTimers(of: load)
        switch load.kind {
        case .local: load.inTask(place) { await self.run(load) }
        case .routed, .strict: if self.look(load) == .goesOn { load.ask() }
        case .reload: load.ask()
        }
    }

    /// No peer could answer. The local load is shared with requests from peers who, for the same reason, take us for the owner.
    func loadWithoutPeers(_ load: Load, because error: GroupCacheError?) {
        // Whoever wants a value loaded anew wants it of the owner.
        guard load.kind.isRouted else {
            self.land(load, .failure(error ?? .peerFailed))
            return
        }
        load.inTask {
            // Those who can do with an old value are given one when this load lands; the others are not.
            var options = GetOptions(allowStale: false)
            (options.isCounted, options.batch) = (true, load.batch)
            let result: Outcome
            do throws(GroupCacheError) {
                result = .success(try await self.join(.local, load.key, .local, options, deadline: load.deadline))
            } catch {
                result = .failure(error)
            }
            self.land(load, result)
        }
    }

    /// The work of a local load.
    func run(_ load: Load) async {
        // Two callers miss; one begins a load, stores and lands; only then comes the other here. Without this second look it would load again.
        guard self.look(load) == .goesOn else { return }
        if load.refreshes != nil { self.counters.refreshes.increment() }
        if await self.takeOver(load) { return }
        do throws(GroupCacheError) {
            let turn = try await self.turn(of: load)
            defer { turn.end() }
            // It may have been a long time: somebody may have set the value, or nobody may wait any more. Then the getter is not called.
            let now = self.configuration.clock.milliseconds
            guard self.look(load, callingAt: now) == .goesOn else { return }
            self.counters.loadsDeduped.increment()
            let previous = self.previous(load.key)
            let start = ContinuousClock.now
            let result = await self.callGetter(load, turn.place, previous?.value, timeout: load.timeLeft(now))
            let cost = ContinuousClock.now - start
            self.record(cost, of: result)
            self.land(load, result, previous: previous, cost: cost)
        } catch {
            self.land(load, .failure(error))
        }
    }

    private func callGetter(
        _ load: Load,
        _ place: LoadPlace,
        _ previous: Value?,
        timeout: Duration
    ) async -> Result<Loaded<Value>, GroupCacheError> {
        let context = LoadContext(group: self.name, previous: previous, timeout: timeout)
        let trail = Trail(id: self.id(of: load.key), parent: load.trail, place: place)
        return await Trail.$current.withValue(trail) {
            await self.traced { () async -> Result<Loaded<Value>, GroupCacheError> in
                do { return .success(try await self.getter.load(load.key.key, context: context)) } catch { return .failure(.getter(error)) }
            }
        }
    }

    // MARK: Landing

    /// Lands what the getter answered.
    func land(_ load: Load, _ result: Result<Loaded<Value>, GroupCacheError>, previous: EntryInfo<Value>?, cost: Duration) {
        let loaded: Loaded<Value>
        switch result {
        case .success(let some): loaded = some
        // An absence of which the getter heard elsewhere is not one of this key.
        case .failure(let error) where error.code == .notFound && error.group == nil: loaded = .notFound(ttl: error.retryAfter)
        case .failure(let error):
            self.counters.localLoadErrors.increment()
            self.metrics.countLoadErrors()
            self.noteFailure(error, keys: [load.key.key])
            self.land(load, .failure(error), failed: error.isMemorable && !self.wasHurried(load) ? LoadFailure() : nil)
            return
        }
        // Only the owner keeps a value for its full time. We may be loading for a key that is not ours because its owner is down, or because a
        // peer sees another ring than we do; the true owner's value may change without our knowing.
        let isOwner = self.peers?.pickOwner(of: load.key.key) == nil
        if previous != nil, loaded.confirms { self.counters.notModified.increment() }
        do throws(GroupCacheError) {
            let rules = LandingRules(self.configuration, self.codec, from: isOwner ? .getter : .standIn, unheard: self.unheard)
            let (answer, change) = try rules.land(loaded, previous: previous, cost: cost, version: load.flight.number)
            self.counters.localLoads.increment()
            self.land(load, .success(answer), change)
        } catch {
            self.counters.localLoadErrors.increment()
            self.noteFailure(error, keys: [load.key.key])
            // An answer of the getter's, if not a good one, is truer than what is held; a failure is no answer.
            let drops: StoreChange<Value> = loaded.isRefusal ? .drop : .none
            let isMemorable = loaded.isMemorable ?? (error.code == .getterFailed)
            self.land(load, .failure(error), drops, failed: isMemorable ? LoadFailure(stated: loaded.failureTTL) : nil)
        }
        if isOwner { self.endSoonIfMoved(load.key) }
    }

    /// Lands what a peer answered, and keeps a copy of it if the key is asked for often enough.
    func landRouted(_ load: Load, _ result: Result<PeerEntry, GroupCacheError>) {
        switch result {
        case .success(let entry):
            let value: Value
            do throws(GroupCacheError) {
                value = try self.decode(entry)
            } catch {
                // A node of another version answered: for what we need it is as good as down. The getter is asked, as for any owner that cannot help.
                self.noteMismatch(error)
                return self.loadWithoutPeers(load, because: error)
            }
            self.counters.loadsDeduped.increment()
            self.counters.peerLoads.increment()
            let age = entry.ageInMilliseconds
            let answer = Outcome.success(Answer(value: value, source: .peer, ttl: entry.ttl, attributes: entry.attributes, age: age))
            if load.kind.isRouted, self.store.admitRemote(load.key.hash) { return self.landCopy(load, answer, value, entry) }
            self.landRouted(load, answer)
        case .failure(let error):
            self.counters.loadsDeduped.increment()
            guard error.code == .notFound else { return self.land(load, .failure(error)) }
            self.counters.peerLoads.increment()
            self.landRouted(load, .success(Answer(value: nil, source: .peer, ttl: error.retryAfter)))
        }
    }

    private func landRouted(_ load: Load, _ answer: Outcome) {
        // The copy that we had is older than what the owner has just loaded.
        if load.kind == .reload { self.landDropping(load, answer) } else { self.land(load, answer) }
    }

    @inline(never)
    private func landDropping(_ load: Load, _ answer: Outcome) { self.land(load, answer, .drop) }

    // Apart, like all that handles values of the group's own type on the rare ways: a function looks up the metadata of every such type when it is
    // entered, which here would cost as much as a tenth of a peer get.
    @inline(never)
    private func landCopy(_ load: Load, _ answer: Outcome, _ value: Value, _ entry: PeerEntry) {
        let rules = LandingRules(self.configuration, self.codec, from: .owner, unheard: self.unheard)
        let waited = self.configuration.clock.milliseconds - load.began
        self.land(load, answer, rules.copy(value, entry, version: load.flight.number, waited: .milliseconds(waited)))
    }

    /// Ends a load with what the store has by now, if that is fresh and nobody insists on a load. If not, the load goes on, and its getter counts as
    /// called from a moment on.
    ///
    /// One step under the flight's lock. Were the look a step of its own, a remove could come behind it: who removed the value, asks again and joins
    /// this load would be handed what they had removed. And a set that came between look and call would be overwritten by what the getter says.
    func look(_ load: Load, callingAt now: Int64? = nil, cancelling: Bool = false) -> Look {
        // Nearly always there is nothing, and that is found out without touching a value. (Of an entry that is to be refreshed early a second look
        // would throw the dice again.)
        let look = self.flights.withTable(self.shard(load)) { table in
            guard table.isOpen(load.flight) else { return Look.ended }
            if load.refreshes != .refreshEarly, !table.isReload(load.flight), !self.isMissing(load.key) { return .found }
            if let now { _ = table.call(load.flight, now: now) }
            return .goesOn
        }
        return look == .found ? self.landFound(load, callingAt: now, cancelling: cancelling) : look
    }

    @inline(never)
    private func landFound(_ load: Load, callingAt now: Int64?, cancelling: Bool) -> Look {
        // It is let go without the lock: a value may run code of its own when it goes.
        var found: Lookup<Value>?
        let (landing, look) = self.flights.withTable(self.shard(load)) { table -> (Flights.Table.Landing?, Look) in
            guard table.isOpen(load.flight) else { return (nil, .ended) }
            found = self.peek(load.key)
            if !table.isReload(load.flight), found?.state == .fresh || found?.state == .refreshEarly {
                return (table.land(load.flight, changes: false), .ended)
            }
            if let now { _ = table.call(load.flight, now: now) }
            return (nil, .goesOn)
        }
        guard let landing, let found else { return look }
        self.end(load, landing, .success(Answer(value: found.value, source: found.isNear ? .near : .main)), cancelling: cancelling)
        return .ended
    }

    /// Ends a load that changes nothing in the store.
    func land(_ load: Load, _ result: Outcome, cancelling: Bool = false, failed: LoadFailure? = nil) {
        self.land(load, result, changes: false, cancelling: cancelling, failed: failed) {}
    }

    /// Ends a load and changes the store, unless the load was superseded.
    func land(_ load: Load, _ result: Outcome, _ change: StoreChange<Value>, cancelling: Bool = false, failed: LoadFailure? = nil) {
        // A tag of the value was removed while it was loaded: nobody keeps it, nor what was there before. (Should one be removed after this look, the
        // value is stored, and is gone for who finds it.)
        if let tagged = change.tagged, self.removals(tagged.kind).verdict(tagged.attributes, stamp: tagged.stamp).verdict == .gone {
            self.counters.supersededLoads.increment()
            var result = result
            if case .success(let answer) = result { result = .success(answer.superseded) }
            return self.land(load, result, .drop, cancelling: cancelling, failed: failed)
        }
        var victims = Victims<Value>()
        var isTooLarge = false
        self.land(load, result, changes: change.isChange, cancelling: cancelling, failed: failed) {
            isTooLarge = self.apply(change, load.key, releasing: &victims)
        }
        // The optimiser may end a life after its last use: this one lasts until the lock is let go.
        withExtendedLifetime(victims) {}
        if isTooLarge { self.noteTooLarge() }
    }

    /// Ends a load: changes the store, unless the load was superseded, and hands `result` to everybody who waits.
    ///
    /// The check and the change of the store are one step under the flight's lock. Were they two, this could happen: the load finds that
    /// nothing superseded it; a remove takes the old value out of the store; the load puts it in again.
    ///
    /// - Parameters:
    ///   - changes: Whether `change` changes anything.
    ///   - cancelling: It is not the load's own work that ends it.
    ///   - failed: The getter has, and the key is left alone for a while.
    private func land(
        _ load: Load,
        _ result: Outcome,
        changes: Bool,
        cancelling: Bool,
        failed: LoadFailure?,
        change: () -> Void
    ) {
        var landing = Flights.Table.Landing()
        var next: Load?
        var isChange = false
        let isOpen = self.flights.withTable(self.shard(load)) { table -> Bool in
            // What is loaded is no change, but if somebody had it loaded anew: others have what was there before.
            if changes, load.kind == .local, self.recorder != nil { isChange = table.isReload(load.flight) }
            guard table.land(load.flight, changes: changes, into: &landing) else { return false }
            // It began too soon after a removal to be believed for longer than this.
            if changes, load.kind == .local, table.settling.contains(load.key.hash, load.began) { landing.stores = false }
            guard landing.stores else {
                isChange = false
                return true
            }
            change()
            if isChange { _ = self.recorder?.record(.key(load.key.key, group: self.name), isSet: true) }
            if let failed, landing.wasCalled, case .failure(let error) = result {
                self.noteFailure(error, load.key, &table.failures, stated: failed.stated)
            } else if load.kind == .local, case .success = result {
                table.failures.forget(load.key.hash)
            }
            // What the owner had said before is older than what it has loaded anew.
            if load.kind == .reload, changes { next = table.supersede(load.key) }
            return true
        }
        guard isOpen else { return }
        if isChange { self.recorder?.wake() }
        next?.start()
        self.end(load, landing, result, cancelling: cancelling)
    }

    private func end(_ load: Load, _ landing: Flights.Table.Landing, _ result: Outcome, cancelling: Bool) {
        if cancelling { load.cancel() }
        load.end(self.flights.deadlines)
        landing.start?.start()
        self.hand(result, to: landing, key: load.key)
    }

    private func hand(_ result: Outcome, to landing: Flights.Table.Landing, key: HashedKey) {
        var (result, old) = (result, result)
        switch result {
        case .success(let answer):
            if !landing.stores { (result, old) = (.success(answer.superseded), .success(answer.superseded)) }
        case .failure(let error):
            if error.code != .cancelled, error.code != .recursiveLoad, let answer = self.oldAnswer(key) { old = .success(answer) }
        }
        if !landing.stores { self.counters.supersededLoads.increment() }
        func finish(_ waiting: (waiter: FlightWaiter, isStrict: Bool)) {
            let outcome = waiting.isStrict ? result : old
            if case .success(let answer) = outcome, answer.source == .stale {
                self.counters.staleIfErrorHits.increment()
                self.noteStale()
            }
            waiting.waiter.finish(outcome)
        }
        if let first = landing.first { finish(first) }
        for waiting in landing.others { finish(waiting) }
    }
}

/// What a look into the store has come to.
enum Look { case ended, found, goesOn }

/// The getter has failed, in a way that is to be remembered.
struct LoadFailure {
    /// For how long, as the getter has said; `nil`: as the group's back-off says.
    var stated: Duration?
}

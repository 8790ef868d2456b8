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
        case .stale, .miss, .expired:
            self.counters.loads.increment()
            self.metrics.countLoad()
            let route = options.isTerminal ? .local : self.peers?.pickPeer(for: key.key) ?? .local
            return try await self.join(route.owner == nil ? .local : .routed, key, route, options)
        }
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
        let trail = Trail.current
        let began = self.configuration.clock.milliseconds
        let longest = self.configuration.loadTimeout.milliseconds
        let mine = min(deadline ?? .max, began + (options.timeout?.milliseconds ?? longest), began + longest)
        // Every load ends by itself in time; its caller needs a clock of its own only to go earlier.
        let timeout: Duration? = mine < began + longest ? .milliseconds(max(0, mine - began)) : nil
        do throws(GroupCacheError) {
            if !options.isCounted { try self.beginWaiting(trail) }
            defer { if !options.isCounted { self.endWaiting(trail) } }
            let request = self.request(kind, key, trail, isStrict: options.isStrict, reload: options.reload)
            return try await self.flights.join(request, timeout: timeout, old: { self.oldAnswer(key, counts: true) }) { flight in
                // Peers are asked for all who may join, with the load's own time; the getter is told the time of who began it.
                let deadline = kind == .local ? mine : began + longest
                return Load(self, flight, kind, key, route, began: began, deadline: deadline, trail: trail, batch: options.batch)
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
    }

    // MARK: The load

    /// Does what a load is for, or sends it on its way.
    func begin(_ load: Load, isInline: Bool) {
        if load.kind == .local, isInline {
            load.inTask(isInline: true) { await self.run(load) }
            // Most getters wait for something; of those that do not, nobody needs to be waited for.
            if !load.hasEnded { self.setTimers(of: load) }
            return
        }
        self.setTimers(of: load)
        switch load.kind {
        case .local: load.inTask { await self.run(load) }
        case .routed: if !self.landFound(load) { load.ask() }
        case .reload: load.ask()
        }
    }

    /// No peer could answer. The local load is shared with requests from peers who, for the same reason, take us for the owner.
    func loadWithoutPeers(_ load: Load, because error: GroupCacheError?) {
        // Whoever wants a value loaded anew wants it of the owner.
        guard load.kind == .routed else {
            self.land(load, .failure(error ?? .peerFailed))
            return
        }
        load.inTask {
            var options = GetOptions()
            (options.isCounted, options.batch) = (true, load.batch)
            let result: Flights.Outcome
            do throws(GroupCacheError) {
                result = .success(try await self.join(.local, load.key, .local, options, deadline: load.deadline))
            } catch {
                result = .failure(error)
            }
            self.land(load, result)
        }
    }

    /// The work of a local load.
    private func run(_ load: Load) async {
        // Two callers miss; one begins a load, stores and lands; only then comes the other here. Without this second look it would load again.
        // (Of an entry that is to be refreshed early a second look would throw the dice again.)
        if load.refreshes != .refreshEarly, self.landFound(load) { return }
        if load.refreshes != nil { self.counters.refreshes.increment() }
        if await self.takeOver(load) { return }
        do throws(GroupCacheError) {
            let turn = try await self.turn(of: load)
            defer { turn.end() }
            // It was a long time: somebody may have set the value.
            if turn.hasWaited, load.refreshes != .refreshEarly, self.landFound(load) { return }
            // Nobody waits any more: then the getter is not called. And from here on a set or remove is newer than what the getter will say.
            let now = self.configuration.clock.milliseconds
            guard self.flights.withTable(self.shard(load), { $0.call(load.flight, now: now) }) else { return }
            self.counters.loadsDeduped.increment()
            let previous = self.previous(load.key)
            let start = ContinuousClock.now
            let result = await self.callGetter(load, turn.place, previous, timeout: load.timeLeft(now))
            self.land(load, result, previous: previous, cost: ContinuousClock.now - start)
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
    func land(_ load: Load, _ result: Result<Loaded<Value>, GroupCacheError>, previous: Value?, cost: Duration) {
        self.metrics.record(cost)
        self.flights.record(cost)
        var loaded: Loaded<Value>
        switch result {
        case .success(let some): loaded = some
        // An absence of which the getter heard elsewhere is not one of this key.
        case .failure(let error) where error.code == .notFound && error.group == nil: loaded = .notFound(ttl: error.retryAfter)
        case .failure(let error):
            self.counters.localLoadErrors.increment()
            self.metrics.countLoadErrors()
            self.land(load, .failure(error), getterFailed: error.isMemorable)
            return
        }
        // Only the owner keeps a value for its full time. We may be loading for a key that is not ours because its owner is down, or because a
        // peer sees another ring than we do; the true owner's value may change without our knowing.
        let isOwner = self.peers?.pickOwner(of: load.key.key) == nil
        if case .notModified = loaded.outcome, previous != nil { self.counters.notModified.increment() }
        do throws(GroupCacheError) {
            let rules = LandingRules(self.configuration, self.codec, from: isOwner ? .getter : .standIn)
            let (answer, change) = try rules.land(loaded, previous: previous, cost: cost, version: load.flight.number)
            self.counters.localLoads.increment()
            self.land(load, .success(answer), change)
        } catch {
            self.counters.localLoadErrors.increment()
            self.land(load, .failure(error), getterFailed: error.code == .getterFailed)
        }
        if isOwner { self.endSoonIfMoved(load.key) }
    }

    /// Lands what a peer answered, and keeps a copy of it if the key is asked for often enough.
    func landRouted(_ load: Load, _ result: Result<PeerEntry, GroupCacheError>) {
        self.counters.loadsDeduped.increment()
        do throws(GroupCacheError) {
            let entry = try result.get()
            let value = try self.decode(entry)
            self.counters.peerLoads.increment()
            let rules = LandingRules(self.configuration, self.codec, from: .owner)
            let keeps = load.kind == .routed && self.store.admitRemote(load.key.hash)
            let (answer, change) = rules.land(value, entry, keeps: keeps, version: load.flight.number)
            // The copy that we had is older than what the owner has just loaded.
            self.land(load, .success(answer), load.kind == .reload ? .drop : change)
        } catch {
            switch error.code {
            // A node of another version answered: for what we need it is as good as down. The getter is asked, as for any owner that cannot help.
            case .codecFailed where load.kind == .routed && self.noteMismatch(error): self.loadWithoutPeers(load, because: error)
            case .notFound:
                self.counters.peerLoads.increment()
                self.land(load, .success(Answer(value: nil, source: .peer, ttl: error.retryAfter)), load.kind == .reload ? .drop : .none)
            default: self.land(load, .failure(error))
            }
        }
    }

    /// Ends a load with what the store has by now, if that is fresh and nobody insists on a load. `false`: the load is to go on.
    func landFound(_ load: Load, cancelling: Bool = false) -> Bool {
        // Nearly always there is nothing, and that is found out without touching a value.
        if self.isMissing(load.key) { return false }
        let found = self.peek(load.key)
        guard found.state == .fresh || found.state == .refreshEarly else { return false }
        let answer = Answer(value: found.value, source: found.isNear ? .near : .main)
        return self.land(load, .success(answer), cancelling: cancelling, unlessReload: true)
    }

    /// Ends a load: changes the store, unless the load was superseded, and hands `result` to everybody who waits.
    ///
    /// The check and the change of the store are one step under the flight's lock. Were they two, this could happen: the load finds that
    /// nothing superseded it; a remove takes the old value out of the store; the load puts it in again.
    ///
    /// - Parameters:
    ///   - cancelling: It is not the load's own work that ends it.
    ///   - getterFailed: The key is left alone for a while.
    ///   - unlessReload: Not if somebody wants the load rather than its result.
    /// - Returns: Whether the load has ended, by this or before.
    @discardableResult
    func land(
        _ load: Load,
        _ result: Flights.Outcome,
        _ change: StoreChange<Value> = .none,
        cancelling: Bool = false,
        getterFailed: Bool = false,
        unlessReload: Bool = false
    ) -> Bool {
        var victims = Victims<Value>()
        let (landing, goesOn) = self.flights.withTable(self.shard(load)) { table -> (Flights.Table.Landing?, Bool) in
            if unlessReload, table.isReload(load.flight) { return (nil, true) }
            guard let landing = table.land(load.flight, changes: change.isChange) else { return (nil, false) }
            if landing.stores {
                self.apply(change, load.key, releasing: &victims)
                if getterFailed, landing.wasCalled, case .failure(let error) = result {
                    self.noteFailure(error, load.key, &table.failures)
                } else if load.kind == .local, case .success = result {
                    table.failures.forget(load.key.hash)
                }
            }
            return (landing, false)
        }
        // The optimiser may end a life after its last use: this one lasts until the lock is let go.
        withExtendedLifetime(victims) {}
        guard let landing else { return !goesOn }
        load.end(self.flights.deadlines)
        if cancelling { load.cancel() }
        landing.start?.start()
        self.hand(result, to: landing, key: load.key)
        return true
    }

    private func hand(_ result: Flights.Outcome, to landing: Flights.Table.Landing, key: HashedKey) {
        var result = result
        if !landing.stores {
            self.counters.supersededLoads.increment()
            // Nor is it a peer's to keep who asked for it.
            if case .success(var answer) = result {
                (answer.ttl, answer.isSuperseded) = (.zero, true)
                result = .success(answer)
            }
        }
        var old = result
        if case .failure(let error) = result, error.code != .cancelled, error.code != .recursiveLoad, let answer = self.oldAnswer(key) {
            old = .success(answer)
        }
        func finish(_ waiting: (waiter: any FlightWaiter, isStrict: Bool)) {
            let outcome = waiting.isStrict ? result : old
            if case .success(let answer) = outcome, answer.source == .stale { self.counters.staleIfErrorHits.increment() }
            waiting.waiter.finish(outcome)
        }
        if let first = landing.first { finish(first) }
        for waiting in landing.others { finish(waiting) }
    }
}

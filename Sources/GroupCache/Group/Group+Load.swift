internal import Logging
internal import Tracing

// What happens inside a flight.
extension Group {
    /// Waits for the running load of `key`, or starts one.
    ///
    /// - Parameters:
    ///   - new: An id for the load, should it be a new one.
    ///   - counts: Whether this is one more caller; not when a flight waits, whose callers are counted.
    ///   - cancel: Cancels it, if that can be said before it has been started.
    ///   - start: Starts it, and returns at once.
    func join(
        _ kind: FlightKind,
        _ key: Key,
        _ hash: UInt64,
        timeout: Duration?,
        as new: FlightID,
        counts: Bool = true,
        cancel: (@Sendable () -> Void)? = nil,
        start: () -> Void
    ) async throws(GroupCacheError) -> Answer {
        // A local load ends by itself in time; its caller needs a clock of its own only to go earlier. A routed one may ask two peers and
        // then the getter, each with a time of its own: whoever names a time is held to it.
        let timeout = kind == .routed ? timeout : timeout.flatMap { $0 < self.configuration.loadTimeout ? $0 : nil }
        do throws(GroupCacheError) {
            let place = counts ? try self.beginWaiting() : nil
            defer { if counts { self.endWaiting(place) } }
            let shard = self.store.shardIndex(of: hash)
            return try await self.flights.join(kind, key, shard: shard, timeout: timeout, as: new, cancel: cancel, start: start)
        } catch {
            // The load may still end well, but for this caller it is too slow, which is as much of a failure; or there are too many
            // callers already. (A load that fails comes with the stale value, if there is one, by itself.)
            if error.code == .deadlineExceeded || error.code == .overloaded, let stale = self.staleAnswer(key, hash) {
                self.counters.staleIfErrorHits.increment()
                return stale
            }
            throw error
        }
    }

    /// Waits for the getter's running load of `key`, or calls the getter.
    func joinLocal(
        _ key: Key,
        _ hash: UInt64,
        timeout: Duration?,
        reload: Bool = false,
        counts: Bool = true
    ) async throws(GroupCacheError) -> Answer {
        let flight = self.flights.newFlight()
        return try await self.join(.local, key, hash, timeout: timeout, as: flight, counts: counts) {
            self.flights.start(flight, shard: self.store.shardIndex(of: hash)) { flight in
                await self.loadLocally(flight, key, hash, reload: reload)
            }
        }
    }

    // MARK: Local flights

    /// Calls the getter and keeps what it answers.
    ///
    /// - Parameter reload: Load even if the store has a fresh value.
    func loadLocally(_ flight: FlightID, _ key: Key, _ hash: UInt64, reload: Bool = false) async {
        // Two callers miss; one starts a flight, loads, stores and lands; only then comes the other here. Without this second look it would
        // load again.
        if !reload, let answer = self.landed(key, hash) { return self.land(flight, hash, .success(answer)) }
        // Before the queue: the time that a load waits for its turn is part of its time.
        let began = self.configuration.clock.milliseconds
        let deadline = self.startDeadline(of: flight, key, hash)
        defer { self.flights.deadlines.cancel(deadline) }
        if !reload, await self.takeOver(flight, key, hash) { return }
        do throws(GroupCacheError) {
            try await self.whenAdmitted(since: began) { timeout, hasWaited in
                // It was a long time: somebody may have set the value.
                if hasWaited, !reload, let answer = self.landed(key, hash) { return self.land(flight, hash, .success(answer)) }
                await self.loadAdmitted(flight, key, hash, timeout: timeout)
            }
        } catch {
            self.landFailure(flight, key, hash, error)
        }
    }

    private func loadAdmitted(_ flight: FlightID, _ key: Key, _ hash: UInt64, timeout: Duration) async {
        self.counters.loadsDeduped.increment()
        let previous = self.previous(key, hash)
        let start = ContinuousClock.now
        let result = await self.callGetter(key, previous: previous, timeout: timeout)
        let cost = ContinuousClock.now - start
        self.metrics.record(cost)
        switch result {
        case .success(let loaded):
            self.counters.localLoads.increment()
            self.land(flight, key, hash, loaded, previous: previous, cost: cost)
        case .failure(let error):
            if error.code == .notFound {
                self.counters.localLoads.increment()
                self.land(flight, key, hash, .notFound(ttl: error.retryAfter), previous: previous, cost: cost)
            } else {
                self.counters.localLoadErrors.increment()
                self.metrics.countLoadErrors()
                self.landFailure(flight, key, hash, error)
            }
        }
    }

    /// Ends the flight when its time is over, whether or not the getter heeds its cancellation.
    private func startDeadline(of flight: FlightID, _ key: Key, _ hash: UInt64) -> Deadlines.Token {
        self.flights.deadlines.add(after: self.configuration.loadTimeout) {
            self.landFailure(flight, key, hash, .deadlineExceeded, cancelling: true)
        }
    }

    private func callGetter(_ key: Key, previous: Value?, timeout: Duration) async -> Result<Loaded<Value>, GroupCacheError> {
        guard let tracer else { return await self.callGetterUntraced(key, previous: previous, timeout: timeout) }
        return await tracer.withSpan("groupcache.load", ofKind: .internal) { span in
            span.attributes["groupcache.group"] = self.name
            let result = await self.callGetterUntraced(key, previous: previous, timeout: timeout)
            if case .failure(let error) = result, error.code != .notFound { span.recordError(error.cause ?? error) }
            return result
        }
    }

    private func callGetterUntraced(
        _ key: Key,
        previous: Value?,
        timeout: Duration
    ) async -> Result<Loaded<Value>, GroupCacheError> {
        let context = LoadContext(group: self.name, previous: previous, timeout: timeout)
        do {
            return .success(try await self.getter.load(key, context: context))
        } catch {
            return .failure(.getter(error))
        }
    }

    /// Lands what the getter answered.
    func land(
        _ flight: FlightID,
        _ key: Key,
        _ hash: UInt64,
        _ loaded: Loaded<Value>,
        previous: Value?,
        cost: Duration,
        takenOver: Bool = false,
        cancelling: Bool = false
    ) {
        // Only the owner keeps a value for its full time. We may be loading for a key that is not ours because its owner is down, or
        // because a peer sees another ring than we do; the true owner's value may change without our knowing. What was taken over comes with
        // its time.
        let isOurs = self.peers?.pickOwner(of: key) == nil
        let owned = isOurs && !takenOver
        let kind: EntryKind = isOurs ? .main : .near
        let source: ServedEntry.Source = takenOver ? .peer : .loaded
        let ttl = takenOver ? loaded.ttl?.milliseconds : self.ttl(of: loaded, owned: owned)
        var life = EntryLife(ttl: ttl, cost: cost.nanoseconds / 1000, version: flight.number)
        if owned {
            life.staleWhileRevalidate = (loaded.staleWhileRevalidate ?? self.configuration.freshness.staleWhileRevalidate).milliseconds
            life.staleIfError = (loaded.staleIfError ?? self.configuration.freshness.staleIfError).milliseconds
        }
        switch loaded.outcome {
        case .value(let value):
            do throws(GroupCacheError) {
                let (value, size) = try self.stored(value)
                // What is not to be kept must not be kept by a peer that asked for it, either.
                let answer = Answer(value: value, source: source, ttl: loaded.cacheable ? ttl.map { .milliseconds($0) } : .zero)
                let keeps = loaded.cacheable && (ttl ?? 1 > 0 || life.staleWhileRevalidate > 0 || life.staleIfError > 0)
                self.land(flight, hash, .success(answer), cancelling: cancelling) {
                    if keeps {
                        self.insert(key, hash, value, size, kind, life, releasing: &$0)
                    } else {
                        self.drop(key, hash, releasing: &$0)
                    }
                }
            } catch {
                self.landFailure(flight, key, hash, error, cancelling: cancelling)
            }
        case .notFound:
            let negative = loaded.ttl ?? self.configuration.freshness.negative
            self.land(flight, hash, .success(Answer(value: nil, source: source, ttl: negative)), cancelling: cancelling) { victims in
                if let negative, negative > .zero {
                    let jittered = takenOver ? negative.milliseconds : self.configuration.freshness.jittered(negative)
                    let ttl = owned ? jittered : min(jittered ?? .max, self.configuration.nearTTL.milliseconds)
                    let life = EntryLife(ttl: ttl, cost: life.cost, version: flight.number)
                    self.insert(key, hash, nil, ValueSize(payload: 0), kind, life, releasing: &victims)
                } else {
                    // The key has gone: what we had of it, stale or not, is wrong.
                    self.drop(key, hash, releasing: &victims)
                }
            }
        case .notModified:
            guard let previous else {
                let error = GroupCacheError(.getterFailed, "the getter answered notModified, but there was no previous value")
                return self.landFailure(flight, key, hash, error, cancelling: cancelling)
            }
            self.counters.notModified.increment()
            let answer = Answer(value: previous, source: .loaded, ttl: ttl.map { .milliseconds($0) })
            self.land(flight, hash, .success(answer)) { _ in
                _ = self.withBytes(of: key) { self.store.extend(hash, $0, life: life) }
            }
        }
        if isOurs { self.endSoonIfMoved(key, hash) }
    }

    /// Lands a failure: with the value that the store still has, if it may be served now.
    func landFailure(_ flight: FlightID, _ key: Key, _ hash: UInt64, _ error: GroupCacheError, cancelling: Bool = false) {
        let result = self.staleAnswer(key, hash).map { Flights.Outcome.success($0) } ?? .failure(error)
        self.land(flight, hash, result, cancelling: cancelling)
    }

    /// The value that may be served because a load failed.
    private func staleAnswer(_ key: Key, _ hash: UInt64) -> Answer? {
        guard let entry = self.entry(key, hash), let value = entry.value, let until = entry.details.staleIfErrorUntil,
            entry.details.state != .fresh, self.configuration.clock.milliseconds < until
        else { return nil }
        return Answer(value: value, source: .stale, ttl: .zero)
    }

    // MARK: Landing

    /// Ends a flight whose result is nobody's to keep: hands `result` to everybody who waits.
    func land(_ flight: FlightID, _ hash: UInt64, _ result: Flights.Outcome) {
        guard let landing = self.flights.withTable(self.store.shardIndex(of: hash), { $0.land(flight) }) else { return }
        self.finish(landing, result)
    }

    private func finish(_ landing: Flights.Table.Landing, _ result: Flights.Outcome) {
        var result = result
        if !landing.stores {
            self.counters.supersededLoads.increment()
            // Nor is it a peer's to keep who asked for it.
            if case .success(var answer) = result {
                (answer.ttl, answer.isSuperseded) = (.zero, true)
                result = .success(answer)
            }
        }
        if case .success(let answer) = result, answer.source == .stale {
            self.counters.staleIfErrorHits.increment(by: landing.others.count + (landing.first == nil ? 0 : 1))
        }
        landing.first?.finish(result)
        for waiter in landing.others { waiter.finish(result) }
    }

    /// Ends a flight: stores, unless it was superseded, and hands `result` to everybody who waits.
    ///
    /// The check and the change of the store are one step under the flight's lock. Were they two, this could happen: the load finds that
    /// nothing superseded it; a remove takes the old value out of the store; the load puts it in again.
    func land(
        _ flight: FlightID,
        _ hash: UInt64,
        _ result: Flights.Outcome,
        cancelling: Bool = false,
        store change: (inout Victims<Value>) -> Void = { _ in }
    ) {
        var victims = Victims<Value>()
        let landing = self.flights.withTable(self.store.shardIndex(of: hash)) { table in
            let landing = table.land(flight)
            if let landing, landing.stores { change(&victims) }
            return landing
        }
        // The optimiser may end a life after its last use: this one lasts until the lock is let go.
        withExtendedLifetime(victims) {}
        guard let landing else { return }
        if cancelling { landing.cancel?() }
        self.finish(landing, result)
    }

    /// The fresh value that another flight has stored in the meantime.
    func landed(_ key: Key, _ hash: UInt64) -> Answer? {
        // Nearly always there is none, and that is found out without touching a value.
        if self.withBytes(of: key, { self.store.isMissing(hash, $0, counts: false) }) { return nil }
        let found = self.withBytes(of: key) { self.store.peek(hash, $0) }
        guard found.state == .fresh || found.state == .refreshEarly else { return nil }
        return Answer(value: found.value, source: found.isNear ? .near : .main)
    }

    /// The value that is to be loaded anew, if we hold it as its owner.
    private func previous(_ key: Key, _ hash: UInt64) -> Value? {
        guard let entry = self.entry(key, hash), entry.details.kind == .main else { return nil }
        return entry.value
    }

    // MARK: Refreshing

    /// Loads the value of `key` anew, unless that is already being done. Only the owner does so; other nodes' copies just end.
    ///
    /// - Parameter age: As which the entry was found.
    func refreshInBackground(_ key: Key, _ hash: UInt64, _ age: EntryState) {
        guard self.peers?.pickOwner(of: key) == nil else { return }
        let id = self.flights.newFlight()
        let shard = self.store.shardIndex(of: hash)
        guard self.flights.withTable(shard, { $0.hold(.local, key, start: id) }) else { return }
        self.flights.start(id, shard: shard) { flight in
            // Between the look that found the entry stale and this flight another one may have begun and landed. (Of one that is to be refreshed
            // early a second look would throw the dice again.)
            if age == .stale, let answer = self.landed(key, hash) { return self.land(flight, hash, .success(answer)) }
            self.counters.refreshes.increment()
            await self.loadLocally(flight, key, hash, reload: true)
        }
    }
}

internal import NIOConcurrencyHelpers
internal import Synchronization
internal import Tracing

// When a key moves to another node, because one has joined or come back: its new owner looks whether the former one has the value, or is loading
// it, before it loads the value itself. (galaxycache calls it peeking.) Without this a node that joins would ask the origin for everything
// that the others hold, and a second time for what they load just then.
extension Group {
    // MARK: The new owner

    /// Lands what the former owner of `key` has of it, or is loading just now. `false`: nothing, and it is to be loaded.
    ///
    /// - Parameter isOneOfMany: The task that we run in loads other flights as well, which counts off those that have landed.
    func takeOver(_ flight: FlightID, _ key: Key, _ hash: UInt64, isOneOfMany: Bool = false) async -> Bool {
        guard let former = self.formerOwner(of: key, hash) else { return false }
        // While it looks elsewhere, nobody who looks here may wait for it. Two nodes that take each other for the former owner would wait for
        // one another: each marks its flight first and asks then, so the one whose question comes later finds the mark.
        let shard = self.store.shardIndex(of: hash)
        self.flights.withTable(shard) { $0.setPeeking(flight, true) }
        defer { self.flights.withTable(shard) { $0.setPeeking(flight, false) } }
        do throws(GroupCacheError) {
            let entry = try await self.peek(former, key)
            let value = try self.decode(entry.value)
            // A value without time left is good for those who wait.
            let isFresh = entry.ttl.map { $0 > .zero } ?? true
            self.landTakenOver(flight, key, hash, .value(value, ttl: entry.ttl, cacheable: isFresh), isOneOfMany)
        } catch {
            if error.code == .notFound {
                self.landTakenOver(flight, key, hash, .notFound(ttl: error.retryAfter ?? .zero), isOneOfMany)
                return true
            }
            // Nobody waits any more: our getter is not called for it, either.
            if Task.isCancelled {
                self.land(flight, hash, .failure(.cancelled))
                return true
            }
            // Whatever is wrong with the former owner, or with its getter, is no reason not to call ours.
            if error.code != .notHeld { self.peerFailed(former, error) }
            return false
        }
        return true
    }

    private func peek(_ former: any PeerGetter, _ key: Key) async throws(GroupCacheError) -> PeerEntry {
        // Half of the time is left for the getter.
        var request = PeerRequest(group: self.name, key: key, timeout: self.configuration.loadTimeout / 2)
        request.isPeek = true
        guard let tracer else { return try await former.get(request) }
        let span = tracer.startAnySpan("groupcache.peer.peek", ofKind: .client)
        defer { span.end() }
        span.attributes["groupcache.group"] = self.name
        span.attributes["groupcache.peer"] = former.id
        request.trace = PeerTrace(span.context, by: tracer)
        do throws(GroupCacheError) {
            return try await former.get(request)
        } catch {
            if error.code != .notHeld, error.code != .notFound { span.recordError(error) }
            throw error
        }
    }

    private func landTakenOver(_ flight: FlightID, _ key: Key, _ hash: UInt64, _ loaded: Loaded<Value>, _ isOneOfMany: Bool) {
        self.counters.loadsDeduped.increment()
        self.counters.peerLoads.increment()
        self.counters.takeovers.increment()
        // A change that came in between has superseded the flight: then nobody keeps what the former owner had.
        self.land(flight, key, hash, loaded, previous: nil, cost: .zero, source: .peer, cancelling: isOneOfMany)
    }

    /// Lands, of flights that are to be loaded in one call, those whose former owners have something. Returns the others.
    ///
    /// All of them wait for the slowest answer. It comes from a load that began before ours would.
    func takeOver(_ flights: [BatchFlight]) async -> [BatchFlight] {
        guard self.peers?.warming != nil else { return flights }
        let queue = IndexQueue(count: flights.count)
        return await withTaskGroup(of: [Int].self) { tasks in
            for _ in 0..<min(64, flights.count) {
                tasks.addTask {
                    var open: [Int] = []
                    while let index = queue.next() {
                        let flight = flights[index]
                        let isTaken = await self.takeOver(flight.id, flight.key.key, flight.key.hash, isOneOfMany: true)
                        if !isTaken { open.append(index) }
                    }
                    return open
                }
            }
            var open: [Int] = []
            for await some in tasks { open += some }
            return open.sorted().map { flights[$0] }
        }
    }

    /// Whom to ask for a key that this node owns since a moment ago and has nothing of.
    private func formerOwner(of key: Key, _ hash: UInt64) -> (any PeerGetter)? {
        guard let peers = self.peers, let warming = peers.warming else { return nil }
        // What was set or removed here, the former owner has as it was before. What has ended here, it loaded earlier than we did.
        guard !self.changed.withLockedValue({ $0.contains(hash, warming: warming) }), self.entry(key, hash) == nil else { return nil }
        return peers.formerOwner(of: key)
    }

    /// Notes that what other nodes have of a key is old. Before the flights are superseded: a load that begins afterwards has to see it.
    func noteChange(_ hash: UInt64) {
        guard let warming = self.peers?.warming else { return }
        self.changed.withLockedValue { $0.insert(hash, warming: warming) }
    }

    func noteChangeOfAll() {
        guard let warming = self.peers?.warming else { return }
        self.changed.withLockedValue { $0.insertAll(warming: warming) }
    }

    // MARK: The former owner

    /// See ``PeerServing/servePeek(_:timeout:)``.
    public func servePeek(_ key: Key, timeout: Duration?) async throws(GroupCacheError) -> ServedEntry {
        if let error = key.error { throw error }
        let hash = self.hash(of: key)
        if let held = self.landed(key, hash) { return try self.served(key, held) }
        let place = try self.beginWaiting()
        defer { self.endWaiting(place) }
        let shard = self.store.shardIndex(of: hash)
        if let answer = try await self.flights.joinRunning(key, shard: shard, timeout: timeout.map { $0 * 9 / 10 }) {
            return try self.served(key, answer)
        }
        // The load may have ended between the two looks.
        guard let held = self.landed(key, hash) else { throw .notHeld }
        return try self.served(key, held)
    }

    /// See ``PeerServing/peersChanged()``.
    ///
    /// A value of a key that has gone to another node would be served here without end, for sets and removes go to that node now. It stays for
    /// as long as any copy of another node's value may live, so that its new owner finds it.
    public func peersChanged() {
        guard self.peers != nil else { return }
        if self.configuration.nearTTL <= .zero { self.dropMoved() } else { self.dropMovedLater() }
    }

    /// Takes care of a value that has just been stored as the owner's.
    ///
    /// The ring may have changed, and ``peersChanged()`` may have been here, between the question who the owner is and the store. If this still
    /// sees the old ring, then ``peersChanged()`` is yet to come.
    func checkOwner(_ key: Key) {
        if self.peers?.pickOwner(of: key) != nil { self.peersChanged() }
    }

    private func dropMovedLater() {
        // One that is due sooner does for this change as well.
        guard !self.dropsMoved.exchange(true, ordering: .acquiringAndReleasing) else { return }
        _ = self.flights.deadlines.add(after: self.configuration.nearTTL) { [weak self] in
            self?.dropsMoved.store(false, ordering: .releasing)
            // It may take long; other deadlines do not wait for it.
            Task { self?.dropMoved() }
        }
    }

    /// Drops what this node holds as the owner of keys that are another's. O(entries).
    private func dropMoved() {
        guard let peers = self.peers else { return }
        var cursor: ScanCursor? = .start
        while let from = cursor {
            let page = self.store.scan(from: from, limit: 256)
            for entry in page.entries where entry.details.kind == .main {
                let key = Key(bytes: entry.key)
                if peers.pickOwner(of: key) != nil { self.discard(key, self.hash(of: key)) }
            }
            cursor = page.next
        }
    }
}

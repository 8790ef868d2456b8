extension Group {
    /// The values of many keys: cached ones at once, the others side by side. Keys of one peer go there in one message, and those that this
    /// node owns to the getter in one call if it is a ``BatchGetter``. A key that is given twice is answered once.
    ///
    /// - Returns: For each key its value or why there is none: see ``get(_:)-(Key)``.
    @inlinable
    public func get(keys: some Collection<Key>) async -> [Key: Result<Value, GroupCacheError>] {
        let keys = Array(keys)
        let outcomes = await self.outcomes(of: keys)
        var results: [Key: Result<Value, GroupCacheError>] = Dictionary(minimumCapacity: keys.count)
        for index in keys.indices {
            results[keys[index]] =
                switch outcomes[index] {
                case .success(let answer): (answer.value as? Value).map { .success($0) } ?? .failure(.notFound)
                case .failure(let error): .failure(error)
                }
        }
        return results
    }

    /// What becomes of each key.
    @usableFromInline
    func outcomes(of keys: [Key]) async -> [Result<Answer, GroupCacheError>] {
        let results = BatchResults(count: keys.count)
        await self.answers(to: keys, terminal: false, timeout: nil) { index, outcome in results.set(index, outcome) }
        return results.all
    }

    /// Answers each key as soon as it can, in any order.
    ///
    /// - Parameter each: Is told the place of a key, and its outcome.
    func answers(
        to keys: [Key],
        terminal: Bool,
        timeout: Duration?,
        each: @escaping @Sendable (Int, Flights.Outcome) async -> Void
    ) async {
        let getter = self.getter as? any BatchGetter<Value>
        // What waits in one place for all of them: keys that a peer owns, and keys that the getter can load in one call.
        var together: [BatchItem] = []
        // The others are asked for one by one.
        var single: [Int] = []
        for (index, key) in keys.enumerated() {
            let hash = self.hash(of: key)
            if key.error != nil || !self.withBytes(of: key, { self.store.isMissing(hash, $0, counts: true) }) {
                await each(index, await self.outcome(key, terminal: terminal, timeout: timeout))
                continue
            }
            let route = terminal ? .local : self.peers?.pickPeer(for: key) ?? .local
            if route.owner == nil, getter == nil {
                single.append(index)
            } else {
                together.append(BatchItem(index: index, key: HashedKey(key: key, hash: hash), route: route))
            }
        }
        if single.isEmpty {
            if !together.isEmpty { await self.answerTogether(together, getter, timeout: timeout, each: each) }
            return
        }
        let (some, ones, queue) = (together, single, IndexQueue(count: single.count))
        await withDiscardingTaskGroup { tasks in
            if !some.isEmpty { tasks.addTask { await self.answerTogether(some, getter, timeout: timeout, each: each) } }
            // A getter that knows no batches is not asked for a thousand keys at once.
            for _ in 0..<min(64, ones.count) {
                tasks.addTask {
                    while let next = queue.next() {
                        // Nobody wants the rest: a getter that does not heed its cancellation would be called for each of them.
                        guard !Task.isCancelled else {
                            await each(ones[next], .failure(.cancelled))
                            continue
                        }
                        await each(ones[next], await self.outcome(keys[ones[next]], terminal: terminal, timeout: timeout))
                    }
                }
            }
        }
    }

    private func outcome(_ key: Key, terminal: Bool, timeout: Duration?) async -> Flights.Outcome {
        let (hash, found) = self.find(key)
        do throws(GroupCacheError) {
            return .success(try await self.answer(key, hash, found, terminal: terminal, timeout: timeout))
        } catch {
            return .failure(error)
        }
    }

    // MARK: Many keys at once

    /// Answers keys with one message to each owner and one call of the getter. Each still has a flight of its own, so other callers may join,
    /// and a key that is already being loaded is only waited for.
    private func answerTogether(
        _ items: [BatchItem],
        _ getter: (any BatchGetter<Value>)?,
        timeout: Duration?,
        each: @escaping @Sendable (Int, Flights.Outcome) async -> Void
    ) async {
        let place: LoadPlace?
        do throws(GroupCacheError) {
            place = try self.beginWaiting()
        } catch {
            for item in items { await each(item.index, .failure(error)) }
            return
        }
        defer { self.endWaiting(place) }
        let nested = WaitGraph.current
        let inbox = BatchInbox()
        var waiters: [(id: WaiterID, flight: FlightID, shard: Int)] = []
        waiters.reserveCapacity(items.count)
        var local: [BatchFlight] = []
        var routed: [(owner: any PeerGetter, items: [PeerBatchLoad.Item])] = []
        self.counters.loads.increment(by: items.count)
        for item in items {
            self.metrics.countLoad()
            let waiter = self.flights.newWaiter()
            let shard = self.store.shardIndex(of: item.key.hash)
            let boarding = self.flights.board(
                item.route.owner == nil ? .local : .routed,
                item.key.key,
                shard: shard,
                as: waiter,
                nested: nested,
                BatchWaiter(inbox, item.index),
                orStart: self.flights.newFlight()
            )
            guard let boarding else {
                inbox.add(item.index, .failure(.recursiveLoad))
                continue
            }
            waiters.append((waiter, boarding.flight, shard))
            guard boarding.join == .start else { continue }
            guard let owner = item.route.owner else {
                local.append(BatchFlight(id: boarding.flight, key: item.key))
                continue
            }
            let flight = PeerBatchLoad.Item(flight: boarding.flight, key: item.key, next: item.route.next)
            // There are few owners, and neighbours in the list often have the same one.
            if let place = routed.lastIndex(where: { $0.owner.id == owner.id }) {
                routed[place].items.append(flight)
            } else {
                routed.append((owner, [flight]))
            }
        }
        for (owner, items) in routed { self.startRouted(items, owner) }
        if let getter { self.startBatch(local, getter) }
        let everybody = waiters
        let leave = { @Sendable (error: GroupCacheError) in
            for waiter in everybody { self.flights.leave(waiter.id, of: waiter.flight, shard: waiter.shard, with: error) }
        }
        let expiry = timeout.map { self.flights.deadlines.add(after: $0) { leave(.deadlineExceeded) } }
        await withTaskCancellationHandler {
            var open = items.count
            while open > 0 {
                for (index, outcome) in await inbox.next() {
                    open -= 1
                    await each(index, outcome)
                }
            }
        } onCancel: {
            leave(.cancelled)
        }
        if let expiry { self.flights.deadlines.cancel(expiry) }
        if let nested { for waiter in everybody { WaitGraph.end(nested, waitsFor: waiter.flight) } }
    }

    private func startRouted(_ items: [PeerBatchLoad.Item], _ owner: any PeerGetter) {
        let open = items.filter { item in
            guard let answer = self.landed(item.key.key, item.key.hash) else { return true }
            self.land(item.flight, item.key.hash, .success(answer))
            return false
        }
        guard !open.isEmpty else { return }
        var batch = PeerBatch(group: self.name, timeout: self.configuration.loadTimeout)
        let load = PeerBatchLoad(self, owner, open)
        if let tracer { load.trace(&batch, by: tracer) }
        // Before the peer is asked: its answer may send a key on to the next owner, and from then on the key is cancelled there.
        for (index, item) in open.enumerated() {
            self.flights.started(item.flight, shard: self.store.shardIndex(of: item.key.hash)) { load.abandon(index) }
        }
        if let ticket = owner.start(open.map(\.key.key), of: batch, for: load) { load.started(ticket) }
    }

    private func startBatch(_ flights: [BatchFlight], _ getter: any BatchGetter<Value>) {
        // A getter is asked for a bounded number of keys at once, as an SQL `IN` list is.
        var rest = flights[...]
        while !rest.isEmpty {
            let some = Array(rest.prefix(1000))
            rest = rest.dropFirst(1000)
            let count = BatchCountdown(some.count)
            let task = Task { await WaitGraph.$current.withValue(some[0].id) { await self.loadBatch(some, getter) } }
            for flight in some {
                self.flights.started(flight.id, shard: self.store.shardIndex(of: flight.key.hash)) {
                    if count.countDown() { task.cancel() }
                }
            }
        }
    }

    private func loadBatch(_ flights: [BatchFlight], _ getter: any BatchGetter<Value>) async {
        var open: [BatchFlight] = []
        for flight in flights {
            if let answer = self.landed(flight.key.key, flight.key.hash) {
                // Cancelling counts it off the batch, which is cancelled when all its flights have gone.
                self.land(flight.id, flight.key.hash, .success(answer), cancelling: true)
            } else {
                open.append(flight)
            }
        }
        guard !open.isEmpty else { return }
        let unanswered = open
        // The task waits as the first flight; all others wait for that one, so that a getter that comes back to any key of its batch is seen.
        let first = flights[0].id
        for flight in unanswered where flight.id != first { _ = WaitGraph.begin(flight.id, waitsFor: first) }
        defer { for flight in unanswered where flight.id != first { WaitGraph.end(flight.id, waitsFor: first) } }
        let began = self.configuration.clock.milliseconds
        let deadline = self.flights.deadlines.add(after: self.configuration.loadTimeout) {
            for flight in unanswered {
                self.landFailure(flight.id, flight.key.key, flight.key.hash, .deadlineExceeded, cancelling: true)
            }
        }
        defer { self.flights.deadlines.cancel(deadline) }
        do throws(GroupCacheError) {
            let rest = await self.takeOver(unanswered)
            if rest.isEmpty { return }
            // Everybody may have left meanwhile.
            if Task.isCancelled { throw .cancelled }
            try await self.whenAdmitted(since: began) { timeout, _ in await self.loadAdmitted(rest, getter, timeout: timeout) }
        } catch {
            // Those that have landed already are not in the table any more.
            for flight in unanswered { self.landFailure(flight.id, flight.key.key, flight.key.hash, error) }
        }
    }

    private func loadAdmitted(_ open: [BatchFlight], _ getter: any BatchGetter<Value>, timeout: Duration) async {
        self.counters.loadsDeduped.increment(by: open.count)
        let start = ContinuousClock.now
        do {
            let context = LoadContext<Value>(group: self.name, timeout: timeout)
            let loaded = try await getter.load(keys: open.map(\.key.key), context: context)
            let cost = ContinuousClock.now - start
            self.counters.localLoads.increment(by: open.count)
            for flight in open {
                let one = loaded[flight.key.key] ?? .notFound
                self.land(flight.id, flight.key.key, flight.key.hash, one, previous: nil, cost: cost)
            }
        } catch let error as GroupCacheError where error.code == .notFound {
            self.counters.localLoads.increment(by: open.count)
            for flight in open {
                self.land(
                    flight.id,
                    flight.key.key,
                    flight.key.hash,
                    .notFound(ttl: error.retryAfter),
                    previous: nil,
                    cost: .zero
                )
            }
        } catch {
            self.counters.localLoadErrors.increment(by: open.count)
            self.metrics.countLoadErrors(open.count)
            for flight in open { self.landFailure(flight.id, flight.key.key, flight.key.hash, .getter(error)) }
        }
    }
}

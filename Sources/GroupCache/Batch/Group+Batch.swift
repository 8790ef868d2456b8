extension Group {
    /// The values of many keys: cached ones at once, the others side by side; those that this node owns with one call of the getter if it
    /// is a ``BatchGetter``. A key that is given twice is answered once.
    ///
    /// - Returns: For each key its value or why there is none: see ``get(_:)-(Key)``.
    public func get(keys: some Collection<Key>) async -> [Key: Result<Value, GroupCacheError>] {
        let results = BatchResults<Value>()
        await self.answers(to: keys, terminal: false, timeout: nil) { key, outcome in
            results.add(key, outcome.flatMap { answer in answer.value.map { .success($0) } ?? .failure(.notFound) })
        }
        return results.all
    }

    typealias Outcome = Result<Answer<Value>, GroupCacheError>

    /// Answers each key as soon as it can, in any order.
    func answers(
        to keys: some Collection<Key>,
        terminal: Bool,
        timeout: Duration?,
        each: @escaping @Sendable (Key, Outcome) async -> Void
    ) async {
        var missing: [HashedKey] = []
        for key in Set(keys) {
            let (hash, found) = self.find(key)
            if found.isHit || key.error != nil {
                await each(key, await self.outcome(key, hash, found, terminal: terminal, timeout: timeout))
            } else {
                missing.append(HashedKey(key: key, hash: hash))
            }
        }
        let getter = missing.count > 1 ? self.getter as? any BatchGetter<Value> : nil
        let batched = getter == nil ? [] : missing.filter { terminal || self.peers?.pickPeer(for: $0.key).owner == nil }
        if !batched.isEmpty {
            let taken = Set(batched.map(\.key))
            missing.removeAll { taken.contains($0.key) }
        }
        let single = BatchQueue(missing)
        await withDiscardingTaskGroup { tasks in
            if let getter, !batched.isEmpty {
                tasks.addTask {
                    do throws(GroupCacheError) {
                        try await self.whileWaiting { await self.answerBatch(batched, getter, timeout: timeout, each: each) }
                    } catch {
                        for key in batched { await each(key.key, .failure(error)) }
                    }
                }
            }
            // As many at once as the peers' connections can usefully carry; the others wait their turn.
            for _ in 0..<min(64, missing.count) {
                tasks.addTask {
                    while let next = single.next() {
                        let (hash, found) = self.find(next.key)
                        await each(next.key, await self.outcome(next.key, hash, found, terminal: terminal, timeout: timeout))
                    }
                }
            }
        }
    }

    private func outcome(_ key: Key, _ hash: UInt64, _ found: Lookup<Value>, terminal: Bool, timeout: Duration?) async -> Outcome {
        do throws(GroupCacheError) {
            return .success(try await self.answer(key, hash, found, terminal: terminal, timeout: timeout))
        } catch {
            return .failure(error)
        }
    }

    // MARK: One call of the getter for many keys

    /// Answers keys that this node loads itself. Each still has a flight of its own, so other callers may join, and a key that is already
    /// being loaded is only waited for; what is left goes to the getter in one call.
    private func answerBatch(
        _ keys: [HashedKey],
        _ getter: any BatchGetter<Value>,
        timeout: Duration?,
        each: @escaping @Sendable (Key, Outcome) async -> Void
    ) async {
        let nested = WaitGraph.current
        // Bounded: one result for each key.
        let (results, sink) = AsyncStream.makeStream(of: (Key, Outcome).self, bufferingPolicy: .bufferingOldest(keys.count))
        var waiters: [(id: WaiterID, shard: Int)] = []
        var edges: [FlightID] = []
        var started: [BatchFlight] = []
        for key in keys {
            self.counters.loads.increment()
            self.metrics.countLoad()
            let waiter = self.flights.newWaiter()
            let shard = self.store.shardIndex(of: key.hash)
            let boarding = self.flights.board(.local, key.key, shard: shard, as: waiter, nested: nested) { sink.yield((key.key, $0)) }
            guard let boarding else {
                sink.yield((key.key, .failure(.recursiveLoad)))
                continue
            }
            waiters.append((waiter, shard))
            edges.append(boarding.flight)
            if boarding.join == .start { started.append(BatchFlight(id: boarding.flight, key: key)) }
        }
        self.startBatch(started, getter)
        let everybody = waiters
        let expiry = timeout.map { timeout in
            self.flights.deadlines.add(after: timeout) {
                for waiter in everybody { self.flights.leave(waiter.id, shard: waiter.shard, with: .deadlineExceeded) }
            }
        }
        await withTaskCancellationHandler {
            var open = keys.count
            // The stream itself ends early when this task is cancelled, and that must not swallow the answers: so it is not this task
            // that reads it.
            let reader = Task {
                for await (key, outcome) in results {
                    await each(key, outcome)
                    open -= 1
                    if open == 0 { break }
                }
            }
            if Task.isCancelled { for waiter in everybody { self.flights.leave(waiter.id, shard: waiter.shard, with: .cancelled) } }
            await reader.value
        } onCancel: {
            for waiter in everybody { self.flights.leave(waiter.id, shard: waiter.shard, with: .cancelled) }
        }
        if let expiry { self.flights.deadlines.cancel(expiry) }
        if let nested { for edge in edges { WaitGraph.end(nested, waitsFor: edge) } }
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
        let deadline = self.flights.deadlines.add(after: self.configuration.loadTimeout) {
            for flight in unanswered {
                self.landFailure(flight.id, flight.key.key, flight.key.hash, .deadlineExceeded, cancelling: true)
            }
        }
        defer { self.flights.deadlines.cancel(deadline) }
        do throws(GroupCacheError) {
            try await self.whenAdmitted { timeout, _ in await self.loadAdmitted(unanswered, getter, timeout: timeout) }
        } catch {
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

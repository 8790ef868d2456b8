// SPDX-License-Identifier: Apache-2.0

extension Group {
    /// The values of many keys: cached ones at once, the others side by side. Keys of one peer go there in one message, and those that this
    /// node owns to the getter in one call if it is a ``BatchGetter``. A key that is given twice is answered once. All of them together are one
    /// waiter, however many they are, and as many are loaded at a time as ``GroupConfiguration/loads`` lets run.
    ///
    /// - Returns: For each key its value or why there is none: see ``get(_:)-(Key)``.
    @inlinable
    public func get(keys: some Collection<Key>) async -> [Key: Result<Value, GroupCacheError>] {
        let keys = Array(keys)
        let outcomes = await self.outcomes(of: keys)
        var results: [Key: Result<Value, GroupCacheError>] = Dictionary(minimumCapacity: keys.count)
        for index in keys.indices {
            results[keys[index]] = Result { () throws(GroupCacheError) in try self.value(of: outcomes[index]) }
        }
        return results
    }

    /// What becomes of each key.
    @usableFromInline
    func outcomes(of keys: [Key]) async -> [Outcome] {
        let results = BatchResults(count: keys.count)
        await self.answers(to: keys, GetOptions()) { index, _, outcome in results.set(index, outcome) }
        return results.all
    }

    /// Answers each key as soon as it can, in any order.
    ///
    /// - Parameter each: Is told the place of a key, the key, and its outcome.
    func answers(
        to keys: [Key],
        _ options: GetOptions,
        each: @escaping @Sendable (Int, HashedKey, Outcome) async -> Void
    ) async {
        let getter = self.getter as? any BatchGetter<Value>
        // What waits in one place for all of them: keys that a peer owns, and keys that the getter can load in one call.
        var together: [(index: Int, key: HashedKey, route: PeerRoute)] = []
        // The others are asked for one by one.
        var single: [(index: Int, key: HashedKey)] = []
        for (index, key) in keys.enumerated() {
            let hashed = self.hashed(key)
            if key.error != nil || !self.isMissing(hashed, counts: true) {
                await each(index, hashed, await self.outcome(hashed, options))
                continue
            }
            let route = options.isTerminal ? .local : self.peers?.pickPeer(for: key) ?? .local
            if route.owner == nil, getter == nil { single.append((index, hashed)) } else { together.append((index, hashed, route)) }
        }
        if together.isEmpty, single.isEmpty { return }
        let trail = Trail.waiting
        do throws(GroupCacheError) {
            try self.beginWaiting(trail)
        } catch {
            for (index, key) in single + together.map({ ($0.index, $0.key) }) { await each(index, key, .failure(error)) }
            return
        }
        defer { self.endWaiting(trail) }
        var options = options
        (options.isCounted, options.batch) = (true, BatchTurns())
        let time = min(options.timeout ?? self.configuration.loadTimeout, self.configuration.loadTimeout)
        // One time for all of them, however late one has its turn.
        let deadline = self.configuration.clock.milliseconds + time.milliseconds
        options.deadline = deadline
        let (some, ones, mine) = (together, single, options)
        if ones.isEmpty { return await self.answerTogether(some, getter, mine, each: each) }
        await withDiscardingTaskGroup { tasks in
            if !some.isEmpty { tasks.addTask { await self.answerTogether(some, getter, mine, each: each) } }
            let queue = IndexQueue(count: ones.count)
            // A getter that knows no batches is not asked for a thousand keys at once.
            for _ in 0..<min(64, ones.count, self.limit.running) {
                tasks.addTask {
                    while let next = queue.next() {
                        // Nobody wants the rest: a getter that does not heed its cancellation would be called for each of them.
                        let isLate = self.configuration.clock.milliseconds >= deadline
                        let refusal: GroupCacheError? = Task.isCancelled ? .cancelled : isLate ? .deadlineExceeded : nil
                        let outcome = if let refusal { Outcome.failure(refusal) } else { await self.outcome(ones[next].key, mine) }
                        await each(ones[next].index, ones[next].key, outcome)
                    }
                }
            }
        }
    }

    private func outcome(_ key: HashedKey, _ options: GetOptions) async -> Outcome {
        let found = self.withBytes(of: key.key) { self.store.lookup(key.hash, $0) }
        do throws(GroupCacheError) {
            return .success(try await self.answer(key, found, options))
        } catch {
            return .failure(error)
        }
    }

    // MARK: Many keys at once

    /// Answers keys with one message to each owner and one call of the getter. Each still has a flight of its own, so other callers may join,
    /// and a key that is already being loaded is only waited for.
    private func answerTogether(
        _ items: [(index: Int, key: HashedKey, route: PeerRoute)],
        _ getter: (any BatchGetter<Value>)?,
        _ options: GetOptions,
        each: @escaping @Sendable (Int, HashedKey, Outcome) async -> Void
    ) async {
        let trail = Trail.waiting
        let began = self.configuration.clock.milliseconds
        let deadline = began + self.loadTime
        let inbox = BatchInbox()
        // The loads that others had begun, by the places of their keys.
        var shared: [Int: (kind: FlightKind, number: UInt64)] = [:]
        var waiters: [(request: Flights.Request, id: WaiterID)] = []
        waiters.reserveCapacity(items.count)
        var local: [Load] = []
        var routed: [(owner: any PeerGetter, loads: [Load])] = []
        self.counters.loads.increment(by: items.count)
        for (index, item) in items.enumerated() {
            self.noteMiss(item.key)
            self.metrics.countLoad()
            let request = self.request(self.kind(item.route, options), item.key, trail, isStrict: options.isStrict)
            let boarding = self.flights.board(request, .batch(inbox, index)) { flight in
                Load(
                    self,
                    flight,
                    request.kind,
                    item.key,
                    item.route,
                    began: began,
                    deadline: deadline,
                    trail: trail,
                    batch: options.batch
                )
            }
            guard case .waits(let seat) = boarding else {
                if case .refused(let error) = boarding {
                    inbox.add(index, self.oldAnswer(item.key, counts: true).map { .success($0) } ?? .failure(error))
                }
                continue
            }
            waiters.append((request, seat.waiter))
            if seat.isShared { shared[index] = (request.kind, seat.flight.number) }
            if seat.isSlow, !request.isStrict, let old = self.oldAnswer(item.key, counts: true) {
                self.flights.leave(seat.waiter, shard: request.shard, with: .success(old))
            }
            guard let load = seat.start else { continue }
            self.setTimers(of: load)
            guard let owner = item.route.owner else {
                local.append(load)
                continue
            }
            // There are few owners, and neighbours in the list often have the same one.
            if let place = routed.lastIndex(where: { $0.owner.id == owner.id }) {
                routed[place].loads.append(load)
            } else {
                routed.append((owner, [load]))
            }
        }
        for (owner, loads) in routed { self.startRouted(loads, owner, trail) }
        if let getter { self.startBatch(local, getter) }
        let everybody = waiters
        let leave = { @Sendable (error: GroupCacheError) in
            for waiter in everybody {
                self.flights.leave(waiter.id, shard: waiter.request.shard, with: .failure(error))
            }
        }
        let expiry = options.timeout.map { self.flights.deadlines.add(at: began + $0.milliseconds) { leave(.deadlineExceeded) } }
        await withTaskCancellationHandler {
            var open = items.count
            while open > 0 {
                for (index, outcome) in await inbox.next() {
                    open -= 1
                    var outcome = outcome
                    // As for a single key: see ``join(_:_:_:_:deadline:)``.
                    if case .success(let answer) = outcome, let load = shared[index], self.flights.isOld(answer, load.kind, load.number) {
                        outcome = await self.outcome(items[index].key, options)
                    }
                    await each(items[index].index, items[index].key, outcome)
                }
            }
        } onCancel: {
            leave(.cancelled)
        }
        if let expiry { self.flights.deadlines.cancel(expiry) }
        for waiter in everybody { self.flights.left(waiter.request) }
    }

    private func startRouted(_ loads: [Load], _ owner: any PeerGetter, _ trail: Trail?) {
        let open = loads.filter { self.look($0) == .goesOn }
        if !open.isEmpty {
            PeerBatchCall(owner, open).start(self.batchRequest(timeout: self.configuration.loadTimeout, trail), tracer: self.tracer)
        }
    }

    func batchRequest(timeout: Duration, _ trail: Trail? = nil) -> PeerBatch {
        var request = PeerBatch(group: self.name, timeout: timeout)
        request.schema = self.configuration.schema
        if let trail { request.trail = trail.ids }
        return request
    }

    private func startBatch(_ loads: [Load], _ getter: any BatchGetter<Value>) {
        // A getter is asked for a bounded number of keys at once, as an SQL `IN` list is.
        var rest = loads[...]
        while !rest.isEmpty {
            let some = Array(rest.prefix(1000))
            rest = rest.dropFirst(1000)
            let count = BatchCountdown(some.count)
            let task = Task { await self.loadBatch(some, getter) }
            for load in some { load.onCancel { if count.countDown() { task.cancel() } } }
        }
    }

    private func loadBatch(_ loads: [Load], _ getter: any BatchGetter<Value>) async {
        // Landing one cancels it, which counts it off the batch; that is cancelled when all have gone.
        let unanswered = loads.filter { self.look($0, cancelling: true) == .goesOn }
        let rest = await self.takeOver(unanswered)
        guard !rest.isEmpty, !Task.isCancelled else { return self.fail(rest, .cancelled) }
        do throws(GroupCacheError) {
            let turn = try await self.turn(of: rest[0])
            defer { turn.end() }
            let now = self.configuration.clock.milliseconds
            // Whose callers have all left is not loaded, nor what somebody has set meanwhile.
            let wanted = rest.filter { self.look($0, callingAt: now, cancelling: true) == .goesOn }
            if !wanted.isEmpty { await self.callGetter(getter, wanted, turn.place, timeout: rest[0].timeLeft(now)) }
        } catch {
            self.fail(rest, error)
        }
    }

    /// Ends those that have not landed yet.
    private func fail(_ loads: [Load], _ error: GroupCacheError) {
        for load in loads { self.land(load, .failure(error)) }
    }

    private func callGetter(_ getter: any BatchGetter<Value>, _ loads: [Load], _ place: LoadPlace, timeout: Duration) async {
        self.counters.loadsDeduped.increment(by: loads.count)
        // The task stands for the first load; all others wait for that one, so that a getter that comes back to any key of its batch is seen.
        let ids = loads.map { self.id(of: $0.key) }
        let trail = Trail(id: ids[0], parent: loads[0].trail, place: place)
        let edges = ids.dropFirst().filter { $0 != ids[0] }.map { Trail(id: $0, parent: nil) }.filter {
            WaitGraph.begin($0, waitsFor: ids[0])
        }
        defer { for edge in edges { WaitGraph.end(edge, waitsFor: ids[0]) } }
        let context = LoadContext<Value>(group: self.name, timeout: timeout)
        let start = ContinuousClock.now
        let result = await Trail.$current.withValue(trail) {
            await self.traced(keys: loads.count) { () async -> Result<[Key: Loaded<Value>], GroupCacheError> in
                do { return .success(try await getter.load(keys: loads.map(\.key.key), context: context)) } catch {
                    return .failure(.batch(error))
                }
            }
        }
        let cost = ContinuousClock.now - start
        self.record(cost, of: result)
        // The text of an error may name any key of the batch: said here, where all of them are known, and so not again below.
        if case .failure(let error) = result { self.noteFailure(error, keys: loads.map(\.key.key)) }
        // Absence is said key by key. An error is one of the call, whatever it is called.
        for load in loads { self.land(load, result.map { $0[load.key.key] ?? .notFound }, previous: nil, cost: cost) }
    }
}

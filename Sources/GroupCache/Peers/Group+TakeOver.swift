// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import Tracing

// When a key moves to another node, because one has joined or come back: its new owner looks whether the former one has the value, or is loading
// it, before it loads the value itself. (galaxycache calls it peeking.) Without this a node that joins would ask the origin at once for everything
// that the others hold, and a second time for what they load just then.
//
// While a ring changes, nodes disagree about owners. A node by whose ring the key is another's makes no change of it as an owner; one that is leaving
// tells who comes after it of each, before it acknowledges it. What such a node hands over is kept for all of its time: from then on the new owner hears
// of every change. A former owner that does not know yet that it is one may be asked to change the value after it was taken over, so what it has is kept no
// longer than a copy of whose changes nothing is heard, for `nearTTL`.
extension Group {
    // MARK: The new owner

    /// Lands what the former owner of a key has of it, or is loading just now. `false`: nothing, and it is to be loaded.
    func takeOver(_ load: Load) async -> Bool {
        // What this node itself loaded once is newer than what the former owner did; and who wants a load wants no copy.
        guard load.refreshes == nil, let peers = self.peers, !self.hasLoaded(load.key) else { return false }
        let present = load.isForPeer ? self.recording?.linkedOwner(of: load.key.key) : nil
        guard let former = present ?? peers.formerOwner(of: load.key.key) else { return false }
        let shard = self.shard(load)
        let now = self.configuration.clock.milliseconds
        let peeks = self.flights.withTable(shard) { !$0.isReload(load.flight) && $0.beginPeeking(load.flight, load.key, now: now) }
        guard peeks else { return false }
        defer { self.flights.withTable(shard) { $0.endPeeking(load.flight) } }
        // Half of the time is left for the getter.
        var request = self.request(load)
        request.timeout = load.timeLeft(now) / 2
        request.isPeek = true
        let result: Result<PeerEntry, GroupCacheError>
        if present != nil {
            result = await self.peekAtOnce(former, load, now)
        } else {
            do throws(GroupCacheError) {
                result = .success(try await self.peek(former, request))
            } catch {
                result = .failure(error)
            }
        }
        if self.landTakenOver(load, from: former, result) { return true }
        // Nobody waits any more: our getter is not called for it, either.
        if Task.isCancelled { self.land(load, .failure(.cancelled)) }
        return Task.isCancelled
    }

    /// Whether this node has something of the key that it has loaded, or was told, as the owner that it still is.
    func hasLoaded(_ key: HashedKey) -> Bool {
        guard let details = self.entry(key)?.details else { return false }
        return details.kind == .main && !details.isBypassed
    }

    private func peek(_ former: any PeerGetter, _ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry {
        guard let tracer else { return try await former.get(request) }
        let span = tracer.startAnySpan("groupcache.peer.peek", ofKind: .client)
        defer { span.end() }
        span.describeGet(of: self.name, peer: former.id)
        var request = request
        request.trace = PeerTrace(span.context, by: tracer)
        do throws(GroupCacheError) {
            return try await former.get(request)
        } catch {
            if error.code == .peerFailed { span.recordError(error) }
            throw error
        }
    }

    /// What another node has of a key that it owns by this node's ring, and by that of who asks this node for it does not: one of the two has not heard yet
    /// that the ring has changed. A second or so passes until all have, and all that is asked for in it would be loaded anew.
    ///
    /// A load that the other node runs is not waited for: it may be the one that is too slow for who asks, who has come here for that.
    private func peekAtOnce(_ owner: any PeerGetter, _ load: Load, _ now: Int64) async -> Result<PeerEntry, GroupCacheError> {
        var request = self.batchRequest(timeout: min(load.timeLeft(now) / 2, Self.shortLook))
        request.isPeek = true
        return await PeekAnswers.all(from: owner, [load.key.key], request)[0]
    }

    /// How long a node is waited for that answers at once, or not at all.
    private static var shortLook: Duration { .milliseconds(100) }

    /// Lands, of flights that are to be loaded in one call, those whose former owners have something. Returns the others.
    ///
    /// Loads that former owners run are not waited for: one slow key would hold up a thousand, and two nodes that each wait for a key of the other's
    /// batch would wait for each other.
    func takeOver(_ loads: [Load]) async -> [Load] {
        guard let peers = self.peers else { return loads }
        var asked: [(former: any PeerGetter, loads: [Load])] = []
        var open: [Load] = []
        let now = self.configuration.clock.milliseconds
        for load in loads {
            guard let former = peers.formerOwner(of: load.key.key), !self.hasLoaded(load.key),
                self.flights.withTable(self.shard(load), { !$0.isReload(load.flight) && $0.beginPeeking(load.flight, load.key, now: now) })
            else {
                open.append(load)
                continue
            }
            if let place = asked.firstIndex(where: { $0.former.id == former.id }) {
                asked[place].loads.append(load)
            } else {
                asked.append((former, [load]))
            }
        }
        if asked.isEmpty { return open }
        var request = self.batchRequest(timeout: self.configuration.loadTimeout / 4)
        request.isPeek = true
        let batch = request
        // All at the same time: each of them may be one that does not answer.
        return await withTaskGroup(of: [Load].self) { tasks in
            for (former, loads) in asked {
                tasks.addTask {
                    let answers = await PeekAnswers.all(from: former, loads.map(\.key.key), batch)
                    return zip(loads, answers).filter { !self.landTakenOver($0, from: former, $1, cancelling: true) }.map(\.0)
                }
            }
            for await some in tasks { open += some }
            for (_, loads) in asked {
                for load in loads { self.flights.withTable(self.shard(load)) { $0.endPeeking(load.flight) } }
            }
            return open
        }
    }

    /// - Parameter cancelling: The task that we run in loads other flights as well, which counts off those that have landed.
    private func landTakenOver(
        _ load: Load,
        from former: any PeerGetter,
        _ result: Result<PeerEntry, GroupCacheError>,
        cancelling: Bool = false
    ) -> Bool {
        // Not all at the same moment: each of them is asked for again when its time is over, while the former owner still has it, and knows by then.
        let longest = self.configuration.nearTTL * Double.random(in: 0.2...0.5)
        var isHandedOver = false
        // By the number that was drawn when the value came to be: a tag of it may have been removed since, and who has it may never hear of that.
        var stamp: UInt64?
        var loaded: Loaded<Value>
        switch result {
        case .success(let entry):
            let born = self.configuration.clock.milliseconds - entry.age.milliseconds
            let number = self.moves.withLockedValue { $0.number(before: born) }
            stamp = number
            if entry.attributes.hasTags, self.store.tags.own.verdict(entry.attributes, stamp: number).verdict == .gone { return false }
            // By this node's own ring, too: what is another's it keeps for a while only.
            isHandedOver = entry.isHandedOver && self.peers?.pickOwner(of: load.key.key) == nil
            let ttl: Duration? = isHandedOver ? entry.ttl : min(entry.ttl ?? longest, longest)
            do throws(GroupCacheError) {
                // A value without time left is good for those who wait.
                loaded = .value(try self.decode(entry), ttl: ttl, cacheable: ttl ?? longest > .zero)
                (loaded.attributes, loaded.age) = (entry.attributes, entry.age)
            } catch {
                self.noteMismatch(error)
                return false
            }
        case .failure(let error):
            switch error.code {
            case .notFound: loaded = .notFound(ttl: min(error.retryAfter ?? .zero, longest))
            case .peerFailed:
                self.peerFailed(former, error)
                return false
            // Whatever is wrong with the former owner, or with its getter, is no reason not to call ours.
            default: return false
            }
        }
        self.counters.loadsDeduped.increment()
        self.counters.peerLoads.increment()
        self.counters.takeovers.increment()
        do throws(GroupCacheError) {
            // The ring may have changed meanwhile.
            let isOwner = self.peers?.pickOwner(of: load.key.key) == nil
            let rules = LandingRules(self.configuration, self.codec, from: .former(isOwn: isOwner && isHandedOver), unheard: self.unheard)
            let (answer, change) = try rules.land(loaded, previous: nil, cost: .zero, version: load.flight.number, stamp: stamp)
            // A change that came in between has superseded the flight: then nobody keeps what the former owner had.
            self.land(load, .success(answer), change, cancelling: cancelling)
            if isOwner { self.endSoonIfMoved(load.key) }
        } catch {
            self.land(load, .failure(error), cancelling: cancelling)
        }
        return true
    }

    // MARK: What is not this node's own

    /// What this node answers a peer of a key that is another's, with no more time than it may be served here itself. Who asks hears of no change by the
    /// stream of this node; given the value's own time it would begin a new one, and the next one that asks it another.
    func bounded(_ served: ServedEntry, _ details: EntryDetails) -> ServedEntry {
        guard !served.isOwn, let recording = self.recording else { return served }
        let left: Int64
        if details.kind == .near {
            // What nothing is heard of has a time of its own, which is what is left of it.
            guard details.stream != 0, details.stream != CopyLeases.unheard, let leases = self.store.leases else { return served }
            left = leases.left(details.stream)
        } else {
            guard recording.sweeps else { return served }
            let now = self.configuration.clock.milliseconds
            left = self.moves.withLockedValue { $0.left(now) }
        }
        var served = served
        served.ttl = min(served.ttl ?? .milliseconds(left), .milliseconds(left))
        return served
    }

    // MARK: The former owner

    /// What this node has of a key that is another's now, or is loading just now.
    ///
    /// - Throws: `notHeld`; or what the load throws.
    func held(_ key: Key, timeout: Duration?) async throws(GroupCacheError) -> ServedEntry {
        if let error = key.error { throw error }
        if let held = self.held(key) { return held }
        if let timeout, timeout <= .zero { throw .notHeld }
        try self.beginWaiting(nil)
        defer { self.endWaiting(nil) }
        let hashed = self.hashed(key)
        if let answer = try await self.flights.joinRunning(hashed, shard: self.shard(hashed), timeout: timeout.map { $0 * 9 / 10 }) {
            return try self.served(hashed, answer)
        }
        // The load may have ended between the two looks.
        guard let held = self.held(key) else { throw .notHeld }
        return held
    }

    /// What this node has cached, fresh, of a key that is another's now. Counts nothing.
    func held(_ key: Key) -> ServedEntry? {
        let hashed = self.hashed(key)
        // Before the look: a change that this node makes as the owner after it is one that it has told others of, or will be told of.
        let handsOver = self.recording?.handsOver(key.bytes.span) ?? false
        guard let entry = self.entry(hashed), entry.details.state == .fresh else { return nil }
        var served = ServedEntry(value: nil, source: entry.details.kind == .near ? .near : .main)
        if let value = entry.value {
            let encoded = self.withBytes(of: key) { try? self.encoded(value, of: entry, hashed.hash, $0) }
            guard let encoded else { return nil }
            served.value = encoded
        }
        if served.source == .main { served.isHandedOver = handsOver }
        let dated = self.dated(self.signed(served), entry)
        return served.source == .main ? dated : self.bounded(dated, entry.details)
    }

    /// The owners of keys have changed. O(entries).
    ///
    /// A value of a key that has gone to another node would be served here without end, for sets and removes go to that node now. It stays for
    /// as long as any copy of another node's value may live, so that its new owner finds it; no longer.
    func peersChanged() {
        guard self.peers != nil else { return }
        // Its new owner is to find how long the value may live, so its time is left alone, and it goes when that of a copy is over. If the key has come
        // back by then it stays: whoever owned it in between has told this node of each change before it was acknowledged.
        if self.recording?.sweeps == true { return self.dropMoved(in: self.configuration.nearTTL) }
        var cursor: ScanCursor? = .start
        while let from = cursor {
            let page = self.store.scan(from: from, limit: 256)
            for entry in page.entries where entry.details.kind == .main { self.endSoonIfMoved(self.hashed(Key(bytes: entry.key))) }
            cursor = page.next
        }
    }

    /// Draws a number that says what came before this moment.
    func noteTime() { self.moves.withLockedValue { $0.note(self.configuration.clock.milliseconds) } }

    /// Ends what is kept of a key that is not this node's any more.
    ///
    /// After something has been stored as the owner's, too: the ring may have changed, and ``peersChanged()`` may have passed by, between the
    /// question who the owner is and the store. If this still sees the old ring, ``peersChanged()`` is yet to come.
    func endSoonIfMoved(_ key: HashedKey) {
        guard self.peers?.pickOwner(of: key.key) != nil else { return }
        let time = self.configuration.nearTTL.milliseconds
        if time > 0, self.recording?.sweeps == true { return self.dropMoved(in: self.configuration.nearTTL) }
        if time == 0 { return self.discard(key) }
        _ = self.withBytes(of: key.key) { self.store.shorten(key.hash, $0, to: time) }
    }

    /// What this node keeps as the owner of keys that are another's goes after a time, at the latest.
    private func dropMoved(in time: Duration) {
        let now = self.configuration.clock.milliseconds
        self.moves.withLockedValue { $0.keys(now, keptFor: time.milliseconds) }
    }

    /// Drops what has moved, when its time is over. O(entries), once after each change of the ring.
    ///
    /// - Parameter atOnce: Its time is over, for a new owner's changes were not heard for a while.
    func dropMoved(atOnce: Bool = false) {
        // Before the look: what moves during it is dropped by the next one.
        let now = atOnce ? Int64.max - 1 : self.configuration.clock.milliseconds
        guard self.moves.withLockedValue({ $0.isOver(now) }) else { return }
        self.discardOwn { self.peers?.pickOwner(of: $0) != nil }
    }

    /// Drops some of what this node has, or had, as the owner. O(entries).
    func discardOwn(where isNamed: (Key) -> Bool) {
        var cursor: ScanCursor? = .start
        while let from = cursor {
            let page = self.store.scan(from: from, limit: 256)
            for entry in page.entries where entry.details.kind == .main {
                let key = Key(bytes: entry.key)
                if isNamed(key) { self.discard(self.hashed(key)) }
            }
            cursor = page.next
        }
    }
}

/// When what a node keeps of keys that have moved to others goes: a value. Milliseconds.
struct MovedKeys: Sendable {
    /// Numbers, and when they were drawn, the last first: by them a value that was taken over is as old as it is, against the tags that were removed here. The
    /// older, the fewer there are.
    private var numbers: [(time: Int64, number: UInt64)] = []
    /// How many of them are kept, and how long there is between two of the last: milliseconds.
    private static let limit = 128
    private static let pace: Int64 = 1_000
    /// Ages are kept to the second, and clocks may differ by a thousandth: of what lives for an hour, four seconds.
    private static let grain: Int64 = 5_000
    private var first: Int64?
    private var until = Int64.max

    /// Keys have moved. What moved before stays as long as they, so that a ring that changes twice costs one look; but not without end, if it goes on changing.
    mutating func keys(_ now: Int64, keptFor time: Int64) {
        let first = self.first ?? now
        self.first = first
        self.until = min(now + time, first + 3 * time)
    }

    /// Whether it is time to look at all.
    mutating func isOver(_ now: Int64) -> Bool {
        guard now >= self.until else { return false }
        (self.first, self.until) = (nil, .max)
        return true
    }

    /// For how much longer any of it is kept; zero: nobody has said yet that there is something.
    func left(_ now: Int64) -> Int64 { self.isPending ? max(0, self.until - now) : 0 }

    /// Time passes.
    mutating func note(_ now: Int64) {
        if let last = self.numbers.last, now < last.time + Self.pace { return }
        self.numbers.append((now, NumberSource.shared.next()))
        guard self.numbers.count > Self.limit else { return }
        // The one whose neighbours are the closest, for how old they are.
        var (least, place) = (Double.infinity, 1)
        for index in 1..<self.numbers.count - 1 {
            let gap = Double(self.numbers[index + 1].time - self.numbers[index - 1].time)
            let share = gap / Double(now - self.numbers[index].time)
            if share < least { (least, place) = (share, index) }
        }
        self.numbers.remove(at: place)
    }

    /// A number that was drawn before anything was at a moment; 0, which is less than any, if none is known that was drawn before.
    func number(before moment: Int64) -> UInt64 { self.numbers.last { $0.time <= moment - Self.grain }?.number ?? 0 }

    /// Whether anything is kept for a while.
    var isPending: Bool { self.until != .max }
}

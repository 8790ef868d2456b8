// SPDX-License-Identifier: Apache-2.0

/// What a load may wait for. Loads of different kinds are never shared: see ``Group``.
enum FlightKind: Hashable, Sendable {
    /// Asks peers, and the getter when they fail.
    case routed
    /// The same for who wants no value past its time: the owner may have answered others with one.
    case strict
    /// Calls the getter. Never waits for another node.
    case local
    /// Asks the owner to load anew. Never joined: the owner puts such requests together.
    case reload

    var isRouted: Bool { self == .routed || self == .strict }
}

/// Names one load in this process, for good.
struct FlightID: Hashable, Sendable {
    /// Greater is newer.
    var number: UInt64
    /// Where its table keeps it.
    fileprivate var slot: Int32
}

/// The loads that run in one shard, and who waits for them: a value, without locks, tasks or clocks. Every event is O(1), or O(waiters of the load).
///
/// Each event returns what is to be done once the lock is let go: a job to start or to cancel, waiters to resume.
///
/// A flight is *current* while a newcomer may join it. It stops being current when it ends, when its last waiter leaves, or when a set,
/// remove or clear supersedes it; in that last case it flies on for those who already wait, but its result is not stored and the next
/// caller starts afresh. A flight whose getter has not been called is not superseded: what it will load is newer than the change.
///
/// A reload has to begin after whoever asked for it, so it does not join a load that has called the getter. It overtakes one that nobody had asked to be
/// a reload: becomes current in its place, and what the overtaken one brings is kept only if it lands first. Behind a current reload another one is
/// *queued*, which begins when that has ended. So two loads of a key run, and one is to come, however many callers ask for it to be loaded anew.
struct FlightTable<Waiter: Sendable, Job: Sendable>: Sendable {
    private struct Flight {
        /// 0: the slot is free.
        var number: UInt64 = 0
        var kind = FlightKind.local
        var key: HashedKey?
        var job: Job?
        var waiters = WaiterList()
        /// The next flight in its bucket, or the next free slot.
        var next: Int32 = -1
        /// The flight that begins when this one has ended.
        var queued: Int32 = -1
        /// When the getter was called; milliseconds. `nil`: not yet.
        var called: Int64?
        /// What it brings may be older than a change that comes now: the getter has been called, or another node asked.
        var mayBeOld = false
        var isCurrent = true
        /// Runs for its own sake, as a refresh does: is not cancelled for want of waiters.
        var isHeld = false
        var isSuperseded = false
        /// Waits for another node, which must not wait for it.
        var isPeeking = false
        /// The flight that has to end before this one begins.
        var behind: Int32 = -1
        var isQueued: Bool { self.behind >= 0 }
        /// The flight that this one has overtaken, and the one that has overtaken this one.
        var older: Int32 = -1
        var newer: Int32 = -1
        /// Takes longer than those wait who can have an old value.
        var isSlow = false
        /// Who came too late to find anything fresh in the store, and wants what this load brings.
        var isReload = false
    }

    private var flights: [Flight] = []
    private var freeFlight: Int32 = -1
    private var places = WaiterPlaces<Waiter>()
    /// Heads of the lists of current flights, by hash.
    private var buckets: [Int32] = []
    private(set) var count = 0
    /// How many callers wait.
    var waiters: Int { self.places.count }
    /// What has superseded loads of late.
    var changed = ChangedKeys()
    /// The keys that this node itself has changed of late, as their owner.
    var changedHere = ChangedKeys()
    /// Which keys' loads are not to be kept for a while.
    var settling = SettlingKeys()
    /// Which keys' loads have failed of late.
    var failures: FailureTable

    init(failures: FailureTable = FailureTable()) { self.failures = failures }

    // MARK: Joining

    struct Boarding {
        var flight: FlightID
        var waiter: WaiterID
        /// To be started; `nil`: the load is under way, or comes when another one has ended.
        var start: Job?
        /// Others wait for it already, or did.
        var isShared = true
        /// Takes longer than those wait who can have an old value.
        var isSlow = false
    }

    /// Makes `waiter` wait for the current flight of `key`, or for a new one.
    ///
    /// - Parameters:
    ///   - isStrict: It does not want a value past its time.
    ///   - reload: Only a load will do whose getter is called after this.
    ///   - number: Names the flight, should it be a new one.
    ///   - job: Makes what is to be done for a new one.
    mutating func join(
        _ kind: FlightKind,
        _ key: HashedKey,
        _ waiter: Waiter,
        isStrict: Bool = false,
        reload: Bool = false,
        number: UInt64,
        job: (FlightID) -> Job
    ) -> Boarding {
        let running = self.current(kind, key)
        if running >= 0, !reload || !self.flights[Int(running)].mayBeOld {
            if reload { self.flights[Int(running)].isReload = true }
            let isSlow = self.flights[Int(running)].isSlow
            return Boarding(flight: self.id(running), waiter: self.seat(waiter, isStrict, in: running), isSlow: isSlow)
        }
        if running >= 0, self.flights[Int(running)].queued >= 0 {
            let queued = self.flights[Int(running)].queued
            return Boarding(flight: self.id(queued), waiter: self.seat(waiter, isStrict, in: queued))
        }
        let waits = running >= 0 && self.flights[Int(running)].isReload
        if running >= 0, !waits { self.unlink(running) }
        let slot = self.begin(kind, key, number: number, after: waits ? running : -1, job: job)
        self.flights[Int(slot)].isReload = reload
        if running >= 0, !waits { self.overtake(running, by: slot) }
        let start = waits ? nil : self.flights[Int(slot)].job
        return Boarding(flight: self.id(slot), waiter: self.seat(waiter, isStrict, in: slot), start: start, isShared: false)
    }

    /// Makes `waiter` wait for the current flight of `key`. `nil`: there is none, or it waits for another node itself.
    mutating func joinRunning(_ kind: FlightKind, _ key: HashedKey, _ waiter: Waiter) -> (flight: FlightID, waiter: WaiterID)? {
        let running = self.current(kind, key)
        guard running >= 0, !self.flights[Int(running)].isPeeking else { return nil }
        return (self.id(running), self.seat(waiter, false, in: running))
    }

    /// Begins a flight that nobody waits for yet. `nil`: one is already under way.
    mutating func hold(_ kind: FlightKind, _ key: HashedKey, number: UInt64, job: (FlightID) -> Job) -> Job? {
        guard self.current(kind, key) < 0 else { return nil }
        let slot = self.begin(kind, key, number: number, after: -1, job: job)
        self.flights[Int(slot)].isHeld = true
        return self.flights[Int(slot)].job
    }

    /// Whether a load of `key` is under way.
    func isLoading(_ kind: FlightKind, _ key: HashedKey) -> Bool { self.current(kind, key) >= 0 }

    /// Whether a load of `key` is under way that takes long.
    func isSlow(_ kind: FlightKind, _ key: HashedKey) -> Bool {
        let running = self.current(kind, key)
        return running >= 0 && self.flights[Int(running)].isSlow
    }

    /// The flight is about to wait for what another node has of its key, and nobody who asks for the same thing here may wait for it meanwhile.
    /// Two nodes that take each other for the key's former owner would wait for one another: each marks its flight first and asks then, so the
    /// one whose question comes later finds the mark. `false`: what other nodes have of the key is old.
    ///
    /// Under the lock that changes are noted under: one that comes later supersedes this flight.
    mutating func beginPeeking(_ id: FlightID, _ key: HashedKey, now: Int64) -> Bool {
        guard let slot = self.slot(of: id), !self.changed.contains(key.hash, now: now) else { return false }
        self.flights[slot].mayBeOld = true
        self.flights[slot].isPeeking = true
        return true
    }

    /// The other node has answered.
    mutating func endPeeking(_ id: FlightID) {
        if let slot = self.slot(of: id) { self.flights[slot].isPeeking = false }
    }

    /// The getter is about to be called. `false`: nobody waits any more, and it must not be.
    mutating func call(_ id: FlightID, now: Int64) -> Bool {
        guard let slot = self.slot(of: id) else { return false }
        self.flights[slot].called = now
        self.flights[slot].mayBeOld = true
        return true
    }

    /// Whether the load has not ended.
    func isOpen(_ id: FlightID) -> Bool { self.slot(of: id) != nil }

    /// What is done for each load, also those that wait for another one. O(loads).
    func forEachJob(_ body: (Job) -> Void) {
        for flight in self.flights { if let job = flight.job { body(job) } }
    }

    /// Whether somebody wants what the load brings, rather than what the store may have by now.
    func isReload(_ id: FlightID) -> Bool { self.slot(of: id).map { self.flights[$0].isReload } ?? false }

    // MARK: Leaving

    struct Leave {
        /// The waiter, to be resumed with an error; `nil`: it has already been resumed.
        var waiter: Waiter?
        /// To be cancelled: nobody waits for it any more.
        var cancel: Job?
        /// To be started, in its place.
        var start: Job?
    }

    /// Whether a waiter is yet to be resumed.
    func isWaiting(_ waiter: WaiterID) -> Bool { self.places.flight(of: waiter) != nil }

    /// Takes a waiter out of its flight, because it was cancelled or its time is over.
    ///
    /// - Parameter keeps: Whether a load whose getter was called at a moment (milliseconds) shall go on without waiters.
    mutating func leave(_ waiter: WaiterID, keeps: (Int64) -> Bool = { _ in false }) -> Leave {
        guard let slot = self.places.flight(of: waiter) else { return Leave() }
        let left = self.places.remove(waiter, from: &self.flights[slot].waiters)
        guard self.flights[slot].waiters.isEmpty, !self.flights[slot].isHeld else { return Leave(waiter: left) }
        if !self.flights[slot].isSuperseded, let called = self.flights[slot].called, keeps(called) {
            self.flights[slot].isHeld = true
            return Leave(waiter: left)
        }
        // The load is about to be cancelled: whoever comes next must not join it, or they would be handed a cancellation that is not theirs.
        let wasQueued = self.flights[slot].isQueued
        let job = self.flights[slot].job
        return Leave(waiter: left, cancel: wasQueued ? nil : job, start: self.end(slot))
    }

    /// The load is slow. Takes out everybody who would rather have a value past its time than wait longer, if there is one; the load then goes on,
    /// also when nobody is left.
    mutating func setSlow(_ id: FlightID, releasing: Bool) -> [Waiter] {
        guard let slot = self.slot(of: id) else { return [] }
        self.flights[slot].isSlow = true
        guard releasing else { return [] }
        self.flights[slot].isHeld = true
        var released: [Waiter] = []
        var place = self.flights[slot].waiters.first
        while place >= 0 {
            let next = self.places.next(place)
            if !self.places.isStrict(place) { released.append(self.places.remove(place, from: &self.flights[slot].waiters)) }
            place = next
        }
        return released
    }

    /// What a flight was begun for that nobody had asked for has come to nothing. `false`: others have come to wait for it meanwhile; it goes on, and from now on
    /// for as long as they do. Else it has ended, and there may be another one to be started.
    mutating func letGo(_ id: FlightID) -> (isOver: Bool, start: Job?) {
        guard let slot = self.slot(of: id) else { return (true, nil) }
        self.flights[slot].isHeld = false
        return self.flights[slot].waiters.isEmpty ? (true, self.end(slot)) : (false, nil)
    }

    // MARK: Ending

    struct Landing {
        /// To be resumed with the result.
        var first: (waiter: Waiter, isStrict: Bool)?
        var others: [(waiter: Waiter, isStrict: Bool)] = []
        /// Whether the result is still worth storing.
        var stores = false
        /// Whether the getter was called.
        var wasCalled = false
        /// What was done for the flight.
        var job: Job?
        /// To be started: it has waited for this flight's end.
        var start: Job?
    }

    /// Ends a flight. `nil`: it was abandoned; its result is nobody's, and is not stored.
    ///
    /// Call it, and store the result, under one lock: a remove that came in between would be undone.
    ///
    /// - Parameter changes: It brings something that is newer than what a flight brings that it has overtaken.
    mutating func land(_ id: FlightID, changes: Bool = true) -> Landing? {
        var landing = Landing()
        return self.land(id, changes: changes, into: &landing) ? landing : nil
    }

    /// The same, in place, for it is done for each peer get. `false`: it was abandoned.
    mutating func land(_ id: FlightID, changes: Bool, into landing: inout Landing) -> Bool {
        guard let slot = self.slot(of: id) else { return false }
        if changes { self.supersedeOvertaken(by: slot) }
        landing.stores = !self.flights[slot].isSuperseded
        landing.wasCalled = self.flights[slot].called != nil
        landing.job = self.flights[slot].job
        while self.flights[slot].waiters.first >= 0 {
            let place = self.flights[slot].waiters.first
            let isStrict = self.places.isStrict(place)
            let waiter = self.places.remove(place, from: &self.flights[slot].waiters)
            if landing.first == nil { landing.first = (waiter, isStrict) } else { landing.others.append((waiter, isStrict)) }
        }
        landing.start = self.end(slot)
        return true
    }

    // MARK: Superseding

    /// Takes the loads of `key` out of the way of a set or remove. Returns a load to be started, which has waited for one of them.
    ///
    /// Call it, and change the store, under one lock.
    mutating func supersede(_ key: HashedKey) -> Job? {
        // Nothing is ever queued behind a routed one.
        _ = self.supersede(self.current(.routed, key))
        _ = self.supersede(self.current(.strict, key))
        return self.supersede(self.current(.local, key))
    }

    /// The keys that are being loaded, one as often as it is. O(loads).
    var keys: [HashedKey] { self.flights.compactMap { $0.number != 0 && $0.isCurrent ? $0.key : nil } }

    /// Takes all loads out of the way of a clear. Returns those to be started in their place. O(loads).
    mutating func supersedeAll() -> [Job] {
        self.flights.indices.compactMap { slot in
            self.flights[slot].number != 0 && self.flights[slot].isCurrent ? self.supersede(Int32(slot)) : nil
        }
    }

    private mutating func supersede(_ slot: Int32) -> Job? {
        guard slot >= 0 else { return nil }
        self.supersedeOvertaken(by: Int(slot))
        // A routed load has asked a peer by now. A local one that waits for its turn will call the getter after this change.
        guard self.flights[Int(slot)].kind != .local || self.flights[Int(slot)].mayBeOld else { return nil }
        self.flights[Int(slot)].isSuperseded = true
        self.unlink(slot)
        return self.beginQueued(behind: Int(slot))
    }

    private mutating func overtake(_ older: Int32, by slot: Int32) {
        self.flights[Int(slot)].older = older
        self.flights[Int(older)].newer = slot
    }

    private mutating func supersedeOvertaken(by slot: Int) {
        let older = self.flights[slot].older
        guard older >= 0 else { return }
        self.flights[slot].older = -1
        self.flights[Int(older)].newer = -1
        self.flights[Int(older)].isSuperseded = true
    }

    // MARK: Slots

    private func id(_ slot: Int32) -> FlightID { FlightID(number: self.flights[Int(slot)].number, slot: slot) }

    private func slot(of id: FlightID) -> Int? {
        let slot = Int(id.slot)
        return slot < self.flights.count && self.flights[slot].number == id.number ? slot : nil
    }

    private func bucket(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (self.buckets.count - 1) }

    private func current(_ kind: FlightKind, _ key: HashedKey) -> Int32 {
        guard !self.buckets.isEmpty else { return -1 }
        var slot = self.buckets[self.bucket(key.hash)]
        while slot >= 0, self.flights[Int(slot)].kind != kind || self.flights[Int(slot)].key != key {
            slot = self.flights[Int(slot)].next
        }
        return slot
    }

    /// A new flight; `running` is the one that it waits for, or -1.
    private mutating func begin(_ kind: FlightKind, _ key: HashedKey, number: UInt64, after running: Int32, job: (FlightID) -> Job) -> Int32
    {
        let slot: Int32
        if self.freeFlight >= 0 {
            slot = self.freeFlight
            self.freeFlight = self.flights[Int(slot)].next
        } else {
            slot = Int32(self.flights.count)
            self.flights.append(Flight())
        }
        self.count += 1
        self.flights[Int(slot)] = Flight(number: number, kind: kind, key: key)
        self.flights[Int(slot)].job = job(self.id(slot))
        if running >= 0 {
            self.flights[Int(slot)].behind = running
            self.flights[Int(slot)].isCurrent = false
            self.flights[Int(running)].queued = slot
        } else if kind == .reload {
            self.flights[Int(slot)].isCurrent = false
        } else {
            self.link(slot)
        }
        return slot
    }

    /// Lets the flight go. Returns the one that has waited for its end.
    private mutating func end(_ slot: Int) -> Job? {
        if self.flights[slot].isCurrent { self.unlink(Int32(slot)) }
        // Nobody waits for a queued flight any more: the one before it shall not begin it.
        if self.flights[slot].isQueued { self.flights[Int(self.flights[slot].behind)].queued = -1 }
        let (older, newer) = (self.flights[slot].older, self.flights[slot].newer)
        if newer >= 0 { self.flights[Int(newer)].older = -1 }
        let queued = self.flights[slot].queued
        let next = self.beginQueued(behind: slot)
        if older >= 0 {
            // What was overtaken is the newest again, or is overtaken by who has waited.
            self.flights[Int(older)].newer = -1
            if queued >= 0 { self.overtake(older, by: queued) } else { self.link(older) }
        }
        self.flights[slot] = Flight(next: self.freeFlight)
        self.freeFlight = Int32(slot)
        self.count -= 1
        // What a moment of need took is given back when it is over.
        if self.count == 0, self.flights.count > 256 || self.places.capacity > 1024 {
            (self.flights, self.freeFlight, self.places, self.buckets) = ([], -1, WaiterPlaces(), [])
        }
        return next
    }

    private mutating func beginQueued(behind slot: Int) -> Job? {
        let queued = self.flights[slot].queued
        guard queued >= 0 else { return nil }
        self.flights[slot].queued = -1
        self.flights[Int(queued)].behind = -1
        self.link(queued)
        return self.flights[Int(queued)].job
    }

    private mutating func link(_ slot: Int32) {
        if self.buckets.count < self.count { self.grow() }
        guard let key = self.flights[Int(slot)].key else { return }
        let bucket = self.bucket(key.hash)
        self.flights[Int(slot)].isCurrent = true
        self.flights[Int(slot)].next = self.buckets[bucket]
        self.buckets[bucket] = slot
    }

    private mutating func unlink(_ slot: Int32) {
        guard let key = self.flights[Int(slot)].key else { return }
        let next = self.flights[Int(slot)].next
        let bucket = self.bucket(key.hash)
        self.flights[Int(slot)].isCurrent = false
        self.flights[Int(slot)].next = -1
        var other = self.buckets[bucket]
        if other == slot {
            self.buckets[bucket] = next
            return
        }
        while other >= 0 {
            if self.flights[Int(other)].next == slot {
                self.flights[Int(other)].next = next
                return
            }
            other = self.flights[Int(other)].next
        }
    }

    private mutating func grow() {
        var current: [Int32] = []
        for head in self.buckets {
            var slot = head
            while slot >= 0 {
                current.append(slot)
                slot = self.flights[Int(slot)].next
            }
        }
        self.buckets = Array(repeating: -1, count: max(8, self.buckets.count * 2))
        for slot in current { self.link(slot) }
    }

    private mutating func seat(_ waiter: Waiter, _ isStrict: Bool, in flight: Int32) -> WaiterID {
        self.places.add(waiter, isStrict: isStrict, flight: flight, to: &self.flights[Int(flight)].waiters)
    }
}

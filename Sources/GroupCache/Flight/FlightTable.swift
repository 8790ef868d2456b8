/// The loads that run in one shard, and who waits for them: a value, without locks, tasks or clocks.
///
/// Each event returns what is to be done once the lock is let go: a load to start or to cancel, waiters to resume.
///
/// A flight is *current* while a newcomer may join it. It stops being current when it ends, when its last waiter leaves, or when a set,
/// remove or clear supersedes it; in that last case it flies on for those who already wait, but its result is not stored and the next
/// caller starts afresh.
struct FlightTable<Waiter: Sendable>: Sendable {
    private struct Name: Hashable {
        var kind: FlightKind
        var key: Key

        func hash(into hasher: inout Hasher) {
            // Two keys of the same bytes but different kinds are rare, and tell themselves apart when compared.
            self.key.hash(into: &hasher)
        }
    }

    private struct Flight {
        var name: Name
        /// Who started it. Most loads have one waiter, who then needs no dictionary.
        var first: (id: WaiterID, waiter: Waiter)?
        var others: [WaiterID: Waiter] = [:]
        /// Runs for its own sake, as a refresh does: is not cancelled for want of waiters.
        var held: Bool
        var superseded = false
        /// Waits for another node, which must not wait for it.
        var isPeeking = false
        /// Cancels the load; `nil` until the load has been started.
        var cancel: (@Sendable () -> Void)?

        var isWanted: Bool { self.held || self.first != nil || !self.others.isEmpty }
    }

    private var current: [Name: FlightID] = [:]
    private var flights: [FlightID: Flight] = [:]
    /// How many callers wait.
    private(set) var waiters = 0
    /// What has superseded loads of late.
    var changed = ChangedKeys()

    /// How many loads run.
    var count: Int { self.flights.count }

    /// The flight that a newcomer would join.
    func current(_ kind: FlightKind, _ key: Key) -> FlightID? {
        self.current[Name(kind: kind, key: key)]
    }

    // MARK: Joining

    enum Join: Equatable {
        /// The caller is to start the load, and then call ``started(_:cancel:)``.
        case start
        /// A load is already under way.
        case joined
    }

    struct Boarding: Equatable {
        var flight: FlightID
        var join: Join
    }

    /// Makes `waiter` wait for the current flight of `key`, or for a new one.
    ///
    /// - Parameters:
    ///   - id: An id for the flight, should it be a new one.
    ///   - cancel: Cancels the load of that; `nil`: ``started(_:cancel:)`` will say how.
    mutating func join(
        _ kind: FlightKind,
        _ key: Key,
        as waiterID: WaiterID,
        _ waiter: Waiter,
        orStart id: FlightID,
        cancel: (@Sendable () -> Void)? = nil
    ) -> Boarding {
        let name = Name(kind: kind, key: key)
        self.waiters += 1
        if let running = self.current[name] {
            self.flights[running]?.others[waiterID] = waiter
            return Boarding(flight: running, join: .joined)
        }
        self.current[name] = id
        self.flights[id] = Flight(name: name, first: (waiterID, waiter), held: false, cancel: cancel)
        return Boarding(flight: id, join: .start)
    }

    /// Makes `waiter` wait for the current flight of `key`. `nil`: there is none, or it waits for another node itself.
    mutating func joinRunning(_ kind: FlightKind, _ key: Key, as waiterID: WaiterID, _ waiter: Waiter) -> FlightID? {
        guard let running = self.current(kind, key), self.flights[running]?.isPeeking == false else { return nil }
        self.waiters += 1
        self.flights[running]?.others[waiterID] = waiter
        return running
    }

    /// The flight is about to wait for what another node has of its key, and nobody who asks for the same thing here may wait for it meanwhile.
    /// Two nodes that take each other for the key's former owner would wait for one another: each marks its flight first and asks then, so the
    /// one whose question comes later finds the mark. `false`: what other nodes have of the key is old.
    ///
    /// Under the lock that changes are noted under: one that comes later supersedes this flight.
    mutating func beginPeeking(_ id: FlightID, _ hash: UInt64, now: Int64) -> Bool {
        if self.changed.contains(hash, now: now) { return false }
        self.flights[id]?.isPeeking = true
        return true
    }

    /// The other node has answered.
    mutating func endPeeking(_ id: FlightID) { self.flights[id]?.isPeeking = false }

    /// Begins a flight that nobody waits for yet. `false`: one is already under way.
    mutating func hold(_ kind: FlightKind, _ key: Key, start id: FlightID) -> Bool {
        let name = Name(kind: kind, key: key)
        guard self.current[name] == nil else { return false }
        self.current[name] = id
        self.flights[id] = Flight(name: name, held: true)
        return true
    }

    /// Tells how to cancel the load, now that it has been started.
    ///
    /// Between ``join(_:_:as:_:orStart:)`` and this, the only waiter may have left again, or a fast load may already have ended. Then
    /// `false` is returned, and the caller cancels the load itself, which is harmless if it has ended.
    mutating func started(_ id: FlightID, cancel: @escaping @Sendable () -> Void) -> Bool {
        guard self.flights[id] != nil else { return false }
        self.flights[id]?.cancel = cancel
        return true
    }

    // MARK: Leaving

    struct Leave {
        /// The waiter, to be resumed with an error; `nil`: it has already been resumed.
        var waiter: Waiter?
        /// Cancels the load, which nobody waits for any more.
        var cancel: (@Sendable () -> Void)?
    }

    /// Takes a waiter out of its flight, because it was cancelled or its time is over.
    mutating func leave(_ waiterID: WaiterID, of id: FlightID) -> Leave {
        guard let slot = self.flights.index(forKey: id) else { return Leave() }
        var waiter: Waiter?
        if self.flights.values[slot].first?.id == waiterID {
            waiter = self.flights.values[slot].first?.waiter
            self.flights.values[slot].first = nil
        } else {
            waiter = self.flights.values[slot].others.removeValue(forKey: waiterID)
        }
        guard waiter != nil else { return Leave() }
        self.waiters -= 1
        guard !self.flights.values[slot].isWanted else { return Leave(waiter: waiter) }
        // The load is about to be cancelled: whoever comes next must not join it, or they would be handed a cancellation that
        // is not theirs.
        return Leave(waiter: waiter, cancel: self.forget(id)?.cancel)
    }

    // MARK: Ending

    struct Landing {
        /// To be resumed with the result.
        var first: Waiter?
        var others: [Waiter]
        /// Whether the result is still worth storing.
        var stores: Bool
        /// Cancels the load, for when it is not the load itself that ends the flight.
        var cancel: (@Sendable () -> Void)?

        var waiters: [Waiter] { (self.first.map { [$0] } ?? []) + self.others }
    }

    /// Ends a flight. `nil`: it was abandoned; its result is nobody's, and is not stored.
    ///
    /// Call it, and store the result, under one lock: a remove that came in between would be undone.
    mutating func land(_ id: FlightID) -> Landing? {
        guard let flight = self.forget(id) else { return nil }
        self.waiters -= flight.others.count + (flight.first == nil ? 0 : 1)
        return Landing(
            first: flight.first?.waiter,
            others: flight.others.isEmpty ? [] : Array(flight.others.values),
            stores: !flight.superseded,
            cancel: flight.cancel
        )
    }

    @discardableResult
    private mutating func forget(_ id: FlightID) -> Flight? {
        guard let flight = self.flights.removeValue(forKey: id) else { return nil }
        // Superseded, it has made room for another one of the same name.
        if !flight.superseded { self.current.removeValue(forKey: flight.name) }
        return flight
    }

    // MARK: Superseding

    /// Takes the loads of `key` out of the way of a set or remove. Returns how many there were.
    ///
    /// Call it, and change the store, under one lock.
    mutating func supersede(_ key: Key) -> Int {
        self.supersede(Name(kind: .routed, key: key)) + self.supersede(Name(kind: .local, key: key))
    }

    /// Takes all loads out of the way of a clear. Returns how many there were.
    mutating func supersedeAll() -> Int {
        let names = self.current.keys
        return names.reduce(0) { $0 + self.supersede($1) }
    }

    private mutating func supersede(_ name: Name) -> Int {
        guard let id = self.current.removeValue(forKey: name) else { return 0 }
        self.flights[id]?.superseded = true
        return 1
    }
}

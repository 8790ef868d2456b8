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
    }

    private struct Flight {
        var name: Name
        var waiters: [WaiterID: Waiter] = [:]
        /// Runs for its own sake, as a refresh does: is not cancelled for want of waiters.
        var held: Bool
        var superseded = false
        /// Cancels the load; `nil` until the load has been started.
        var cancel: (@Sendable () -> Void)?
    }

    private var current: [Name: FlightID] = [:]
    private var flights: [FlightID: Flight] = [:]
    private var waiting: [WaiterID: FlightID] = [:]

    /// How many loads run.
    var count: Int { self.flights.count }
    /// How many callers wait.
    var waiters: Int { self.waiting.count }

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

    /// Makes `waiter` wait for the current flight `flight`, or for a new one of that id.
    ///
    /// - Parameter id: An id for the flight, should it be a new one.
    mutating func join(_ kind: FlightKind, _ key: Key, as waiterID: WaiterID, _ waiter: Waiter, orStart id: FlightID) -> Join {
        let name = Name(kind: kind, key: key)
        if let running = self.current[name] {
            self.flights[running]?.waiters[waiterID] = waiter
            self.waiting[waiterID] = running
            return .joined
        }
        self.current[name] = id
        self.flights[id] = Flight(name: name, waiters: [waiterID: waiter], held: false)
        self.waiting[waiterID] = id
        return .start
    }

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
    mutating func leave(_ waiterID: WaiterID) -> Leave {
        guard let id = self.waiting.removeValue(forKey: waiterID) else { return Leave() }
        let waiter = self.flights[id]?.waiters.removeValue(forKey: waiterID)
        return Leave(waiter: waiter, cancel: self.abandonIfUnwanted(id))
    }

    private mutating func abandonIfUnwanted(_ id: FlightID) -> (@Sendable () -> Void)? {
        guard let flight = self.flights[id], flight.waiters.isEmpty, !flight.held else { return nil }
        // The load is about to be cancelled: whoever comes next must not join it, or they would be handed a cancellation that
        // is not theirs.
        self.forget(id)
        return flight.cancel
    }

    // MARK: Ending

    struct Landing {
        /// To be resumed with the result.
        var waiters: [Waiter]
        /// Whether the result is still worth storing.
        var stores: Bool
        /// Cancels the load, for when it is not the load itself that ends the flight.
        var cancel: (@Sendable () -> Void)?
    }

    /// Ends a flight. `nil`: it was abandoned; its result is nobody's, and is not stored.
    ///
    /// Call it, and store the result, under one lock: a remove that came in between would be undone.
    mutating func land(_ id: FlightID) -> Landing? {
        guard let flight = self.flights[id] else { return nil }
        self.forget(id)
        for waiter in flight.waiters.keys { self.waiting.removeValue(forKey: waiter) }
        return Landing(waiters: Array(flight.waiters.values), stores: !flight.superseded, cancel: flight.cancel)
    }

    private mutating func forget(_ id: FlightID) {
        guard let flight = self.flights.removeValue(forKey: id) else { return }
        if self.current[flight.name] == id { self.current.removeValue(forKey: flight.name) }
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

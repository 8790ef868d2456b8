internal import NIOConcurrencyHelpers

/// The running loads of a group: ``FlightTable``s behind locks, one for each shard of the store, so that a hit never meets them.
///
/// Lock order: flight shard, then ``WaitGraph``, then store shard. No waiter is resumed and no load started or cancelled under any.
final class Flights: Sendable {
    typealias Outcome = Result<Answer, GroupCacheError>
    typealias Table = FlightTable<any FlightWaiter>

    private let shards: [NIOLockedValueBox<Table>]
    let deadlines: Deadlines

    init(shards: Int, clock: CacheClock) {
        self.deadlines = Deadlines(clock: clock)
        self.shards = (0..<shards).map { _ in NIOLockedValueBox(Table()) }
    }

    /// Runs `body` with the table of a shard. Short, and without calls to anybody's code.
    func withTable<R>(_ shard: Int, _ body: (inout Table) throws -> R) rethrows -> R {
        try self.shards[shard].withLockedValue(body)
    }

    /// How many loads run.
    var count: Int { self.shards.reduce(0) { $0 + $1.withLockedValue { $0.count } } }
    /// How many callers wait.
    var waiters: Int { self.shards.reduce(0) { $0 + $1.withLockedValue { $0.waiters } } }

    func newFlight() -> FlightID { FlightID(number: NumberSource.shared.next()) }
    func newWaiter() -> WaiterID { WaiterID(number: NumberSource.shared.next()) }

    /// Waits for the current load of `key`, or starts it.
    ///
    /// - Parameters:
    ///   - timeout: After it this caller goes, with ``GroupCacheError/Code/deadlineExceeded``; the load goes on for the others.
    ///   - new: An id for the flight, should it be a new one.
    ///   - cancel: Cancels the load, if that can be said before it has been started.
    ///   - start: Starts the load, and returns at once.
    func join(
        _ kind: FlightKind,
        _ key: Key,
        shard: Int,
        timeout: Duration?,
        as new: FlightID,
        cancel: (@Sendable () -> Void)? = nil,
        start: () -> Void
    ) async throws(GroupCacheError) -> Answer {
        let caller = WaitingCaller()
        let waiter = self.newWaiter()
        let nested = WaitGraph.current
        guard let boarding = self.board(kind, key, shard: shard, as: waiter, nested: nested, caller, orStart: new, cancel: cancel) else {
            throw .recursiveLoad
        }
        let flight = boarding.flight
        if boarding.join == .start { start() }
        let outcome = await self.wait(caller, as: waiter, for: flight, shard: shard, timeout: timeout)
        if let nested { WaitGraph.end(nested, waitsFor: flight) }
        var answer = try outcome.get()
        answer.collapsed = boarding.join == .joined
        return answer
    }

    /// Waits for the getter's running load of `key`; `nil`: there is none, or it waits for another node itself.
    func joinRunning(_ key: Key, shard: Int, timeout: Duration?) async throws(GroupCacheError) -> Answer? {
        let caller = WaitingCaller()
        let waiter = self.newWaiter()
        guard let flight = self.withTable(shard, { $0.joinRunning(.local, key, as: waiter, caller) }) else { return nil }
        var answer = try await self.wait(caller, as: waiter, for: flight, shard: shard, timeout: timeout).get()
        answer.collapsed = true
        return answer
    }

    /// Waits for what becomes of a flight that `caller` is in.
    private func wait(_ caller: WaitingCaller, as waiter: WaiterID, for flight: FlightID, shard: Int, timeout: Duration?) async -> Outcome {
        // The caller is in the table: whoever takes it out, for whatever reason, has a result for it, which waits if it comes before the
        // caller does.
        let expiry = timeout.map { timeout in
            self.deadlines.add(after: timeout) { self.leave(waiter, of: flight, shard: shard, with: .deadlineExceeded) }
        }
        defer { if let expiry { self.deadlines.cancel(expiry) } }
        return await withTaskCancellationHandler {
            await caller.wait()
        } onCancel: {
            self.leave(waiter, of: flight, shard: shard, with: .cancelled)
        }
    }

    /// Puts a waiter into the current flight of `key`, or into a new one that the caller then starts.
    ///
    /// - Parameter nested: The flight in whose getter the caller runs. The caller ends the edge when it has its result.
    /// - Returns: `nil`: `nested` would wait for itself.
    func board(
        _ kind: FlightKind,
        _ key: Key,
        shard: Int,
        as id: WaiterID,
        nested: FlightID?,
        _ waiter: any FlightWaiter,
        orStart new: FlightID,
        cancel: (@Sendable () -> Void)? = nil
    ) -> Table.Boarding? {
        self.withTable(shard) { table in
            if let nested, !WaitGraph.begin(nested, waitsFor: table.current(kind, key) ?? new) { return nil }
            return table.join(kind, key, as: id, waiter, orStart: new, cancel: cancel)
        }
    }

    /// Starts the load of a flight that is in the table, in a task of its own.
    func start(_ id: FlightID, shard: Int, _ load: @escaping @Sendable (FlightID) async -> Void) {
        let task = Task { await WaitGraph.$current.withValue(id) { await load(id) } }
        self.started(id, shard: shard) { task.cancel() }
    }

    /// Tells how to cancel a load that has been started.
    func started(_ id: FlightID, shard: Int, cancel: @escaping @Sendable () -> Void) {
        let wanted = self.withTable(shard) { $0.started(id, cancel: cancel) }
        if !wanted { cancel() }
    }

    /// Takes a waiter out of its flight and hands it `error`; cancels the load if that was the last one.
    func leave(_ waiter: WaiterID, of flight: FlightID, shard: Int, with error: GroupCacheError) {
        let leave = self.withTable(shard) { $0.leave(waiter, of: flight) }
        leave.cancel?()
        leave.waiter?.finish(.failure(error))
    }
}

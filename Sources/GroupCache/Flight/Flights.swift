internal import NIOConcurrencyHelpers

/// The running loads of a group: ``FlightTable``s behind locks, one for each shard of the store, so that a hit never meets them.
///
/// Lock order: flight shard, then ``WaitGraph``, then store shard. No waiter is resumed and no load started or cancelled under any.
final class Flights<Success: Sendable>: Sendable {
    typealias Outcome = Result<Success, GroupCacheError>
    /// Hands the outcome to a caller. Called once, outside the locks; must not block.
    typealias Waiter = @Sendable (Outcome) -> Void
    typealias Table = FlightTable<Waiter>

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
    ///   - start: The load. It runs in a task of its own.
    /// - Returns: The result, and whether another caller had started the load.
    func join(
        _ kind: FlightKind,
        _ key: Key,
        shard: Int,
        timeout: Duration?,
        start: @escaping @Sendable (FlightID) async -> Void
    ) async throws(GroupCacheError) -> (result: Success, collapsed: Bool) {
        let waiter = self.newWaiter()
        let nested = WaitGraph.current
        let boarded = NIOLockedValueBox<Boarding?>(nil)
        let isLate = NIOLockedValueBox(false)
        let expiry = timeout.map { timeout in
            self.deadlines.add(after: timeout) {
                isLate.withLockedValue { $0 = true }
                self.leave(waiter, shard: shard, with: .deadlineExceeded)
            }
        }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let boarding = self.board(kind, key, shard: shard, as: waiter, nested: nested) { continuation.resume(returning: $0) }
                guard let boarding else { return continuation.resume(returning: .failure(.recursiveLoad)) }
                boarded.withLockedValue { $0 = boarding }
                if boarding.join == .start { self.start(boarding.flight, shard: shard, start) }
                // The cancellation handler runs at once when the task is cancelled already, or is cancelled before the waiter is in the
                // table; it then finds nobody there. So look again, now that it is.
                if Task.isCancelled { self.leave(waiter, shard: shard, with: .cancelled) }
                // In the same way a very short time may be over before the waiter is there to be taken out.
                if isLate.withLockedValue({ $0 }) { self.leave(waiter, shard: shard, with: .deadlineExceeded) }
            }
        } onCancel: {
            self.leave(waiter, shard: shard, with: .cancelled)
        }
        if let expiry { self.deadlines.cancel(expiry) }
        let boarding = boarded.withLockedValue { $0 }
        if let nested, let boarding { WaitGraph.end(nested, waitsFor: boarding.flight) }
        return (try outcome.get(), boarding?.join == .joined)
    }

    struct Boarding {
        var flight: FlightID
        var join: Table.Join
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
        _ waiter: @escaping Waiter
    ) -> Boarding? {
        let new = self.newFlight()
        return self.withTable(shard) { table in
            let flight = table.current(kind, key) ?? new
            if let nested, !WaitGraph.begin(nested, waitsFor: flight) { return nil }
            return Boarding(flight: flight, join: table.join(kind, key, as: id, waiter, orStart: new))
        }
    }

    /// Starts the load of a flight that is in the table.
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
    func leave(_ waiter: WaiterID, shard: Int, with error: GroupCacheError) {
        let leave = self.withTable(shard) { $0.leave(waiter) }
        leave.cancel?()
        leave.waiter?(.failure(error))
    }
}

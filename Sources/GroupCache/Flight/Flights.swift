internal import NIOConcurrencyHelpers
internal import Synchronization

/// Somebody who wants the result of a load.
protocol FlightWaiter: AnyObject, Sendable {
    /// Hands over the result. Called once, outside all locks; must not block.
    func finish(_ outcome: Flights.Outcome)
}

/// The running loads of a group: ``FlightTable``s behind locks, one for each shard of the store, so that a hit never meets them.
///
/// Lock order: flight shard, then ``WaitGraph``, then store shard. No waiter is resumed and no load started or cancelled under any.
final class Flights: Sendable {
    typealias Outcome = Result<Answer, GroupCacheError>
    typealias Table = FlightTable<any FlightWaiter, Load>

    private let shards: [NIOLockedValueBox<Table>]
    let deadlines: Deadlines
    private let clock: CacheClock
    private let unwanted: UnwantedLoads
    private let hasPeers: Bool
    /// Whether a timer runs that comes no later than the time of any load is over.
    let isWatched = Atomic<Bool>(false)
    /// What a getter's call takes, in microseconds: a moving average, 0 before the first.
    private let usual = Atomic<Int64>(0)

    init(shards: Int, clock: CacheClock, hasPeers: Bool = false, unwanted: UnwantedLoads = .finishIfHalfDone) {
        self.clock = clock
        self.hasPeers = hasPeers
        self.unwanted = unwanted
        self.deadlines = Deadlines(clock: clock)
        let failures = FailureTable(capacity: max(16, 8192 / shards))
        self.shards = (0..<shards).map { _ in NIOLockedValueBox(Table(failures: failures)) }
    }

    /// Runs `body` with the table of a shard. Short, and without calls to anybody's code.
    func withTable<R>(_ shard: Int, _ body: (inout Table) throws -> R) rethrows -> R {
        try self.shards[shard].withLockedValue(body)
    }

    /// How many loads run.
    var count: Int { self.shards.reduce(0) { $0 + $1.withLockedValue { $0.count } } }
    /// How many callers wait.
    var waiters: Int { self.shards.reduce(0) { $0 + $1.withLockedValue { $0.waiters } } }

    // MARK: Waiting

    /// Who asks for a load, and how.
    struct Request {
        var kind: FlightKind
        var key: HashedKey
        var shard: Int
        /// The id of the key's loads: see ``Trail``.
        var id: UInt64
        /// The getter in which the caller runs.
        var trail: Trail?
        var isStrict = false
        var reload = false
    }

    /// What became of a request to wait.
    enum Boarding {
        case waits(Table.Boarding)
        /// The getter has just failed, and is not to be called yet.
        case refused(GroupCacheError)
    }

    /// Puts a waiter into the current flight of a key, or into a new one that the caller then starts.
    ///
    /// What is noted of a getter that waits, ``left(_:)`` ends.
    func board(_ request: Request, _ waiter: any FlightWaiter, job: (FlightID) -> Load) -> Boarding {
        let now = request.kind == .local ? self.clock.milliseconds : 0
        return self.withTable(request.shard) { table in
            if request.kind == .local {
                if request.reload {
                    // What other nodes have of the key is old from now on.
                    if self.hasPeers { table.changed.insert(request.key.hash, now: now) }
                    table.failures.forget(request.key.hash)
                } else if let error = table.failures.error(of: request.key.hash, now: now) {
                    return .refused(error)
                }
            }
            if let trail = request.trail, !WaitGraph.begin(trail, waitsFor: request.id) { return .refused(.recursiveLoad) }
            return .waits(
                table.join(
                    request.kind,
                    request.key,
                    waiter,
                    isStrict: request.isStrict,
                    reload: request.reload,
                    number: NumberSource.shared.next(),
                    job: job
                )
            )
        }
    }

    /// A getter waits no longer.
    func left(_ request: Request) {
        if let trail = request.trail { WaitGraph.end(trail, waitsFor: request.id) }
    }

    /// Waits for the current load of a key, or starts it.
    ///
    /// - Parameters:
    ///   - timeout: After it this caller goes, with ``GroupCacheError/Code/deadlineExceeded``; the load goes on for the others.
    ///   - old: The value past its time that may be given when the load is slow.
    ///   - job: Makes a load.
    func join(
        _ request: Request,
        timeout: Duration?,
        old: () -> Answer?,
        job: (FlightID) -> Load
    ) async throws(GroupCacheError) -> Answer {
        let caller = WaitingCaller()
        let boarding: Table.Boarding
        switch self.board(request, caller, job: job) {
        case .refused(let error): throw error
        case .waits(let some): boarding = some
        }
        defer { self.left(request) }
        boarding.start?.start(request.trail == nil && timeout == nil ? .inline : .caller)
        if boarding.isSlow, !request.isStrict, let old = old() {
            self.leave(boarding.waiter, of: boarding.flight, shard: request.shard, with: .success(old))
            return old
        }
        var answer = try await self.wait(caller, boarding.waiter, boarding.flight, request.shard, timeout).get()
        answer.collapsed = boarding.isShared
        return answer
    }

    /// Waits for the getter's running load of `key`; `nil`: there is none, or it waits for another node itself.
    func joinRunning(_ key: HashedKey, shard: Int, timeout: Duration?) async throws(GroupCacheError) -> Answer? {
        let caller = WaitingCaller()
        guard let (flight, waiter) = self.withTable(shard, { $0.joinRunning(.local, key, caller) }) else { return nil }
        var answer = try await self.wait(caller, waiter, flight, shard, timeout).get()
        answer.collapsed = true
        return answer
    }

    /// Waits for what becomes of a flight that `caller` is in.
    private func wait(
        _ caller: WaitingCaller,
        _ waiter: WaiterID,
        _ flight: FlightID,
        _ shard: Int,
        _ timeout: Duration?
    ) async -> Outcome {
        // The caller is in the table: whoever takes it out, for whatever reason, has a result for it, which waits if it comes before the
        // caller does. Where it has come already, nobody needs to be told of a cancellation.
        if let outcome = caller.takeOutcome() { return outcome }
        let expiry = timeout.map { timeout in
            self.deadlines.add(after: timeout) { self.leave(waiter, of: flight, shard: shard, with: .failure(.deadlineExceeded)) }
        }
        defer { if let expiry { self.deadlines.cancel(expiry) } }
        return await withTaskCancellationHandler {
            await caller.wait()
        } onCancel: {
            self.leave(waiter, of: flight, shard: shard, with: .failure(.cancelled))
        }
    }

    /// Takes a waiter out of its flight and hands it `outcome`; cancels the load if that was the last one.
    func leave(_ waiter: WaiterID, of flight: FlightID, shard: Int, with outcome: Outcome) {
        let now = self.clock.milliseconds
        let leave = self.withTable(shard) { $0.leave(waiter, of: flight) { self.keeps(calledAt: $0, now: now) } }
        leave.cancel?.cancel()
        leave.cancel?.end(self.deadlines)
        leave.start?.start()
        leave.waiter?.finish(outcome)
    }

    // MARK: Loads that nobody waits for

    /// A call of the getter took this long.
    func record(_ cost: Duration) {
        let cost = cost.nanoseconds / 1000
        let usual = self.usual.load(ordering: .relaxed)
        // One of two that come at the same moment may be lost, which does no harm.
        self.usual.store(usual == 0 ? max(1, cost) : max(1, usual + (cost - usual) / 8), ordering: .relaxed)
    }

    private func keeps(calledAt called: Int64, now: Int64) -> Bool {
        switch self.unwanted.base {
        case .cancel: return false
        case .finish: return true
        case .finishIfHalfDone:
            let usual = self.usual.load(ordering: .relaxed)
            return usual > 0 && (now - called) * 1000 > usual / 2
        }
    }
}

/// What becomes of a getter's call when the last one who waited for it has gone. See ``GroupConfiguration/unwantedLoads``.
public struct UnwantedLoads: Sendable, Hashable {
    enum Base: Sendable { case cancel, finish, finishIfHalfDone }

    let base: Base

    /// It is cancelled.
    public static let cancel = Self(base: .cancel)
    /// It goes on, and its result is kept. Its deadline stands.
    public static let finish = Self(base: .finish)
    /// It goes on if it has run for more than half of what calls of the group's getter usually take: what has been spent would be spent again soon.
    public static let finishIfHalfDone = Self(base: .finishIfHalfDone)
}

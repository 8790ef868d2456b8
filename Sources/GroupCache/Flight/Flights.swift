// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import Synchronization

// An unchecked continuation, because the table gives out each waiter once and loses none, and the check would cost an allocation. Where the core is
// built alone, for ThreadSanitizer above all, it is checked: the sanitizer does not see that a task goes on after it was resumed, and takes its next
// wait at the same place for a race with the end of this one; and the check proves the once. Nor does it see that who resumes a task had made the outcome
// before, if it does so before the task is suspended: a lock of each wait's own, which it does see, says so.
#if GROUPCACHE_CORE_ONLY
    struct WaiterContinuation: Sendable {
        fileprivate let continuation: CheckedContinuation<Outcome, Never>
        fileprivate let made: NIOLockedValueBox<Bool>

        func resume(returning outcome: Outcome) {
            self.made.withLockedValue { $0 = true }
            self.continuation.resume(returning: outcome)
        }
    }

    @inline(__always)
    private func suspended(_ body: (WaiterContinuation) -> Void) async -> Outcome {
        let made = NIOLockedValueBox(false)
        let outcome = await withCheckedContinuation { body(WaiterContinuation(continuation: $0, made: made)) }
        precondition(made.withLockedValue { $0 })
        return outcome
    }
#else
    typealias WaiterContinuation = UnsafeContinuation<Outcome, Never>

    @inline(__always)
    private func suspended(_ body: (WaiterContinuation) -> Void) async -> Outcome { await withUnsafeContinuation(body) }
#endif

/// Somebody who wants the result of a load.
enum FlightWaiter: Sendable {
    /// A task that is suspended until then.
    case task(WaiterContinuation)
    /// A key of many.
    case batch(BatchInbox, Int)

    /// Hands over the result. Called once, outside all locks; does not block.
    func finish(_ outcome: Outcome) {
        switch self {
        case .task(let continuation): continuation.resume(returning: outcome)
        case .batch(let inbox, let index): inbox.add(index, outcome)
        }
    }
}

/// Where a waiting task sits, which is known only when it is suspended; its cancellation may come before. It lives in the frame of who waits.
struct Seat: ~Copyable, Sendable {
    private static let none = UInt64.max
    private static let left = UInt64.max - 1

    private let waiter = Atomic<UInt64>(Seat.none)

    /// Notes the seat. `false`: the task has been cancelled, and nobody else knows where it sits.
    func take(_ waiter: WaiterID) -> Bool {
        self.waiter.compareExchange(expected: Self.none, desired: waiter.bits, ordering: .acquiringAndReleasing).exchanged
    }

    /// Whether the task has been cancelled.
    var isLeft: Bool { self.waiter.load(ordering: .acquiring) == Self.left }

    /// The task has been cancelled. Returns the seat, if it is known.
    func leave() -> WaiterID? {
        let bits = self.waiter.exchange(Self.left, ordering: .acquiringAndReleasing)
        return bits >= Self.left ? nil : WaiterID(bits: bits)
    }
}

/// The running loads of a group: ``FlightTable``s behind locks, one for each shard of the store, so that a hit never meets them.
///
/// Lock order: flight shard, then ``WaitGraph``, then store shard. No waiter is resumed and no load started or cancelled under any.
final class Flights: Sendable {
    typealias Table = FlightTable<FlightWaiter, Load>

    private let shards: [NIOLockedValueBox<Table>]
    let deadlines: Deadlines
    private let clock: CacheClock
    private let unwanted: UnwantedLoads
    /// Whether the group has a pool.
    let hasPeers: Bool
    private let tags: EntryTags
    /// Whether a timer runs that comes no later than the time of any load is over.
    let isWatched = Atomic<Bool>(false)
    /// What a getter's call takes, in microseconds: a moving average, 0 before the first.
    private let usual = Atomic<Int64>(0)

    init(
        shards: Int,
        clock: CacheClock,
        hasPeers: Bool = false,
        unwanted: UnwantedLoads = .finishIfHalfDone,
        tags: EntryTags = EntryTags()
    ) {
        self.tags = tags
        self.clock = clock
        self.hasPeers = hasPeers
        self.unwanted = unwanted
        self.deadlines = Deadlines(clock: clock)
        let failures = FailureTable(capacity: max(16, 8192 / shards))
        self.shards = (0..<shards).map { _ in NIOLockedValueBox(Table(failures: failures)) }
    }

    /// Runs `body` with the table of a shard. Short, and without calls to anybody's code.
    @inline(__always)
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
    func board(_ request: Request, _ waiter: FlightWaiter, job: (FlightID) -> Load) -> Boarding {
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
    ///   - until: When this caller goes, with ``GroupCacheError/Code/deadlineExceeded``; the load goes on for the others. A moment, and not a time from
    ///     now on: how long it takes to come to wait does not make it later.
    ///   - old: The value past its time that may be given when the load is slow.
    ///   - job: Makes a load.
    @inline(__always)
    func join(
        _ request: Request,
        until: Int64?,
        old: () -> Answer?,
        job: (FlightID) -> Load
    ) async throws(GroupCacheError) -> Answer {
        var waited = false
        var isShared = false
        var number: UInt64 = 0
        let outcome = await self.wait(request.shard, until) { waiter in
            switch self.board(request, waiter, job: job) {
            case .refused(let error):
                waiter.finish(.failure(error))
                return nil
            case .waits(let boarding):
                (waited, isShared, number) = (true, boarding.isShared, boarding.flight.number)
                boarding.start?.start(request.trail == nil && until == nil ? .inline : .caller)
                if boarding.isSlow, !request.isStrict, let old = old() {
                    self.leave(boarding.waiter, shard: request.shard, with: .success(old))
                }
                return boarding.waiter
            }
        }
        if waited { self.left(request) }
        var answer = try outcome.get()
        answer.collapsed = isShared
        if isShared { answer.isOld = self.isOld(answer, request.kind, number) }
        return answer
    }

    /// Whether a load that somebody has joined had begun, by its number, before a tag of what it brought was removed.
    func isOld(_ answer: Answer, _ kind: FlightKind, _ number: UInt64) -> Bool {
        guard answer.attributes.hasTags else { return false }
        return (kind == .local ? self.tags.own : self.tags.copies).isOld(answer.attributes, stamp: number)
    }

    /// Waits for the getter's running load of `key`; `nil`: there is none, or it waits for another node itself.
    func joinRunning(_ key: HashedKey, shard: Int, timeout: Duration?) async throws(GroupCacheError) -> Answer? {
        var waited = false
        var number: UInt64 = 0
        let until = timeout.map { self.clock.milliseconds + $0.milliseconds }
        let outcome = await self.wait(shard, until) { waiter in
            let seat = self.withTable(shard) { $0.joinRunning(.local, key, waiter) }
            (waited, number) = (seat != nil, seat?.flight.number ?? 0)
            if !waited { waiter.finish(.failure(.notHeld)) }
            return seat?.waiter
        }
        if !waited { return nil }
        var answer = try outcome.get()
        answer.collapsed = true
        // It is no answer for who keeps it.
        return self.isOld(answer, .local, number) ? nil : answer
    }

    /// Suspends the task until its waiter is handed an outcome.
    ///
    /// - Parameter board: Gives the waiter a seat; `nil`: it has been handed an outcome already. From there on whoever takes it out of the table,
    ///   for whatever reason, has an outcome for it.
    @inline(__always)
    private func wait(_ shard: Int, _ until: Int64?, _ board: (FlightWaiter) -> WaiterID?) async -> Outcome {
        let seat = Seat()
        var expiry: Deadlines.Token?
        let outcome = await withTaskCancellationHandler {
            await suspended { continuation in
                // Who has left already is not to set off work.
                if seat.isLeft { return continuation.resume(returning: .failure(.cancelled)) }
                guard let waiter = board(.task(continuation)) else { return }
                // Nothing comes of this if it has been handed an outcome meanwhile.
                guard seat.take(waiter) else { return self.leave(waiter, shard: shard, with: .failure(.cancelled)) }
                if let until, self.withTable(shard, { $0.isWaiting(waiter) }) {
                    expiry = self.deadlines.add(at: until) { self.leave(waiter, shard: shard, with: .failure(.deadlineExceeded)) }
                }
            }
        } onCancel: {
            if let waiter = seat.leave() { self.leave(waiter, shard: shard, with: .failure(.cancelled)) }
        }
        if let expiry { self.deadlines.cancel(expiry) }
        return outcome
    }

    /// Takes a waiter out of its flight and hands it `outcome`; cancels the load if that was the last one.
    func leave(_ waiter: WaiterID, shard: Int, with outcome: Outcome) {
        let now = self.clock.milliseconds
        let leave = self.withTable(shard) { $0.leave(waiter) { self.keeps(calledAt: $0, now: now) } }
        leave.cancel?.cancel()
        leave.cancel?.end(self.deadlines)
        leave.start?.start()
        leave.waiter?.finish(outcome)
    }

    // MARK: Loads that nobody waits for

    /// A call of the getter that brought something took this long.
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

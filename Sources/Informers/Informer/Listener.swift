// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOConcurrencyHelpers

/// One handler of an informer: its mailbox, and the task that empties it.
final class Listener<Object: Sendable>: Sendable {
    private struct State: Sendable {
        var mailbox: Mailbox<Object>
        var isRemoved = false
        /// Whether the first objects had been handled when it was removed: what was true stays true.
        var hadSynced = false
        /// The number of the callback that runs, and of the last one.
        var running: Int?
        var callbacks = 0
        var failures = Repeated()
        var handled = 0
        var failed = 0
        /// What was asked for, as far as that was possible, and what counts at present; zero: never.
        var wishedPeriod: Duration
        var resyncPeriod: Duration
        var nextResync: Duration
        /// Whether a resync is meant for this handler. At first it is, if it wants any.
        var isSyncing: Bool
        /// A resync is due, and what it tells has yet to come.
        var owesSync = false
        /// Changes were lost, and the handler is ready to be given all objects.
        var awaitsReset = false

        mutating func remove() {
            if !self.isRemoved { self.hadSynced = self.mailbox.hasSynced }
            self.isRemoved = true
        }
    }

    let id: Int
    let name: String
    private let clock: InformerClock
    private let handler: @Sendable (InformerEvent<Object>) async throws -> Void
    private let logger: Logger
    private let state: NIOLockedValueBox<State>
    private let filled = Wakeup()
    /// Opens when the first objects have been handled, and when they never will be.
    let settled = Latch()
    /// Opens when no callback runs and none will.
    private let ended = Latch()

    init(
        id: Int,
        name: String,
        delivery: HandlerDelivery,
        wishedPeriod: Duration,
        resyncPeriod: Duration,
        chance: Double,
        clock: InformerClock,
        logger: Logger,
        handler: @escaping @Sendable (InformerEvent<Object>) async throws -> Void
    ) {
        self.id = id
        self.name = name
        self.clock = clock
        self.handler = handler
        self.logger = logger
        self.state = NIOLockedValueBox(
            State(
                mailbox: Mailbox(delivery),
                wishedPeriod: wishedPeriod,
                resyncPeriod: resyncPeriod,
                nextResync: clock.now + resyncPeriod * (1 + chance),
                isSyncing: resyncPeriod > .zero
            )
        )
    }

    // MARK: Filling, by the informer

    func begin(_ items: Mailbox<Object>.Items) {
        self.change { $0.begin(items) }
    }

    func put(_ notices: [StoreNotice<Object>]) {
        // The handler's task must not wait long for the lock.
        var rest = notices[...]
        repeat {
            let some = rest.prefix(64)
            rest = rest.dropFirst(some.count)
            self.change { mailbox in
                for notice in some { mailbox.put(notice) }
            }
        } while !rest.isEmpty
    }

    func reset(_ items: Mailbox<Object>.Items) {
        let objects = items.values.map(\.object)
        self.state.withLockedValue { $0.awaitsReset = false }
        self.change { $0.reset(objects) }
    }

    private func change(_ body: (inout Mailbox<Object>) -> Void) {
        self.state.withLockedValue { state in
            // Whatever waited has been dropped; nothing may wait any more.
            if !state.isRemoved { body(&state.mailbox) }
        }
        self.filled.signal()
    }

    // MARK: Emptying

    /// Calls the handler for whatever comes, until the listener is removed or the task cancelled.
    ///
    /// - Parameter overflowed: Called when changes were lost and the handler is ready to be given all objects.
    func run(overflowed: @Sendable () -> Void) async {
        let outer = Callback.current.map { OuterCallback($0) }
        // Whether the last callback went well is noted with the look for the next: one lock for each event, not two.
        var wentWell = false
        while !Task.isCancelled {
            let (event, number, isRemoved, hasSynced, needsReset) = self.state.withLockedValue { state in
                state.running = nil
                if wentWell { state.handled += 1 }
                wentWell = false
                if state.isRemoved { return (InformerEvent<Object>?.none, 0, true, false, false) }
                let event = state.mailbox.next()
                if event != nil {
                    state.callbacks += 1
                    state.running = state.callbacks
                }
                // Asked for only now that the handler is ready: what it is given then is as new as can be.
                state.awaitsReset = event == nil && state.mailbox.needsReset
                return (event, state.callbacks, false, state.mailbox.hasSynced, state.awaitsReset)
            }
            if isRemoved { break }
            if hasSynced { self.settled.open() }
            guard let event else {
                if needsReset { overflowed() }
                await self.filled.wait()
                continue
            }
            do {
                let callback = Callback(listener: ObjectIdentifier(self), number: number, outer: outer)
                try await Callback.$current.withValue(callback) { try await self.handler(event) }
                wentWell = true
            } catch { self.failed(error) }
        }
        if wentWell { self.state.withLockedValue { $0.handled += 1 } }
        self.end()
    }

    /// A handler that throws at everything is told of the first time, then now and again.
    private func failed(_ error: any Error) {
        let now = self.clock.now
        let count = self.state.withLockedValue { state in
            state.failed += 1
            return state.failures.happened(now: now)
        }
        guard let count else { return }
        let metadata: Logger.Metadata = ["handler": "\(self.name)", "error": "\(type(of: error))", "count": "\(count)"]
        self.logger.error("a handler failed", metadata: metadata)
    }

    /// No callback comes any more: the task has ended, or was never started.
    func end() {
        self.state.withLockedValue { state in
            state.running = nil
            state.remove()
        }
        self.settled.open()
        self.ended.open()
    }

    /// Drops what waits. Returns the callback that runs and is to be waited for; none if it is the one that calls.
    func remove() -> Int? {
        let (running, dropped) = self.state.withLockedValue { state in
            let dropped = state.mailbox
            state.remove()
            state.mailbox = Mailbox(.coalescing)
            return (state.running, dropped)
        }
        // Let go of without the lock: objects are not ours.
        _ = consume dropped
        self.filled.signal()
        self.settled.open()
        // A task that an earlier callback has started is no part of this one.
        return running.flatMap { Callback.isWithin(ObjectIdentifier(self), $0) ? nil : $0 }
    }

    /// Waits until the last callback has returned.
    func wait(for callback: Int, atMost limit: Duration) async throws(InformerError) {
        // Not a task of the informer's: it may be about to stop. And none that a cancellation ends before its time.
        let isOver = await withTaskGroup(of: Void.self) { group in
            let waiter = self.ended.makeWaiter()
            group.addTask {
                do { try await self.clock.sleep(for: limit) } catch { return }
                self.ended.giveUp(waiter)
            }
            defer { group.cancelAll() }
            return await self.ended.wait(as: waiter)
        }
        if !isOver { throw InformerError.handlerRuns }
    }

    // MARK: Looking

    var isRemoved: Bool { self.state.withLockedValue { $0.isRemoved } }
    var awaitsReset: Bool { self.state.withLockedValue { $0.awaitsReset } }
    var hasSynced: Bool { self.state.withLockedValue { $0.isRemoved ? $0.hadSynced : $0.mailbox.hasSynced } }
    var isSyncing: Bool { self.state.withLockedValue { $0.isSyncing } }
    var resyncPeriod: Duration { self.state.withLockedValue { $0.resyncPeriod } }

    var statistics: HandlerStatistics {
        self.state.withLockedValue { state in
            HandlerStatistics(
                pending: state.mailbox.count,
                handled: state.handled,
                failed: state.failed,
                resets: state.mailbox.resets
            )
        }
    }

    // MARK: Resyncs

    /// When the next resync is due; `nil`: never.
    var nextResync: Duration? { self.state.withLockedValue { $0.resyncPeriod > .zero ? $0.nextResync : nil } }

    /// Notes whether a resync is due; returns it.
    ///
    /// - Parameter chance: By which part of the period the next one comes later: handlers that came together must not be told together for ever.
    func checkResync(now: Duration, chance: Double) -> Bool {
        self.state.withLockedValue { state in
            state.isSyncing = state.resyncPeriod > .zero && now >= state.nextResync
            if state.isSyncing {
                state.nextResync = now + state.resyncPeriod * (1 + chance)
                state.owesSync = true
            }
            return state.isSyncing
        }
    }

    /// Whether a resync that has come is for this handler. Asked once.
    func takeSync() -> Bool {
        self.state.withLockedValue { state in
            defer { state.owesSync = false }
            return state.owesSync
        }
    }

    /// Lets another period count, if the plan has changed.
    func replan(_ plan: ResyncPlan, now: Duration, chance: Double) {
        self.state.withLockedValue { state in
            let period = plan.period(for: state.wishedPeriod)
            guard period != state.resyncPeriod else { return }
            state.resyncPeriod = period
            state.nextResync = now + period * (1 + chance)
        }
    }
}

/// One call of a handler. It is the call that must not wait for itself, not the handler: a task that a callback has started may outlive it, and
/// find another one running.
struct Callback: Sendable {
    /// The one within which the task is; `nil`: none.
    @TaskLocal static var current: Callback?

    let listener: ObjectIdentifier
    let number: Int
    /// The one, of another informer's handler, within which the informer of this one runs.
    let outer: OuterCallback?

    /// Whether the task is within that call.
    static func isWithin(_ listener: ObjectIdentifier, _ number: Int) -> Bool {
        var next = Self.current
        while let callback = next {
            if callback.listener == listener, callback.number == number { return true }
            next = callback.outer?.callback
        }
        return false
    }
}

/// By reference, so that a call of a handler costs the same within however many others.
final class OuterCallback: Sendable {
    let callback: Callback
    init(_ callback: Callback) { self.callback = callback }
}

internal import Logging
internal import NIOConcurrencyHelpers

/// One handler of an informer: its mailbox, and the task that empties it.
final class Listener<Object: Sendable>: Sendable {
    private struct State: Sendable {
        var mailbox: Mailbox<Object>
        var isRemoved = false
        /// Whether the first objects had been handled when it was removed: what was true stays true.
        var hadSynced = false
        var isHandling = false
        var handled = 0
        var failed = 0
        /// What was asked for, as far as that was possible, and what counts at present; zero: never.
        var wishedPeriod: Duration
        var resyncPeriod: Duration
        var nextResync: Duration
        /// Whether a resync is meant for this handler. At first it is, if it wants any.
        var isSyncing: Bool
        /// Changes were lost, and the handler is ready to be given all objects.
        var awaitsReset = false

        mutating func remove() {
            if !self.isRemoved { self.hadSynced = self.mailbox.hasSynced }
            self.isRemoved = true
        }
    }

    let id: Int
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
        delivery: HandlerDelivery,
        wishedPeriod: Duration,
        resyncPeriod: Duration,
        now: Duration,
        logger: Logger,
        handler: @escaping @Sendable (InformerEvent<Object>) async throws -> Void
    ) {
        self.id = id
        self.handler = handler
        self.logger = logger
        self.state = NIOLockedValueBox(
            State(
                mailbox: Mailbox(delivery),
                wishedPeriod: wishedPeriod,
                resyncPeriod: resyncPeriod,
                nextResync: now + resyncPeriod,
                isSyncing: resyncPeriod > .zero
            )
        )
    }

    // MARK: Filling, by the informer

    func begin(_ items: Mailbox<Object>.Items) {
        self.change { $0.begin(items) }
    }

    func put(_ notices: [StoreNotice<Object>]) {
        self.change { mailbox in
            for notice in notices { mailbox.put(notice) }
        }
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
        while !Task.isCancelled {
            let (event, isRemoved, hasSynced, needsReset) = self.state.withLockedValue { state in
                state.isHandling = false
                if state.isRemoved { return (InformerEvent<Object>?.none, true, false, false) }
                let event = state.mailbox.next()
                state.isHandling = event != nil
                // Asked for only now that the handler is ready: what it is given then is as new as can be.
                state.awaitsReset = event == nil && state.mailbox.needsReset
                return (event, false, state.mailbox.hasSynced, state.awaitsReset)
            }
            if isRemoved { break }
            if hasSynced { self.settled.open() }
            guard let event else {
                if needsReset { overflowed() }
                await self.filled.wait()
                continue
            }
            do {
                try await RunningHandlers.$ids.withValue(RunningHandlers.ids + [ObjectIdentifier(self)]) { try await self.handler(event) }
                self.state.withLockedValue { $0.handled += 1 }
            } catch {
                self.state.withLockedValue { $0.failed += 1 }
                self.logger.error("a handler failed", metadata: ["error": "\(type(of: error))"])
            }
        }
        self.end()
    }

    /// No callback comes any more: the task has ended, or was never started.
    func end() {
        self.state.withLockedValue { state in
            state.isHandling = false
            state.remove()
        }
        self.settled.open()
        self.ended.open()
    }

    /// Drops what waits, and waits for a callback that runs, unless it is the one that calls.
    func remove() async {
        let (isHandling, dropped) = self.state.withLockedValue { state in
            let dropped = state.mailbox
            state.remove()
            state.mailbox = Mailbox(.coalescing)
            return (state.isHandling, dropped)
        }
        // Let go of without the lock: objects are not ours.
        _ = consume dropped
        self.filled.signal()
        self.settled.open()
        if isHandling, !RunningHandlers.ids.contains(ObjectIdentifier(self)) { await self.ended.waitWhateverHappens() }
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

    /// Notes whether a resync is due; returns it.
    func checkResync(now: Duration) -> Bool {
        self.state.withLockedValue { state in
            state.isSyncing = state.resyncPeriod > .zero && now >= state.nextResync
            if state.isSyncing { state.nextResync = now + state.resyncPeriod }
            return state.isSyncing
        }
    }

    /// Lets another period count, if the plan has changed.
    func replan(_ plan: ResyncPlan, now: Duration) {
        self.state.withLockedValue { state in
            let period = plan.period(for: state.wishedPeriod)
            guard period != state.resyncPeriod else { return }
            state.resyncPeriod = period
            state.nextResync = now + period
        }
    }
}

/// The handlers within whose callbacks the task is: one that removes itself must not wait for itself.
enum RunningHandlers {
    @TaskLocal static var ids: [ObjectIdentifier] = []
}

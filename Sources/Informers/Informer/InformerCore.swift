// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import NIOConcurrencyHelpers

/// What an informer is, whatever the type of its objects: ``SharedInformer`` gives it one.
@usableFromInline
final class InformerCore: Sendable {
    enum Phase: Sendable {
        case idle, running, stopped
    }

    struct State: Sendable {
        var phase = Phase.idle
        var nextID = 0
        var listeners: [Int: Listener<Held>] = [:]
        /// Those of them that wait to be taken on by the informer's task.
        var joining: [Listener<Held>] = []
        var plan: ResyncPlan
        var generator: any RandomNumberGenerator & Sendable
        /// Asks what follows the source, once it runs, how much it has left out.
        var leftOut: (@Sendable () -> Int)?
    }

    let source: HeldSource
    let indexer: Indexer<Held>
    let queue: OrderedQueue<Held>
    let configuration: SharedInformerConfiguration<Held>
    let clock: InformerClock
    let logger: Logger
    let state: NIOLockedValueBox<State>
    let observers = InformerObservers()
    /// Opens when the first list is in the store, and when it never will be.
    let settled = Latch()

    @usableFromInline
    init(
        _ source: HeldSource,
        key: @escaping KeyFunction<Held>,
        indexers: [String: IndexFunction<Held>],
        configuration: SharedInformerConfiguration<Held>,
        clock: InformerClock,
        logger: Logger
    ) {
        self.source = source
        self.indexer = Indexer(key: key, indexers: indexers)
        self.queue = OrderedQueue(key: key, limit: configuration.queueLimit, transform: configuration.transform)
        self.configuration = configuration
        self.clock = clock
        self.logger = logger
        self.state = NIOLockedValueBox(
            State(plan: ResyncPlan(checkPeriod: configuration.defaultResyncPeriod), generator: configuration.reflector.generator)
        )
    }

    var hasSynced: Bool { self.queue.hasSynced }
    var objectsLeftOut: Int { self.state.withLockedValue { $0.leftOut }?() ?? 0 }
    var hasStarted: Bool { self.state.withLockedValue { $0.phase != .idle } }
    var resyncCheckPeriod: Duration { self.state.withLockedValue { $0.plan.checkPeriod } }
    var resyncPeriods: [Duration] {
        self.state.withLockedValue { $0.listeners }.sorted { $0.key < $1.key }.map(\.value.resyncPeriod)
    }
    var isStopped: Bool { self.state.withLockedValue { $0.phase == .stopped } }

    @usableFromInline
    func addIndexers(_ added: [String: IndexFunction<Held>]) throws(InformerError) {
        if self.isStopped { throw InformerError(.informerStopped, "indexer was not added because it has stopped already") }
        try self.indexer.addIndexers(added)
    }

    func waitUntilSynced() async throws {
        try await self.settled.wait()
        if !self.hasSynced { throw InformerError.informerStopped }
    }
}

extension InformerCore {
    /// Adds a handler, to be taken on by the informer's task.
    @usableFromInline
    func addHandler(
        name: String?,
        delivery: HandlerDelivery,
        resyncPeriod: Duration?,
        _ handler: @escaping @Sendable (InformerEvent<Held>) async throws -> Void
    ) throws(InformerError) -> HandlerRegistration {
        let now = self.clock.now
        let added = self.state.withLockedValue { state -> (listener: Listener<Held>, warning: String?)? in
            if state.phase == .stopped { return nil }
            let before = state.plan.checkPeriod
            let wished = state.plan.admit(resyncPeriod ?? self.configuration.defaultResyncPeriod)
            if state.plan.checkPeriod != before {
                for listener in state.listeners.values { listener.replan(state.plan, now: now, chance: self.chance(&state)) }
            }
            state.nextID += 1
            let listener = Listener(
                id: state.nextID,
                name: name ?? "handler \(state.nextID)",
                delivery: delivery,
                wishedPeriod: wished.effective,
                resyncPeriod: state.plan.period(for: wished.effective),
                chance: self.chance(&state),
                clock: self.clock,
                logger: self.logger,
                handler: handler
            )
            state.listeners[listener.id] = listener
            state.joining.append(listener)
            return (listener, wished.warning)
        }
        guard let (listener, warning) = added else {
            throw InformerError(.informerStopped, "handler was not added to shared informer because it has stopped already")
        }
        if let warning { self.logger.warning("\(warning)") }
        // The informer's task takes it on between two changes: what is there and what comes do not overlap.
        self.queue.nudge()
        return self.registration(of: listener)
    }

    private func registration(of listener: Listener<Held>) -> HandlerRegistration {
        HandlerRegistration(
            owner: ObjectIdentifier(self),
            id: listener.id,
            name: listener.name,
            synced: { self.hasSynced && listener.hasSynced },
            waitSynced: {
                try await self.settled.wait()
                try await listener.settled.wait()
                guard self.hasSynced, listener.hasSynced else { throw InformerError.informerStopped }
            },
            statistics: { listener.statistics },
            remove: { () async throws(InformerError) in
                self.state.withLockedValue { state in
                    state.listeners[listener.id] = nil
                    state.joining.removeAll { $0 === listener }
                }
                let callback = listener.remove()
                // The informer's task is to let go of it, too, however quiet the source is.
                self.queue.nudge()
                if let callback { try await listener.wait(for: callback, atMost: self.configuration.removalLimit) }
            }
        )
    }
}

/// How often which handler is told everything once more: a value without locks or clocks.
struct ResyncPlan: Sendable {
    /// What becomes of a period that a handler asks for.
    struct Period: Sendable, Hashable {
        /// What counts; zero: never.
        var effective: Duration
        /// Why it is not what was asked for.
        var warning: String?
    }

    static let minimum = Duration.seconds(1)

    /// How often it is looked whether a resync is due for anyone; zero: never.
    private(set) var checkPeriod: Duration
    private(set) var hasStarted = false

    init(checkPeriod: Duration) { self.checkPeriod = checkPeriod }

    mutating func start() { self.hasStarted = true }

    /// Takes in a handler's wish. Before the start, a wish for more often than others lets it be looked that often.
    ///
    /// - Returns: What the handler may wish for, to be given to ``period(for:)`` now and whenever ``checkPeriod`` has changed.
    mutating func admit(_ wished: Duration) -> Period {
        guard wished > .zero else { return Period(effective: .zero) }
        var period = Period(effective: wished)
        if period.effective < Self.minimum {
            period = Period(effective: Self.minimum, warning: "the resync period is less than the minimum of a second, which is used")
        }
        if period.effective < self.checkPeriod {
            if self.hasStarted {
                period = Period(
                    effective: self.checkPeriod,
                    warning: "the informer runs already and resyncs less often than the handler wishes, which must do"
                )
            } else {
                self.checkPeriod = period.effective
            }
        }
        if self.checkPeriod == .zero { period.warning = "the informer does not resync, so the handler is not told anything once more" }
        return period
    }

    /// What counts of an admitted wish.
    func period(for admitted: Duration) -> Duration {
        admitted > .zero && self.checkPeriod > .zero ? max(admitted, self.checkPeriod) : .zero
    }
}

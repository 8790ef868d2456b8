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

public import Logging
internal import NIOConcurrencyHelpers

/// Follows a source, keeps what it has seen in an indexed store, and tells any number of handlers what happens.
///
/// ```swift
/// let informer = SharedInformer(source, key: { $0.name })
/// try informer.addHandler { event in … }
/// await informer.run()        // until the task is cancelled
/// ```
///
/// Each handler has its own pace: a slow one holds up neither the store nor the others, and what waits for it is bounded
/// (``HandlerDelivery``). A handler may come at any time: it is told first what is there, then what happens, nothing twice and nothing left out.
///
/// Its type names the objects only: where they come from is known by the initialiser alone.
public final class SharedInformer<Object: Sendable>: Sendable {
    enum Phase: Sendable {
        case idle, running, stopped
    }

    struct State: Sendable {
        var phase = Phase.idle
        var nextID = 0
        var listeners: [Int: Listener<Object>] = [:]
        /// Those of them that wait to be taken on by the informer's task.
        var joining: [Listener<Object>] = []
        var plan: ResyncPlan
        var generator: any RandomNumberGenerator & Sendable
        /// Asks what follows the source, once it runs, how much it has left out.
        var leftOut: (@Sendable () -> Int)?
    }

    let source: any ListerWatcher<Object>
    let indexer: Indexer<Object>
    let queue: OrderedQueue<Object>
    let configuration: SharedInformerConfiguration<Object>
    let clock: InformerClock
    let logger: Logger
    let state: NIOLockedValueBox<State>
    let observers = InformerObservers()
    /// Opens when the first list is in the store, and when it never will be.
    let settled = Latch()

    /// An informer that does not run yet.
    ///
    /// - Parameters:
    ///   - source: What to follow.
    ///   - key: Makes an object's key.
    ///   - indexers: The store's indices by name.
    ///   - configuration: How to follow the source, and what handlers are told.
    ///   - clock: The clock of everything that waits.
    ///   - logger: Is told of errors.
    public init(
        _ source: some ListerWatcher<Object>,
        key: @escaping KeyFunction<Object>,
        indexers: [String: IndexFunction<Object>] = [:],
        configuration: SharedInformerConfiguration<Object>,
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "Informers.SharedInformer")
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

    // MARK: Looking

    /// What is known.
    public var store: InformerView<Object> { InformerView(self.indexer) }

    /// Adds indices to the store; see ``Indexer/addIndexers(_:)``.
    ///
    /// - Throws: ``InformerError/Code/indexerConflict``; ``InformerError/Code/informerStopped``.
    public func addIndexers(_ added: [String: IndexFunction<Object>]) throws(InformerError) {
        if self.isStopped { throw InformerError(.informerStopped, "indexer was not added because it has stopped already") }
        try self.indexer.addIndexers(added)
    }

    /// Whether the first list is in the store. Once true, always true.
    public var hasSynced: Bool { self.queue.hasSynced }

    /// Returns when ``hasSynced`` is true.
    ///
    /// - Throws: ``InformerError/Code/informerStopped`` if that will never be; `CancellationError`.
    public func waitUntilSynced() async throws {
        try await self.settled.wait()
        if !self.hasSynced { throw InformerError.informerStopped }
    }

    /// How many times an object was left out because it has no key, or could not be read or transformed; see ``Reflector/objectsLeftOut``.
    public var objectsLeftOut: Int { self.state.withLockedValue { $0.leftOut }?() ?? 0 }

    /// Whether ``run()`` has been called.
    public var hasStarted: Bool { self.state.withLockedValue { $0.phase != .idle } }

    /// Whether ``run()`` has returned.
    public var isStopped: Bool { self.state.withLockedValue { $0.phase == .stopped } }

    /// How often it is looked whether a resync is due for a handler; zero: never.
    var resyncCheckPeriod: Duration { self.state.withLockedValue { $0.plan.checkPeriod } }

    /// The period of each handler that counts, by the order in which they came.
    var resyncPeriods: [Duration] {
        self.state.withLockedValue { $0.listeners }.sorted { $0.key < $1.key }.map(\.value.resyncPeriod)
    }
}

extension SharedInformer where Object: Equatable {
    /// An informer that does not run yet, of objects that can be compared: a list that names an object again as it was tells nobody.
    public convenience init(
        _ source: some ListerWatcher<Object>,
        key: @escaping KeyFunction<Object>,
        indexers: [String: IndexFunction<Object>] = [:],
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "Informers.SharedInformer")
    ) {
        self.init(source, key: key, indexers: indexers, configuration: SharedInformerConfiguration(), clock: clock, logger: logger)
    }
}

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

/// The settings of a ``SharedInformer``.
public struct SharedInformerConfiguration<Object: Sendable>: Sendable {
    /// How to follow the source. Of its resync settings only the jitter is used: ``defaultResyncPeriod`` is the period.
    public var reflector = ReflectorConfiguration()
    /// How often a handler that says nothing else is told everything once more; zero: never, and then no handler is.
    public var defaultResyncPeriod: Duration = .zero
    /// What to make of each object that comes from the source.
    public var transform: TransformFunction<Object>?
    /// Whether two states of an object are the same, so that handlers need not be told of a list that names it again. `nil`: they never are.
    public var isSame: (@Sendable (Object, Object) -> Bool)?
    /// How many objects may wait between the source and the store before the source is held back, at least 1.
    public var queueLimit = 65_536
    /// How long the removal of a handler waits for a callback that runs, before it is an error.
    public var removalLimit: Duration = .seconds(60)

    /// The usual settings.
    public init() {}
}

extension SharedInformerConfiguration where Object: Equatable {
    /// The usual settings, with ``isSame`` as equality.
    public init() {
        self.isSame = { $0 == $1 }
    }
}

/// What an informer knows, for reading. It may be behind the source, and ahead of what handlers have been told.
public struct InformerView<Object: Sendable>: Sendable {
    private let indexer: Indexer<Object>

    init(_ indexer: Indexer<Object>) { self.indexer = indexer }

    /// How many objects there are.
    public var count: Int { self.indexer.count }
    /// All objects, in any order.
    public func list() -> [Object] { self.indexer.list() }
    /// All keys, in any order.
    public func listKeys() -> [String] { self.indexer.listKeys() }
    /// The object of that key.
    public func get(key: String) -> Object? { self.indexer.get(key: key) }
    /// The version of the source's state that this shows; empty before the first list.
    public var resourceVersion: String { self.indexer.resourceVersion }

    /// The names of the indices, sorted.
    public var indexNames: [String] { self.indexer.indexNames }
    /// The objects found under a value of an index. Throws ``InformerError/Code/indexMissing``.
    public func objects(index name: String, value: String) throws(InformerError) -> [Object] {
        try self.indexer.objects(index: name, value: value)
    }
    /// The keys of these objects, sorted. Throws ``InformerError/Code/indexMissing``.
    public func keys(index name: String, value: String) throws(InformerError) -> [String] {
        try self.indexer.keys(index: name, value: value)
    }
    /// All values of an index. Throws ``InformerError/Code/indexMissing``.
    public func values(index name: String) throws(InformerError) -> [String] { try self.indexer.values(index: name) }

    /// Reads by selectors and namespaces; see ``Lister``.
    public func lister(namespaceIndex: String = "namespace", namespace: @escaping @Sendable (Object) -> String) -> Lister<Object> {
        Lister(self.indexer, namespaceIndex: namespaceIndex, namespace: namespace)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Logging

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
    @usableFromInline let core: InformerCore

    @usableFromInline
    init(core: InformerCore) { self.core = core }

    /// An informer that does not run yet.
    ///
    /// - Parameters:
    ///   - source: What to follow.
    ///   - key: Makes an object's key.
    ///   - indexers: The store's indices by name.
    ///   - configuration: How to follow the source, and what handlers are told.
    ///   - clock: The clock of everything that waits.
    ///   - logger: Is told of errors.
    @inlinable
    public convenience init(
        _ source: some ListerWatcher<Object>,
        key: @escaping KeyFunction<Object>,
        indexers: [String: IndexFunction<Object>] = [:],
        configuration: SharedInformerConfiguration<Object>,
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "Informers.SharedInformer")
    ) {
        let keyer = Keyer(function: key)
        let core = InformerCore(
            HeldSource(source),
            key: { try keyer.key(for: $0.object(as: Object.self)) },
            indexers: indexers.mapValues { function in { function($0.object(as: Object.self)) } },
            configuration: configuration.held,
            clock: clock,
            logger: logger
        )
        self.init(core: core)
    }

    /// Follows the source and calls the handlers until the task is cancelled. Then it returns as soon as the callbacks that run have.
    ///
    /// What still waits for a handler then is dropped. A second call does nothing: an informer has one life.
    public func run() async { await self.core.run() }

    // MARK: Looking

    /// What is known.
    public var store: InformerView<Object> { InformerView(self.core.indexer) }

    /// Adds indices to the store; see ``Indexer/addIndexers(_:)``.
    ///
    /// - Throws: ``InformerError/Code/indexerConflict``; ``InformerError/Code/informerStopped``.
    @inlinable
    public func addIndexers(_ added: [String: IndexFunction<Object>]) throws(InformerError) {
        try self.core.addIndexers(added.mapValues { function in { function($0.object(as: Object.self)) } })
    }

    /// Whether the first list is in the store. Once true, always true.
    public var hasSynced: Bool { self.core.hasSynced }

    /// Returns when ``hasSynced`` is true.
    ///
    /// - Throws: ``InformerError/Code/informerStopped`` if that will never be; `CancellationError`.
    public func waitUntilSynced() async throws { try await self.core.waitUntilSynced() }

    /// How many times an object was left out because it has no key, or could not be read or transformed; see ``Reflector/objectsLeftOut``.
    public var objectsLeftOut: Int { self.core.objectsLeftOut }

    /// Whether ``run()`` has been called.
    public var hasStarted: Bool { self.core.hasStarted }

    /// Whether ``run()`` has returned.
    public var isStopped: Bool { self.core.isStopped }

    /// How often it is looked whether a resync is due for a handler; zero: never.
    var resyncCheckPeriod: Duration { self.core.resyncCheckPeriod }

    /// The period of each handler that counts, by the order in which they came.
    var resyncPeriods: [Duration] { self.core.resyncPeriods }
}

extension SharedInformer where Object: Equatable {
    /// An informer that does not run yet, of objects that can be compared: a list that names an object again as it was tells nobody.
    @inlinable
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
    @inlinable
    public init() {
        self.isSame = { $0 == $1 }
    }
}

/// What an informer knows, for reading. It may be behind the source, and ahead of what handlers have been told.
public struct InformerView<Object: Sendable>: Sendable {
    private let indexer: Indexer<Held>

    init(_ indexer: Indexer<Held>) { self.indexer = indexer }

    /// How many objects there are.
    public var count: Int { self.indexer.count }
    /// All objects, in any order.
    public func list() -> [Object] { self.indexer.list().map { $0.object(as: Object.self) } }
    /// All keys, in any order.
    public func listKeys() -> [String] { self.indexer.listKeys() }
    /// The object of that key.
    public func get(key: String) -> Object? { self.indexer.get(key: key)?.object(as: Object.self) }
    /// The version of the source's state that this shows; empty before the first list.
    public var resourceVersion: String { self.indexer.resourceVersion }

    /// The names of the indices, sorted.
    public var indexNames: [String] { self.indexer.indexNames }
    /// The objects found under a value of an index. Throws ``InformerError/Code/indexMissing``.
    public func objects(index name: String, value: String) throws(InformerError) -> [Object] {
        try self.indexer.objects(index: name, value: value).map { $0.object(as: Object.self) }
    }
    /// The keys of these objects, sorted. Throws ``InformerError/Code/indexMissing``.
    public func keys(index name: String, value: String) throws(InformerError) -> [String] {
        try self.indexer.keys(index: name, value: value)
    }
    /// All values of an index. Throws ``InformerError/Code/indexMissing``.
    public func values(index name: String) throws(InformerError) -> [String] { try self.indexer.values(index: name) }

    /// Reads by selectors and namespaces; see ``Lister``.
    public func lister(namespaceIndex: String = "namespace", namespace: @escaping @Sendable (Object) -> String) -> Lister<Object> {
        Lister(namespaceIndex: namespaceIndex, namespace: namespace) {
            self.list()
        } find: { (namespace) throws(InformerError) in
            try self.objects(index: namespaceIndex, value: namespace)
        }
    }
}

extension SharedInformer {
    /// Adds a handler. It is told first what is there, as additions, then what happens.
    ///
    /// - Parameters:
    ///   - handler: What to call. One call at a time, within ``run()``.
    ///   - name: What it is called in logs; by default a number.
    ///   - delivery: What to do with a handler that is slower than the changes.
    ///   - resyncPeriod: How often it is told everything once more, as updates that change nothing; zero: never; `nil`: the informer's default.
    ///     At least a second, and once the informer runs not more often than it resyncs then.
    /// - Throws: ``InformerError/Code/informerStopped``.
    @inlinable
    @discardableResult
    public func addHandler(
        _ handler: some ResourceEventHandler<Object>,
        name: String? = nil,
        delivery: HandlerDelivery = .coalescing,
        resyncPeriod: Duration? = nil
    ) throws(InformerError) -> HandlerRegistration {
        try self.addHandler(name: name, delivery: delivery, resyncPeriod: resyncPeriod) { try await handler.handle($0) }
    }

    /// Adds a handler; see ``addHandler(_:name:delivery:resyncPeriod:)``.
    @inlinable
    @discardableResult
    public func addHandler(
        name: String? = nil,
        delivery: HandlerDelivery = .coalescing,
        resyncPeriod: Duration? = nil,
        _ handler: @escaping @Sendable (InformerEvent<Object>) async throws -> Void
    ) throws(InformerError) -> HandlerRegistration {
        try self.core.addHandler(name: name, delivery: delivery, resyncPeriod: resyncPeriod) {
            try await handler($0.typed(as: Object.self))
        }
    }

    /// Ends a handler; see ``HandlerRegistration/remove()``. One that belongs to another informer stays as it is.
    public func removeHandler(_ registration: HandlerRegistration) async throws(InformerError) {
        if registration.owner == ObjectIdentifier(self.core) { try await registration.remove() }
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import NIOConcurrencyHelpers

/// Runs a reflector that fills a queue, and has what comes out of it processed: the plain way, for one consumer who does everything himself.
///
/// ```swift
/// let store = Indexer(key: key)
/// let controller = Controller(source, queue: DeltaFIFO(key: key, knownObjects: store)) { deltas, isInInitialList in
///     try store.apply(deltas, isInInitialList: isInInitialList) { event in … }
/// }
/// await controller.run()
/// ```
///
/// ``SharedInformer`` does more: several handlers, none of which holds up the others.
public final class Controller<Source: ListerWatcher, Events: Queue>: Sendable where Source.Object == Events.Object {
    private let queue: Events
    private let reflector: Reflector<Source, Events>
    private let process: @Sendable (_ item: Events.Item, _ isInInitialList: Bool) throws -> Void
    private let logger: Logger
    private let clock: InformerClock
    private let failures = NIOLockedValueBox(Repeated())

    /// A controller.
    ///
    /// - Parameters:
    ///   - source: What to follow.
    ///   - queue: What is between the reflector and `process`.
    ///   - configuration: How to follow it.
    ///   - clock: The reflector's clock.
    ///   - logger: Is told of errors.
    ///   - process: Processes an item; see ``Queue/pop(_:)``. What it throws is logged now and again, and the item is gone, unless that is a ``Requeue``.
    public init(
        _ source: Source,
        queue: Events,
        configuration: ReflectorConfiguration = ReflectorConfiguration(),
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "Informers.Controller"),
        process: @escaping @Sendable (_ item: Events.Item, _ isInInitialList: Bool) throws -> Void
    ) {
        self.queue = queue
        self.reflector = Reflector(source, store: queue, configuration: configuration, clock: clock, logger: logger)
        self.logger = logger
        self.clock = clock
        self.process = process
    }

    /// Follows the source until the task is cancelled. Then the queue is closed, an item in work is finished, and both tasks end.
    public func run() async {
        await withTaskGroup { group in
            group.addTask { await self.reflector.run() }
            await self.processLoop()
            self.queue.close()
            group.cancelAll()
        }
    }

    /// Whether everything of the first list has been processed.
    public var hasSynced: Bool { self.queue.hasSynced }

    /// The version of the source's state that the queue has been told.
    public var lastSyncResourceVersion: String { self.reflector.lastSyncResourceVersion }

    private func processLoop() async {
        while !Task.isCancelled {
            do {
                _ = try await self.queue.pop(self.process)
            } catch let error as InformerError where error.code == .queueClosed {
                return
            } catch is CancellationError {
                if Task.isCancelled { return }
            } catch {
                let now = self.clock.now
                guard let count = self.failures.withLockedValue({ $0.happened(now: now) }) else { continue }
                self.logger.error("an item could not be processed", metadata: ["error": "\(type(of: error))", "count": "\(count)"])
            }
        }
    }
}

extension Indexer {
    /// Makes the store do what the deltas say, oldest first, and tells each step after the store has made it.
    ///
    /// What is told goes by what the store had, not by the kind of the delta: an update of an unknown object is an addition.
    ///
    /// - Parameters:
    ///   - deltas: What a ``DeltaFIFO`` has handed out.
    ///   - isInInitialList: Whether it belongs to the first list.
    ///   - notify: Is told. Called without a lock of the store held.
    /// - Throws: What `notify` throws, at once. At the end a ``TransactionError`` if for some of the deltas no key could be made: the others have
    ///   been applied and told.
    public func apply(
        _ deltas: [Delta<Object>],
        isInInitialList: Bool,
        notify: (InformerEvent<Object>) throws -> Void
    ) throws {
        var error = TransactionError()
        for (index, delta) in deltas.enumerated() {
            let event: InformerEvent<Object>
            do { event = try self.apply(delta, isInInitialList) } catch let cause {
                error.failures[index] = cause
                continue
            }
            error.successfulIndices.append(index)
            try notify(event)
        }
        if !error.failures.isEmpty { throw error }
    }

    private func apply(_ delta: Delta<Object>, _ isInInitialList: Bool) throws -> InformerEvent<Object> {
        switch delta {
        case .added(let object), .updated(let object), .replaced(let object), .sync(let object):
            let old = self.set(try self.key(for: object), object)
            return old.map { .updated(old: $0, new: object, recreated: false) } ?? .added(object, isInInitialList: isInInitialList)
        case .deleted(let deletion):
            let old = self.remove(try deletion.key { try self.key(for: $0) })
            return .deleted(deletion.told(old))
        }
    }
}

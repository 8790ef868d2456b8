// SPDX-License-Identifier: Apache-2.0

/// A queue that keeps the order of all changes, holds the producer back when it is full, and hands out batches without its lock held.
///
/// By default a list is *one* change, and the consumer finds out by its own store what has gone: the queue need not know the store. With
/// `knownObjects` a list is taken apart as a ``DeltaFIFO`` does it, gone objects first.
///
/// There must be one consumer.
public final class OrderedQueue<Object: Sendable>: Queue {
    /// Several changes, none two of which are about the same object.
    public typealias Item = [OrderedChange<Object>]

    private let waiting: WaitingRoom<OrderedQueueCore<Object>>
    private let keyer: Keyer<Object>
    private let knownObjects: (any KnownObjects<Object>)?
    private let transformer: TransformFunction<Object>?
    private let batchLimit: Int

    /// An empty queue.
    ///
    /// - Parameters:
    ///   - key: Makes an object's key.
    ///   - knownObjects: The consumer's store, if lists are to be taken apart.
    ///   - limit: How many objects may wait, at least 1. A list is let in whole if there is any room, so twice the largest list is the most.
    ///   - batchLimit: How many changes are handed out at once, at least 1.
    ///   - transform: What to make of each object that comes from the source.
    public init(
        key: @escaping KeyFunction<Object>,
        knownObjects: (any KnownObjects<Object>)? = nil,
        limit: Int = 65_536,
        batchLimit: Int = 1000,
        transform: TransformFunction<Object>? = nil
    ) {
        self.keyer = Keyer(function: key)
        self.knownObjects = knownObjects
        self.transformer = transform
        self.batchLimit = max(1, batchLimit)
        self.waiting = WaitingRoom(OrderedQueueCore(limit: max(1, limit)))
    }

    /// The name of an object. Throws ``KeyError``.
    public func key(for object: Object) throws -> String { try self.keyer.key(for: object) }

    /// What is queued in place of `object`.
    public func transform(_ object: Object) throws -> Object { try self.transformer?(object) ?? object }

    /// The key is that of what is queued, as it is where a list comes already transformed: one object, one key.
    private func keyed(_ object: Object) throws -> (key: String, object: Object) {
        let object = try self.transform(object)
        return (try self.key(for: object), object)
    }

    // MARK: Putting

    /// An object has come. Waits for room.
    ///
    /// - Throws: ``KeyError``; ``InformerError/Code/queueClosed``; `CancellationError`.
    public func add(_ object: Object) async throws {
        let (key, object) = try self.keyed(object)
        let delta = Delta.added(object)
        try await self.put { $0.add(key, delta) }
    }

    /// An object has changed. Waits for room. Throws as `add(_:)` does.
    public func update(_ object: Object) async throws {
        let (key, object) = try self.keyed(object)
        let delta = Delta.updated(object)
        try await self.put { $0.add(key, delta) }
    }

    /// An object has gone. Waits for room. Throws as `add(_:)` does.
    public func delete(_ object: Object) async throws {
        let (key, object) = try self.keyed(object)
        let delta = Delta.deleted(.object(object))
        try await self.put { $0.add(key, delta) }
    }

    /// These are all objects. Waits for room. Throws as `add(_:)` does, and then changes nothing.
    public func replace(_ objects: [Object], resourceVersion: String) async throws {
        try await self.replace(objects.map { try self.keyed($0) }, resourceVersion)
    }

    /// As `replace(_:resourceVersion:)`, with objects that ``transform(_:)`` has made already.
    public func replace(transformed objects: [Object], resourceVersion: String) async throws {
        try await self.replace(objects.map { (try self.key(for: $0), $0) }, resourceVersion)
    }

    private func replace(_ list: [(key: String, object: Object)], _ resourceVersion: String) async throws {
        if let knownObjects {
            try await self.put { $0.replace(list, resourceVersion: resourceVersion, known: knownObjects) }
        } else {
            let objects = Dictionary(list.map { ($0.key, $0.object) }) { _, last in last }
            try await self.put { $0.replaceAll(objects, resourceVersion: resourceVersion) }
        }
    }

    /// Has everything told once more that the consumer has.
    public func resync() async throws {
        try await self.put { core in
            if let knownObjects = self.knownObjects { core.resync(knownObjects) } else { core.syncAll() }
        }
    }

    /// Tells the consumer how far it has come. Takes no room of its own if anything is queued.
    public func updateResourceVersion(_ resourceVersion: String) async throws {
        self.waiting.change { $0.bookmark(resourceVersion) }
    }

    /// An event of a watch, in one step. Throws as `add(_:)` does.
    public func put(_ change: WatchEvent<Object>.Change, resourceVersion: String?) async throws {
        guard let (key, delta) = try self.delta(change) else {
            if let resourceVersion { try await self.updateResourceVersion(resourceVersion) }
            return
        }
        let change = OrderedChange(.delta(delta, key: key), resourceVersion: resourceVersion)
        try Task.checkCancellation()
        // Nearly always there is room, and nothing to wait for.
        if self.waiting.putNow({ $0.add(change) }) != nil { return }
        try await self.waiting.put(orThrow: .queueClosed) { $0.add(change) }
    }

    private func delta(_ change: WatchEvent<Object>.Change) throws -> (key: String, delta: Delta<Object>)? {
        switch change {
        case .added(let object):
            let (key, object) = try self.keyed(object)
            return (key, .added(object))
        case .modified(let object):
            let (key, object) = try self.keyed(object)
            return (key, .updated(object))
        case .deleted(let object):
            let (key, object) = try self.keyed(object)
            return (key, .deleted(.object(object)))
        case .bookmark, .error, .unknown, .foreign: return nil
        }
    }

    private func put(_ body: (inout OrderedQueueCore<Object>) -> Void) async throws {
        try await self.waiting.put(orThrow: .queueClosed, body)
    }

    // MARK: Taking

    /// Waits for changes and processes as many of them as may go together.
    ///
    /// ``hasSynced`` becomes true after `process` has returned or thrown. Changes that it throws at are gone.
    ///
    /// - Returns: The changes.
    /// - Throws: What `process` throws; ``InformerError/Code/queueClosed`` when the queue is closed and empty; `CancellationError`.
    @discardableResult
    public func popBatch(_ process: (_ item: Item, _ isInInitialList: Bool) async throws -> Void) async throws -> Item {
        try await self.pop(limit: self.batchLimit, process)
    }

    /// Waits for one change and processes it. Unlike with the other queues the lock is not held meanwhile, and ``Requeue`` is an error like any other.
    @discardableResult
    public func pop(_ process: (_ item: Item, _ isInInitialList: Bool) throws -> Void) async throws -> Item {
        try await self.pop(limit: 1, process)
    }

    private func pop(limit: Int, _ process: (Item, Bool) async throws -> Void) async throws -> Item {
        let batch = try await self.waiting.take(orThrow: .queueClosed) { $0.take(limit: limit) }
        defer { self.processed(batch) }
        try await process(batch.changes, batch.isInInitialList)
        return batch.changes
    }

    /// As ``popBatch(_:)``, for one who does not mind several changes of one object in a batch, and wants to know whether there was a ``nudge()``.
    func popAll(_ process: (_ item: Item, _ wasNudged: Bool) -> Void) async throws {
        let batch = try await self.waiting.take(orThrow: .queueClosed) { $0.take(limit: self.batchLimit, isDistinct: false) }
        process(batch.changes, batch.wasNudged)
        self.processed(batch)
    }

    private func processed(_ batch: OrderedQueueCore<Object>.Batch) {
        // It changes nothing otherwise.
        if batch.awaited > 0 || batch.isInInitialList { self.waiting.change { $0.processed(batch) } }
    }

    /// Whether everything of the first list has been processed. Once true, always true.
    public var hasSynced: Bool { self.waiting.read(\.hasSynced) }

    /// Returns when ``hasSynced`` is true; throws `CancellationError` when the task is cancelled before that.
    public func waitUntilSynced() async throws { try await self.waiting.synced.wait() }

    /// Ends all waiting. What is queued can still be taken.
    public func close() { self.waiting.change { $0.close() } }

    /// Whether the queue has been closed.
    public var isClosed: Bool { self.waiting.read(\.isClosed) }

    /// How many changes wait to be taken.
    public var count: Int { self.waiting.read(\.changes.count) }

    /// Lets ``popBatch(_:)`` return, with nothing if there is nothing.
    func nudge() { self.waiting.change { $0.isNudged = true } }

    /// How many tasks wait for a change, and for room.
    var waiters: (consumers: Int, producers: Int) { (self.waiting.takers, self.waiting.putters) }
}

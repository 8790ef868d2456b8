// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
public import Logging
internal import NIOConcurrencyHelpers

/// A queue that hands out, for one object after the other, everything that happened to it since it was last taken.
///
/// Nothing is left out, except that two deletions in a row are one; there is no order across objects. So memory grows with the changes that
/// nobody takes: ``OrderedQueue`` has a limit.
///
/// The consumer keeps what it has seen in a store, and tells it to the queue (`knownObjects`), which needs it to tell what a list no longer names.
public final class DeltaFIFO<Object: Sendable>: Queue {
    private let room = WaitingRoom(DeltaFIFOCore<Object>())
    private let keyer: Keyer<Object>
    private let knownObjects: (any KnownObjects<Object>)?
    private let tellsReplaced: Bool
    private let transformer: TransformFunction<Object>?
    private let clock: InformerClock
    private let logger: Logger
    private let slowness = NIOLockedValueBox(Repeated())

    /// An empty queue.
    ///
    /// - Parameters:
    ///   - key: Makes an object's key.
    ///   - knownObjects: The consumer's store, which it changes only while it processes an item. Without one, deletions are told only of what is queued.
    ///   - tellsReplaced: Whether the objects of a list come as ``Delta/replaced(_:)``. Otherwise they come as ``Delta/sync(_:)``, as they did of old.
    ///   - transform: What to make of each object that comes from the source.
    ///   - clock: Measures how long an item is processed.
    ///   - logger: Is told of slow processing.
    public init(
        key: @escaping KeyFunction<Object>,
        knownObjects: (any KnownObjects<Object>)? = nil,
        tellsReplaced: Bool = true,
        transform: TransformFunction<Object>? = nil,
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "Informers.DeltaFIFO")
    ) {
        self.keyer = Keyer(function: key)
        self.knownObjects = knownObjects
        self.tellsReplaced = tellsReplaced
        self.transformer = transform
        self.clock = clock
        self.logger = logger
    }

    // MARK: Keys

    /// The name of an object. Throws ``KeyError``.
    public func key(for object: Object) throws -> String { try self.keyer.key(for: object) }

    /// The key of the object that `deltas` are about. Throws ``KeyError``, for no deltas too.
    public func key(for deltas: [Delta<Object>]) throws -> String {
        switch deltas.last {
        case .deleted(let deletion): try deletion.key { try self.key(for: $0) }
        case .added(let object), .updated(let object), .replaced(let object), .sync(let object): try self.key(for: object)
        case nil: throw KeyError(cause: InformerError.noDeltas)
        }
    }

    /// The key of what has gone.
    public func key(for tombstone: DeletedFinalStateUnknown<Object>) -> String { tombstone.key }

    /// What is queued in place of `object`.
    public func transform(_ object: Object) throws -> Object { try self.transformer?(object) ?? object }

    /// The key is that of what is queued, so that what a consumer finds here it finds by itself in its store.
    private func keyed(_ object: Object) throws -> (key: String, object: Object) {
        let object = try self.transform(object)
        return (try self.key(for: object), object)
    }

    // MARK: Putting

    /// An object has come. Throws ``KeyError``.
    public func add(_ object: Object) throws {
        let (key, object) = try self.keyed(object)
        let delta = Delta.added(object)
        self.room.change { $0.add(key, delta) }
    }

    /// An object has changed. Throws ``KeyError``.
    public func update(_ object: Object) throws {
        let (key, object) = try self.keyed(object)
        let delta = Delta.updated(object)
        self.room.change { $0.add(key, delta) }
    }

    /// An object has gone. It is no news if it is neither queued nor known. Throws ``KeyError``.
    public func delete(_ object: Object) throws {
        let (key, object) = try self.keyed(object)
        let deletion = Deletion.object(object)
        self.room.change { $0.delete(key, deletion, known: self.knownObjects) }
    }

    /// An object has gone, and it is not known how it was last.
    public func delete(_ tombstone: DeletedFinalStateUnknown<Object>) {
        self.room.change { $0.delete(tombstone.key, .tombstone(tombstone), known: self.knownObjects) }
    }

    /// An event of a watch. Its version is of no use to the queue. Throws ``KeyError``.
    public func put(_ change: WatchEvent<Object>.Change, resourceVersion: String?) throws {
        switch change {
        case .added(let object): try self.add(object)
        case .modified(let object): try self.update(object)
        case .deleted(let object): try self.delete(object)
        case .bookmark, .error, .unknown, .foreign: break
        }
    }

    /// These are all objects. What is queued or known and not among them is told as deleted. Throws ``KeyError`` and then changes nothing.
    public func replace(_ objects: [Object], resourceVersion: String) throws {
        try self.replace(objects.map { try self.keyed($0) })
    }

    /// As `replace(_:resourceVersion:)`, with objects that ``transform(_:)`` has made already.
    public func replace(transformed objects: [Object], resourceVersion: String) async throws {
        try self.replace(objects.map { (try self.key(for: $0), $0) })
    }

    private func replace(_ objects: [(key: String, object: Object)]) throws {
        let list = objects.map { (key: $0.key, delta: self.tellsReplaced ? Delta.replaced($0.object) : .sync($0.object)) }
        self.room.change { $0.replace(list, known: self.knownObjects) }
    }

    /// Queues each known object about which nothing is queued as ``Delta/sync(_:)``.
    public func resync() { self.room.change { $0.resync(self.knownObjects) } }

    /// Puts back what a consumer has taken, unless something newer is queued. Throws ``KeyError``.
    public func addIfNotPresent(_ deltas: [Delta<Object>]) throws {
        let key = try self.key(for: deltas)
        self.room.change { $0.addIfAbsent(key, deltas) }
    }

    // MARK: Taking

    /// Waits for an item, takes it and processes it; see ``Queue/pop(_:)``.
    @discardableResult
    public func pop(_ process: (_ item: [Delta<Object>], _ isInInitialList: Bool) throws -> Void) async throws -> [Delta<Object>] {
        var slow: (depth: Int, time: Duration)?
        defer {
            if let slow, self.slowness.withLockedValue({ $0.happened(now: self.clock.now) }) != nil {
                self.logger.info(
                    "slow processing blocks the queue",
                    metadata: ["depth": "\(slow.depth)", "milliseconds": "\(slow.time / .milliseconds(1))"]
                )
            }
        }
        return try await self.room.take(orThrow: .queueClosed) { core in
            let depth = core.queue.count - 1
            guard depth > 10 else { return try core.pop(process) }
            let start = self.clock.now
            defer {
                let time = self.clock.now - start
                if time > .milliseconds(100) { slow = (depth, time) }
            }
            return try core.pop(process)
        }
    }

    /// Whether everything of the first list has been processed. Once true, always true.
    public var hasSynced: Bool { self.room.read(\.hasSynced) }

    /// Returns when ``hasSynced`` is true; throws `CancellationError` when the task is cancelled before that.
    public func waitUntilSynced() async throws { try await self.room.synced.wait() }

    /// Ends all waiting. What is queued can still be taken.
    public func close() { self.room.change { $0.close() } }

    /// Whether the queue has been closed.
    public var isClosed: Bool { self.room.read(\.isClosed) }

    // MARK: Looking

    /// The newest known state of each queued object, in any order.
    public func list() -> [Object] { self.room.read(\.items).values.compactMap { $0.last?.object } }

    /// The keys of the queued objects, in the order in which they will be taken.
    public func listKeys() -> [String] { Array(self.room.read(\.queue)) }

    /// What is queued for the key of `object`. Throws ``KeyError``.
    public func get(_ object: Object) throws -> [Delta<Object>]? { self.get(key: try self.key(for: object)) }

    /// What is queued for that key.
    public func get(key: String) -> [Delta<Object>]? { self.room.read { $0.items[key] } }

    /// How many tasks wait in ``pop(_:)``.
    var waiting: Int { self.room.takers }
}

/// What happened to each object since it was last taken, in the order in which the keys came: a value without locks.
///
/// A key is in ``queue`` exactly if it is in ``items``, and its list is never empty.
struct DeltaFIFOCore<Object: Sendable>: QueueCore {
    private(set) var items: [String: [Delta<Object>]] = [:]
    private(set) var queue: Deque<String> = []
    private var populated = false
    private var initialCount = 0
    private(set) var isClosed = false

    var available: Int { self.queue.count }
    var hasSynced: Bool { self.populated && self.initialCount == 0 }

    /// An addition or an update.
    mutating func add(_ key: String, _ delta: Delta<Object>) {
        self.populated = true
        self.append(key, delta)
    }

    /// A deletion. One of something that nobody ever saw is no news.
    mutating func delete(_ key: String, _ deletion: Deletion<Object>, known: (any KnownObjects<Object>)?) {
        self.populated = true
        if self.items[key] == nil {
            guard let known else { return }
            // A store that cannot say is taken to know it: better a deletion too many than one too few.
            if case .success(nil) = Result(catching: { try known.get(key: key) }) { return }
        }
        self.append(key, .deleted(deletion))
    }

    /// A list: each of its objects is queued, and a deletion for whatever is known and not in it.
    mutating func replace(_ list: [(key: String, delta: Delta<Object>)], known: (any KnownObjects<Object>)?) {
        var keys: Set<String> = []
        keys.reserveCapacity(list.count)
        for (key, delta) in list {
            keys.insert(key)
            // Whatever is queued, a deletion too: it is older than the list.
            self.append(key, delta)
        }
        var deletions = 0
        // Objects that only the queue knows: the consumer has not seen them, but will.
        for key in self.queue where !keys.contains(key) {
            deletions += 1
            let last = self.items[key]?.last?.object
            self.append(key, .deleted(.tombstone(DeletedFinalStateUnknown(key: key, object: last))))
        }
        if let known {
            for key in known.listKeys() where !keys.contains(key) && self.items[key] == nil {
                deletions += 1
                let last = try? known.get(key: key)
                self.append(key, .deleted(.tombstone(DeletedFinalStateUnknown(key: key, object: last))))
            }
        }
        if !self.populated {
            self.populated = true
            self.initialCount = keys.count + deletions
        }
    }

    /// Queues every known object about which nothing is queued: that would be newer.
    mutating func resync(_ known: (any KnownObjects<Object>)?) {
        guard let known else { return }
        for key in known.listKeys() where self.items[key] == nil {
            // It may have gone since the keys were listed.
            if let object = try? known.get(key: key) { self.append(key, .sync(object)) }
        }
    }

    /// Puts deltas back at the end, unless newer ones are queued.
    mutating func addIfAbsent(_ key: String, _ deltas: [Delta<Object>]) {
        self.populated = true
        guard self.items[key] == nil, !deltas.isEmpty else { return }
        self.items[key] = deltas
        self.queue.append(key)
    }

    /// Takes what is queued for the first key and has it processed; `nil` if there is nothing.
    mutating func pop(_ process: ([Delta<Object>], Bool) throws -> Void) throws -> [Delta<Object>]? {
        guard let key = self.queue.popFirst(), let deltas = self.items.removeValue(forKey: key) else { return nil }
        let isInInitialList = !self.hasSynced
        // Counted after processing, however that ends: who sees hasSynced finds everything processed.
        defer { self.initialCount = max(0, self.initialCount - 1) }
        do {
            try process(deltas, isInInitialList)
        } catch let requeue as Requeue {
            self.addIfAbsent(key, deltas)
            if let cause = requeue.cause { throw cause }
        }
        return deltas
    }

    mutating func close() { self.isClosed = true }

    private mutating func append(_ key: String, _ delta: Delta<Object>) {
        guard var deltas = self.items.removeValue(forKey: key) else {
            self.items[key] = [delta]
            self.queue.append(key)
            return
        }
        // Only two deletions in a row are one. Which of them: the one that knows the object's last state.
        if case .deleted = delta, case .deleted(let last)? = deltas.last {
            if last.tombstone != nil { deltas[deltas.count - 1] = delta }
        } else {
            deltas.append(delta)
        }
        self.items[key] = deltas
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// A queue that holds the newest object of each key, at the place where the key first came in.
///
/// An object that changes many times before it is taken is taken once, as it is last; one that is deleted is not taken at all. Memory: one
/// object a key.
public final class FIFO<Object: Sendable>: Queue {
    private let room = WaitingRoom(FIFOCore<Object>())
    private let keyer: Keyer<Object>

    /// An empty queue.
    public init(key: @escaping KeyFunction<Object>) {
        self.keyer = Keyer(function: key)
    }

    /// The name of an object. Throws ``KeyError``.
    public func key(for object: Object) throws -> String { try self.keyer.key(for: object) }

    /// Queues the object, in place of an older one with its key. Throws ``KeyError``.
    public func add(_ object: Object) throws {
        let key = try self.key(for: object)
        self.room.change { $0.set(key, object) }
    }

    /// The same as `add(_:)`.
    public func update(_ object: Object) throws { try self.add(object) }

    /// Queues the object unless one with its key is queued, which is taken to be newer. Throws ``KeyError``.
    public func addIfNotPresent(_ object: Object) throws {
        let key = try self.key(for: object)
        self.room.change { $0.setIfAbsent(key, object) }
    }

    /// Takes out what is queued with the key of `object`. Throws ``KeyError``.
    public func delete(_ object: Object) throws {
        let key = try self.key(for: object)
        self.room.change { $0.delete(key) }
    }

    /// Queues these objects and no others. Throws ``KeyError`` and then changes nothing.
    public func replace(_ objects: [Object], resourceVersion: String) throws {
        let keyed = try objects.map { (key: try self.key(for: $0), object: $0) }
        self.room.change { $0.replace(keyed) }
    }

    /// Does nothing as far as anyone can see: what is here is queued already.
    public func resync() { self.room.change { $0.resync() } }

    /// Waits for an item, takes it and processes it; see ``Queue/pop(_:)``.
    @discardableResult
    public func pop(_ process: (_ item: Object, _ isInInitialList: Bool) throws -> Void) async throws -> Object {
        try await self.room.take(orThrow: .queueClosed) { try $0.pop(process) }
    }

    /// Whether everything of the first list has been processed. Once true, always true.
    public var hasSynced: Bool { self.room.read(\.hasSynced) }

    /// Returns when ``hasSynced`` is true; throws `CancellationError` when the task is cancelled before that.
    public func waitUntilSynced() async throws { try await self.room.synced.wait() }

    /// Ends all waiting. What is queued can still be taken.
    public func close() { self.room.change { $0.close() } }

    /// Whether the queue has been closed.
    public var isClosed: Bool { self.room.read(\.isClosed) }

    /// What is queued, in any order.
    public func list() -> [Object] { Array(self.room.read(\.items).values) }

    /// The keys of what is queued, in any order.
    public func listKeys() -> [String] { Array(self.room.read(\.items).keys) }

    /// What is queued with the key of `object`. Throws ``KeyError``.
    public func get(_ object: Object) throws -> Object? { self.get(key: try self.key(for: object)) }

    /// What is queued with that key.
    public func get(key: String) -> Object? { self.room.read { $0.items[key] } }

    /// How many tasks wait in ``pop(_:)``.
    var waiting: Int { self.room.takers }
}

/// The newest object of each key, in the order in which the keys came: a value without locks.
struct FIFOCore<Object: Sendable>: QueueCore {
    private(set) var items: [String: Object] = [:]
    /// Keys in the order to be taken. A key that is not in ``items`` is a *ghost*: the object was deleted while it waited.
    private(set) var queue: Deque<String> = []
    private var populated = false
    /// How many of the first keys in ``queue`` belong to the first list.
    private var initialCount = 0
    private(set) var isClosed = false

    var available: Int { self.items.count }
    var hasSynced: Bool { self.populated && self.initialCount == 0 }

    mutating func set(_ key: String, _ object: Object) {
        self.populated = true
        if self.items.updateValue(object, forKey: key) == nil { self.queue.append(key) }
    }

    /// Does nothing if something is queued for the key: that is newer.
    mutating func setIfAbsent(_ key: String, _ object: Object) {
        self.populated = true
        if self.items[key] == nil { self.set(key, object) }
    }

    mutating func delete(_ key: String) {
        self.populated = true
        self.items[key] = nil
        self.dropGhosts()
    }

    mutating func replace(_ objects: [(key: String, object: Object)]) {
        self.items = [:]
        self.queue.removeAll(keepingCapacity: true)
        for (key, object) in objects where self.items.updateValue(object, forKey: key) == nil { self.queue.append(key) }
        if self.populated {
            // What was left of the first list and is not in this one will never be taken.
            self.initialCount = min(self.initialCount, self.queue.count)
        } else {
            self.populated = true
            self.initialCount = self.queue.count
        }
    }

    /// Queues every object once more that is not queued.
    mutating func resync() {
        let queued = Set(self.queue)
        for key in self.items.keys where !queued.contains(key) { self.queue.append(key) }
    }

    /// Takes the first object and has it processed; `nil` if there is none.
    mutating func pop(_ process: (Object, Bool) throws -> Void) throws -> Object? {
        while let key = self.queue.popFirst() {
            let isInInitialList = !self.hasSynced
            // Counted after processing, however that ends: who sees hasSynced finds everything processed.
            defer { self.initialCount = max(0, self.initialCount - 1) }
            guard let object = self.items.removeValue(forKey: key) else { continue }
            do {
                try process(object, isInInitialList)
            } catch let requeue as Requeue {
                self.setIfAbsent(key, object)
                if let cause = requeue.cause { throw cause }
            }
            return object
        }
        return nil
    }

    mutating func close() { self.isClosed = true }

    /// Ghosts would pile up if objects came and went and nobody took any.
    private mutating func dropGhosts() {
        guard self.queue.count > 2 * self.items.count + 64 else { return }
        var seen: Set<String> = []
        var kept: Deque<String> = []
        var initial = 0
        for (position, key) in self.queue.enumerated() where self.items[key] != nil && seen.insert(key).inserted {
            kept.append(key)
            if position < self.initialCount { initial += 1 }
        }
        self.queue = kept
        self.initialCount = initial
    }
}

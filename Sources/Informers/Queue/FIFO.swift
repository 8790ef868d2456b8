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

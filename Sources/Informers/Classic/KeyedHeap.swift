// SPDX-License-Identifier: Apache-2.0

/// A heap of objects with keys, the least of which can be waited for: for deadlines, retries, priorities.
///
/// An object may be changed or removed by its key while it is in the heap.
public final class KeyedHeap<Object: Sendable>: Sendable {
    private struct Core: QueueCore {
        var heap: HeapCore<String, Object>
        var isClosed = false
        var available: Int { self.heap.count }
    }

    private let room: WaitingRoom<Core>
    private let keyer: Keyer<Object>

    /// An empty heap.
    ///
    /// - Parameters:
    ///   - key: Makes an object's key.
    ///   - isLess: A strict order. It is called under the heap's lock: it must be short and must not use the heap.
    public init(key: @escaping KeyFunction<Object>, by isLess: @escaping @Sendable (Object, Object) -> Bool) {
        self.keyer = Keyer(function: key)
        self.room = WaitingRoom(Core(heap: HeapCore(by: isLess)))
    }

    /// The name of an object. Throws ``KeyError``.
    public func key(for object: Object) throws -> String { try self.keyer.key(for: object) }

    // MARK: Changing

    /// Adds the object, or puts it in the place of the one with its key, where it then belongs.
    ///
    /// - Throws: ``KeyError``; ``InformerError/Code/heapClosed``.
    public func add(_ object: Object) throws { try self.add(contentsOf: [object]) }

    /// The same as ``add(_:)``.
    public func update(_ object: Object) throws { try self.add(object) }

    /// Adds several objects in one step: nobody sees a part of them. If one has no key, none is added.
    ///
    /// - Throws: ``KeyError``; ``InformerError/Code/heapClosed``.
    public func add(contentsOf objects: [Object]) throws {
        let keyed = try objects.map { (key: try self.key(for: $0), object: $0) }
        try self.room.change { core in
            if core.isClosed { throw InformerError.heapClosed }
            for (key, object) in keyed { core.heap.set(key, object) }
        }
    }

    /// Adds the object unless there is one with its key, which stays where it is.
    ///
    /// - Throws: ``KeyError``; ``InformerError/Code/heapClosed``.
    public func addIfNotPresent(_ object: Object) throws {
        let key = try self.key(for: object)
        try self.room.change { core in
            if core.isClosed { throw InformerError.heapClosed }
            if core.heap[key] == nil { core.heap.set(key, object) }
        }
    }

    /// Removes the object with the key of `object`.
    ///
    /// - Throws: ``KeyError``; ``InformerError/Code/objectNotFound``.
    public func delete(_ object: Object) throws {
        let key = try self.key(for: object)
        let removed = self.room.change { $0.heap.remove(key) }
        if removed == nil { throw InformerError(.objectNotFound, "there is no object of that key in the heap") }
    }

    // MARK: Taking

    /// Waits for an object and takes the least.
    ///
    /// - Throws: ``InformerError/Code/heapClosed`` when the heap is closed and empty; `CancellationError`.
    public func pop() async throws -> Object {
        try await self.room.take(orThrow: .heapClosed) { $0.heap.popMin()?.element }
    }

    /// The least object, which stays.
    public var min: Object? { self.room.read { $0.heap.min?.element } }

    /// Ends all waiting and refuses what comes. What is there can still be taken. Calling it again does nothing.
    public func close() { self.room.change { $0.isClosed = true } }

    /// Whether the heap has been closed.
    public var isClosed: Bool { self.room.read(\.isClosed) }

    // MARK: Looking

    /// How many objects there are.
    public var count: Int { self.room.read(\.heap.count) }

    /// All objects, in any order.
    public func list() -> [Object] { self.room.read(\.heap.elements) }

    /// All keys, in any order.
    public func listKeys() -> [String] { self.room.read(\.heap.keys) }

    /// The object with the key of `object`. Throws ``KeyError``.
    public func get(_ object: Object) throws -> Object? { self.get(key: try self.key(for: object)) }

    /// The object of that key.
    public func get(key: String) -> Object? { self.room.read { $0.heap[key] } }

    /// How many tasks wait in ``pop()``.
    var waiting: Int { self.room.takers }
}

internal import Synchronization

/// A store that hands out its whole content after each change: for consumers that want the set as it is, not what changed, as
/// `HTTPPool.set(peers:)` does.
///
/// There is one call of `push` for each successful write, never two at a time, and none shows an older state than the one before it. So the
/// last call always shows the truth. `push` is called by one of the tasks that write, without a lock held; if one is under way, a write
/// returns at once and that task makes the further call.
public final class UndeltaStore<Object: Sendable>: Store {
    private struct Pushes: Sendable {
        var due = 0
        var running = false
    }

    private let store: Indexer<Object>
    private let push: @Sendable ([Object]) -> Void
    private let pushes = Mutex(Pushes())

    /// An empty store.
    ///
    /// - Parameters:
    ///   - key: Makes an object's key.
    ///   - push: Is given all objects, in any order, after each change. It may write to the store.
    public init(key: @escaping KeyFunction<Object>, push: @escaping @Sendable ([Object]) -> Void) {
        self.store = Indexer(key: key)
        self.push = push
    }

    /// The name of an object. Throws ``KeyError``.
    public func key(for object: Object) throws -> String { try self.store.key(for: object) }

    public func add(_ object: Object) throws {
        try self.store.add(object)
        self.changed()
    }

    public func update(_ object: Object) throws {
        try self.store.update(object)
        self.changed()
    }

    public func delete(_ object: Object) throws {
        try self.store.delete(object)
        self.changed()
    }

    public func delete(key: String) {
        self.store.delete(key: key)
        self.changed()
    }

    public func replace(_ objects: [Object], resourceVersion: String) throws {
        try self.store.replace(objects, resourceVersion: resourceVersion)
        self.changed()
    }

    public func list() -> [Object] { self.store.list() }

    public func listKeys() -> [String] { self.store.listKeys() }

    public func get(_ object: Object) throws -> Object? { try self.store.get(object) }

    public func get(key: String) -> Object? { self.store.get(key: key) }

    private func changed() {
        let first = self.pushes.withLock { pushes in
            pushes.due += 1
            if pushes.running { return false }
            pushes.running = true
            return true
        }
        guard first else { return }
        // Only the number of calls is queued, not the lists: each call takes the state of its own moment, which is never older than the last.
        var more = true
        while more {
            self.push(self.store.list())
            more = self.pushes.withLock { pushes in
                pushes.due -= 1
                pushes.running = pushes.due > 0
                return pushes.running
            }
        }
    }
}

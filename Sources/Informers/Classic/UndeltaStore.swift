// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

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
    private let pushes = NIOLockedValueBox(Pushes())

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

    /// Stores the object. Throws ``KeyError`` and then changes nothing.
    public func add(_ object: Object) throws {
        try self.store.add(object)
        self.changed()
    }

    /// The same as `add(_:)`.
    public func update(_ object: Object) throws {
        try self.store.update(object)
        self.changed()
    }

    /// Removes the object that has the key of `object`; that there is none is no error. Throws ``KeyError``.
    public func delete(_ object: Object) throws {
        try self.store.delete(object)
        self.changed()
    }

    /// Removes the object of that key; that there is none is no error.
    public func delete(key: String) {
        self.store.delete(key: key)
        self.changed()
    }

    /// Keeps these objects and no others. Throws ``KeyError`` and then changes nothing.
    public func replace(_ objects: [Object], resourceVersion: String) throws {
        try self.store.replace(objects, resourceVersion: resourceVersion)
        self.changed()
    }

    /// All objects, in any order.
    public func list() -> [Object] { self.store.list() }

    /// All keys, in any order.
    public func listKeys() -> [String] { self.store.listKeys() }

    /// The stored object with the key of `object`, or `nil`. Throws ``KeyError``.
    public func get(_ object: Object) throws -> Object? { try self.store.get(object) }

    /// The object of that key, or `nil`.
    public func get(key: String) -> Object? { self.store.get(key: key) }

    private func changed() {
        let first = self.pushes.withLockedValue { pushes in
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
            more = self.pushes.withLockedValue { pushes in
                pushes.due -= 1
                pushes.running = pushes.due > 0
                return pushes.running
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// A store in memory that also finds objects by values of yours: each index is a function from an object to the values it is found under.
///
/// ```swift
/// let pods = Indexer<Pod>(key: { $0.name }, indexers: ["node": { [$0.node] }])
/// try pods.add(pod)
/// let there = try pods.objects(index: "node", value: "a")
/// ```
///
/// It may be used by any number of tasks at once; each write changes the object and all indices in one step. Writes cost O(number of the
/// object's index values), `replace` O(objects), reads O(result).
public final class Indexer<Object: Sendable>: Store {
    struct NamedIndex: Sendable {
        var name: String
        var function: IndexFunction<Object>
    }

    struct State: Sendable {
        var core: IndexedItems<Object>
        /// In the order of their positions in the core. Only ever grows, so that its count tells whether it has changed.
        var indexers: [NamedIndex]
        /// The positions of those that are filled and may be asked.
        var ready: [String: Int] = [:]
        var resourceVersion = ""
    }

    let state: NIOLockedValueBox<State>
    private let keyer: Keyer<Object>
    private let transformer: TransformFunction<Object>?

    /// An empty store.
    ///
    /// - Parameters:
    ///   - key: Makes an object's key.
    ///   - indexers: The indices by name.
    ///   - transform: What to make of each object before it is stored.
    public init(
        key: @escaping KeyFunction<Object>,
        indexers: [String: IndexFunction<Object>] = [:],
        transform: TransformFunction<Object>? = nil
    ) {
        self.keyer = Keyer(function: key)
        self.transformer = transform
        let named = indexers.map { NamedIndex(name: $0.key, function: $0.value) }
        var state = State(core: IndexedItems(indices: named.count), indexers: named)
        for (position, index) in named.enumerated() { state.ready[index.name] = position }
        self.state = NIOLockedValueBox(state)
    }

    /// The name of an object. Throws ``KeyError``.
    public func key(for object: Object) throws -> String { try self.keyer.key(for: object) }

    /// What is stored in place of `object`.
    public func transform(_ object: Object) throws -> Object { try self.transformer?(object) ?? object }

    /// How many objects there are.
    public var count: Int { self.state.withLockedValue { $0.core.items.count } }

    /// The version of the source's state up to which this store is known to be complete: of the last replace, transaction or bookmark.
    public var resourceVersion: String { self.state.withLockedValue { $0.resourceVersion } }

    /// The key is that of what is stored, so that a stored object finds itself.
    private func keyed(_ object: Object) throws -> (key: String, object: Object) {
        let object = try self.transform(object)
        return (try self.key(for: object), object)
    }

    // MARK: Writing

    /// Stores the object. Throws ``KeyError`` and then changes nothing.
    public func add(_ object: Object) throws {
        let (key, object) = try self.keyed(object)
        self.set(key, object)
    }

    /// The same as `add(_:)`.
    public func update(_ object: Object) throws { try self.add(object) }

    /// Removes the object that has the key of `object`, which is one as it is stored; that there is none is no error. Throws ``KeyError``.
    public func delete(_ object: Object) throws {
        self.delete(key: try self.key(for: object))
    }

    /// Removes the object of that key; that there is none is no error.
    public func delete(key: String) {
        _ = self.remove(key)
    }

    /// Keeps these objects and no others. Of several with one key the last is kept. Throws ``KeyError`` and then changes nothing.
    public func replace(_ objects: [Object], resourceVersion: String) throws {
        try self.replace(objects.map { try self.keyed($0) }, resourceVersion)
    }

    /// As `replace(_:resourceVersion:)`, with objects that ``transform(_:)`` has made already.
    public func replace(transformed objects: [Object], resourceVersion: String) async throws {
        try self.replace(objects.map { (try self.key(for: $0), $0) }, resourceVersion)
    }

    /// Keeps these objects and no others; returns those that were there.
    @discardableResult
    func replace(_ keyed: some Sequence<(key: String, object: Object)>, _ resourceVersion: String) -> [String: IndexedItems<Object>.Item] {
        // Built beside the old one, so that readers wait for an exchange only. The old one is let go of outside the lock.
        self.withIndexers { indexers in
            var fresh = IndexedItems<Object>(indices: indexers.count, minimumCapacity: keyed.underestimatedCount)
            for (key, object) in keyed { _ = fresh.set(key, object, values: indexers.map { $0.function(object) }) }
            return fresh
        } change: { (state, fresh) -> IndexedItems<Object> in
            var other = fresh
            swap(&state.core, &other)
            state.resourceVersion = resourceVersion
            return other
        }.items
    }

    /// Remembers that the store is complete up to this version.
    public func updateResourceVersion(_ resourceVersion: String) async {
        self.noteResourceVersion(resourceVersion)
    }

    /// Applies several changes in one step: no reader sees a part of them.
    ///
    /// - Parameters:
    ///   - changes: What to do, in order.
    ///   - resourceVersion: The version after the last of them, if known.
    /// - Throws: ``TransactionError`` if for some of them no key could be made; the others have been applied.
    public func apply(_ changes: [StoreChange<Object>], resourceVersion: String? = nil) throws(TransactionError) {
        var prepared: [OrderedChange<Object>] = []
        var error = TransactionError()
        for (index, change) in changes.enumerated() {
            do {
                switch change {
                case .add(let object), .update(let object):
                    let (key, object) = try self.keyed(object)
                    prepared.append(OrderedChange(.delta(.updated(object), key: key)))
                case .delete(let object):
                    prepared.append(OrderedChange(.delta(.deleted(.object(object)), key: try self.key(for: object))))
                }
                error.successfulIndices.append(index)
            } catch let cause {
                error.failures[index] = cause
            }
        }
        if let resourceVersion { prepared.append(OrderedChange(.bookmark, resourceVersion: resourceVersion)) }
        self.apply(prepared[...])
        if !error.failures.isEmpty { throw error }
    }

    // MARK: Reading

    /// All objects, in any order.
    public func list() -> [Object] { self.items.values.map(\.object) }

    /// All keys, in any order.
    public func listKeys() -> [String] { Array(self.items.keys) }

    /// The stored object with the key of `object`, or `nil`. Throws ``KeyError``.
    public func get(_ object: Object) throws -> Object? { self.get(key: try self.key(for: object)) }

    /// The object of that key, or `nil`.
    public func get(key: String) -> Object? { self.state.withLockedValue { $0.core.items[key]?.object } }

    // MARK: Within the library

    /// The objects as they are now: a copy that costs nothing until the store changes.
    var items: [String: IndexedItems<Object>.Item] { self.state.withLockedValue { $0.core.items } }

    /// Applies the deltas among these changes and their last version in one step; returns for each change the object that was there.
    @discardableResult
    func apply(_ changes: ArraySlice<OrderedChange<Object>>) -> [Object?] {
        let version = changes.last { $0.resourceVersion != nil }?.resourceVersion
        return self.withIndexers { indexers in
            changes.map { change -> [[String]]? in
                guard case .delta(let delta, _) = change.kind, !delta.isDeletion, let object = delta.object else { return nil }
                return indexers.map { $0.function(object) }
            }
        } change: { (state, values) -> [Object?] in
            if let version { state.resourceVersion = version }
            return zip(changes, values).map { change, values -> Object? in
                guard case .delta(let delta, let key) = change.kind else { return nil }
                guard let values, let object = delta.object else { return state.core.remove(key) }
                return state.core.set(key, object, values: values)
            }
        }
    }

    func noteResourceVersion(_ resourceVersion: String) {
        self.state.withLockedValue { $0.resourceVersion = resourceVersion }
    }

    /// Stores what needs no transforming any more; returns the object that was there.
    @discardableResult
    func set(_ key: String, _ object: Object) -> Object? {
        self.withIndexers { indexers in
            indexers.map { $0.function(object) }
        } change: { state, values in
            state.core.set(key, object, values: values)
        }
    }

    /// Removes and returns an object.
    @discardableResult
    func remove(_ key: String) -> Object? { self.state.withLockedValue { $0.core.remove(key) } }

    /// Lets `prepare` call the index functions without the lock held, and `change` use what came of it while the indices are still those.
    private func withIndexers<Prepared: Sendable, Result: Sendable>(
        _ prepare: ([NamedIndex]) -> Prepared,
        change: (inout State, Prepared) -> Result
    ) -> Result {
        var indexers = self.state.withLockedValue { $0.indexers }
        while true {
            let prepared = prepare(indexers)
            let (result, now) = self.state.withLockedValue { state -> (Result?, [NamedIndex]) in
                // Indices were added meanwhile, which is rare: the values for them are still to be made.
                guard state.indexers.count == indexers.count else { return (nil, state.indexers) }
                return (change(&state, prepared), [])
            }
            if let result { return result }
            indexers = now
        }
    }
}

/// One of several changes that a store makes in one step: ``Indexer/apply(_:resourceVersion:)``.
public enum StoreChange<Object: Sendable>: Sendable {
    /// Store it.
    case add(Object)
    /// Store it.
    case update(Object)
    /// Remove what has its key.
    case delete(Object)
}

extension StoreChange: Equatable where Object: Equatable {}

/// Some of the changes of a transaction could not be made.
public struct TransactionError: Error, CustomStringConvertible {
    /// The places in the transaction of the changes that have been made, in order.
    public var successfulIndices: [Int] = []
    /// The places of those that have not, and why.
    public var failures: [Int: any Error] = [:]

    /// No failure yet.
    public init() {}

    /// How many succeeded and how many failed.
    public var description: String { "\(self.failures.count) of \(self.failures.count + self.successfulIndices.count) changes failed" }
}

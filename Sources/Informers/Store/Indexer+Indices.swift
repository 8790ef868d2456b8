// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

extension Indexer {
    /// Adds indices, also while there are objects, which are then found by them when this returns.
    ///
    /// - Throws: ``InformerError/Code/indexerConflict`` if an index of one of the names exists; then none is added.
    /// - Complexity: O(objects); readers and writers wait only for the filing of values made beforehand.
    public func addIndexers(_ added: [String: IndexFunction<Object>]) throws(InformerError) {
        let new = added.map { NamedIndex(name: $0.key, function: $0.value) }
        if new.isEmpty { return }
        // From here on, who writes supplies the values for these indices as well: what is missing is what is there now, and can be made at leisure.
        let begun = self.state.withLockedValue { state -> (items: [String: IndexedItems<Object>.Item], indexers: [NamedIndex])? in
            guard !state.indexers.contains(where: { added[$0.name] != nil }) else { return nil }
            state.indexers += new
            state.core.addIndices(new.count)
            return (state.core.items, state.indexers)
        }
        guard let begun else { throw InformerError(.indexerConflict, "an index of one of these names exists; none was added") }
        let values = begun.items.map { key, item in
            (key: key, values: item.values + begun.indexers[item.values.count...].map { $0.function(item.object) })
        }
        self.state.withLockedValue { state in
            for (key, values) in values { state.core.fill(key, values: values) }
            for (position, index) in begun.indexers.enumerated() where added[index.name] != nil { state.ready[index.name] = position }
        }
    }

    /// The names of the indices, sorted.
    public var indexNames: [String] { self.state.withLockedValue { $0.ready }.keys.sorted() }

    /// The objects found under `value`; none if nothing has it.
    ///
    /// - Throws: ``InformerError/Code/indexMissing``.
    public func objects(index name: String, value: String) throws(InformerError) -> [Object] {
        try self.withIndex(name) { state, index in
            state.core.indices[index][value].map { keys in keys.compactMap { state.core.items[$0]?.object } } ?? []
        }
    }

    /// The keys of the objects found under `value`, sorted.
    ///
    /// - Throws: ``InformerError/Code/indexMissing``.
    public func keys(index name: String, value: String) throws(InformerError) -> [String] {
        try self.withIndex(name) { state, index in state.core.indices[index][value] ?? [] }.sorted()
    }

    /// The objects that share a value with `object`, which need not be stored itself. Each comes once.
    ///
    /// - Throws: ``InformerError/Code/indexMissing``.
    public func objects(index name: String, like object: Object) throws(InformerError) -> [Object] {
        let function = self.state.withLockedValue { state in state.indexers.first { $0.name == name }?.function }
        guard let function else { throw InformerError.indexMissing(name) }
        let values = function(object)
        return try self.withIndex(name) { state, index in
            var keys: Set<String> = []
            for value in values { keys.formUnion(state.core.indices[index][value] ?? []) }
            return keys.compactMap { state.core.items[$0]?.object }
        }
    }

    /// All values by which something is found, in any order.
    ///
    /// - Throws: ``InformerError/Code/indexMissing``.
    public func values(index name: String) throws(InformerError) -> [String] {
        try self.withIndex(name) { state, index in Array(state.core.indices[index].keys) }
    }

    private func withIndex<Result: Sendable>(_ name: String, _ body: (State, Int) -> Result) throws(InformerError) -> Result {
        let result = self.state.withLockedValue { state in state.ready[name].map { body(state, $0) } }
        guard let result else { throw InformerError.indexMissing(name) }
        return result
    }
}

/// Objects by key, and the keys by the values of each index: a value without locks.
///
/// An index is known by its position; each item carries the values under which it is filed, so that it is found again for removal whatever
/// the index function would say by then.
struct IndexedItems<Object: Sendable>: Sendable {
    struct Item: Sendable {
        var object: Object
        /// For each index the values of the object. Shorter than ``indices`` only while new indices are being filled.
        var values: [[String]]
    }

    private(set) var items: [String: Item] = [:]
    private(set) var indices: [[String: Set<String>]]

    init(indices: Int, minimumCapacity: Int = 0) {
        self.indices = Array(repeating: [:], count: indices)
        self.items.reserveCapacity(minimumCapacity)
    }

    /// Stores an object; returns the one before it.
    mutating func set(_ key: String, _ object: Object, values: [[String]]) -> Object? {
        let old = self.items.updateValue(Item(object: object, values: values), forKey: key)
        for index in self.indices.indices {
            let before = old.map { index < $0.values.count ? $0.values[index] : [] } ?? []
            let after = index < values.count ? values[index] : []
            // The usual change leaves the values alone.
            if before == after { continue }
            self.unfile(key, from: before, index)
            self.file(key, under: after, index)
        }
        return old?.object
    }

    /// Removes an object and returns it.
    mutating func remove(_ key: String) -> Object? {
        guard let old = self.items.removeValue(forKey: key) else { return nil }
        for (index, values) in old.values.enumerated() { self.unfile(key, from: values, index) }
        return old.object
    }

    /// Makes room for more indices, as yet empty.
    mutating func addIndices(_ count: Int) {
        self.indices += Array(repeating: [:], count: count)
    }

    /// Files an item under what it has no values for yet. An item that came after the indices has them already, and newer ones.
    mutating func fill(_ key: String, values: [[String]]) {
        guard let filled = self.items[key]?.values.count, filled < values.count else { return }
        for index in filled..<values.count { self.file(key, under: values[index], index) }
        self.items[key]?.values.append(contentsOf: values[filled...])
    }

    private mutating func file(_ key: String, under values: [String], _ index: Int) {
        for value in values { self.indices[index][value, default: []].insert(key) }
    }

    private mutating func unfile(_ key: String, from values: [String], _ index: Int) {
        for value in values {
            self.indices[index][value]?.remove(key)
            // Values that come and go must not leave their empty sets behind.
            if self.indices[index][value]?.isEmpty == true { self.indices[index][value] = nil }
        }
    }
}

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

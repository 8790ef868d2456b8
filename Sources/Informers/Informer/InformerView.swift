/// What an informer knows, for reading. It may be behind the source, and ahead of what handlers have been told.
public struct InformerView<Object: Sendable>: Sendable {
    private let indexer: Indexer<Object>

    init(_ indexer: Indexer<Object>) { self.indexer = indexer }

    /// How many objects there are.
    public var count: Int { self.indexer.count }
    /// All objects, in any order.
    public func list() -> [Object] { self.indexer.list() }
    /// All keys, in any order.
    public func listKeys() -> [String] { self.indexer.listKeys() }
    /// The object of that key.
    public func get(key: String) -> Object? { self.indexer.get(key: key) }
    /// The version of the source's state that this shows; empty before the first list.
    public var resourceVersion: String { self.indexer.resourceVersion }

    /// The names of the indices, sorted.
    public var indexNames: [String] { self.indexer.indexNames }
    /// The objects found under a value of an index. Throws ``InformerError/Code/indexMissing``.
    public func objects(index name: String, value: String) throws(InformerError) -> [Object] {
        try self.indexer.objects(index: name, value: value)
    }
    /// The keys of these objects, sorted. Throws ``InformerError/Code/indexMissing``.
    public func keys(index name: String, value: String) throws(InformerError) -> [String] {
        try self.indexer.keys(index: name, value: value)
    }
    /// All values of an index. Throws ``InformerError/Code/indexMissing``.
    public func values(index name: String) throws(InformerError) -> [String] { try self.indexer.values(index: name) }

    /// Reads by selectors and namespaces; see ``Lister``.
    public func lister(namespaceIndex: String = "namespace", namespace: @escaping @Sendable (Object) -> String) -> Lister<Object> {
        Lister(self.indexer, namespaceIndex: namespaceIndex, namespace: namespace)
    }
}

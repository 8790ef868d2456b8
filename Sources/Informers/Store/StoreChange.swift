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

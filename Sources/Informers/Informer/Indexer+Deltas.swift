extension Indexer {
    /// Makes the store do what the deltas say, oldest first, and tells each step after the store has made it.
    ///
    /// What is told goes by what the store had, not by the kind of the delta: an update of an unknown object is an addition.
    ///
    /// - Parameters:
    ///   - deltas: What a ``DeltaFIFO`` has handed out.
    ///   - isInInitialList: Whether it belongs to the first list.
    ///   - notify: Is told. Called without a lock of the store held.
    /// - Throws: ``KeyError``; the deltas after that one are left out.
    public func apply(
        _ deltas: [Delta<Object>],
        isInInitialList: Bool,
        notify: (InformerEvent<Object>) throws -> Void
    ) throws {
        for delta in deltas {
            switch delta {
            case .added(let object), .updated(let object), .replaced(let object), .sync(let object):
                if let old = self.set(try self.key(for: object), object) {
                    try notify(.updated(old: old, new: object, recreated: false))
                } else {
                    try notify(.added(object, isInInitialList: isInInitialList))
                }
            case .deleted(let deletion):
                self.remove(try deletion.key { try self.key(for: $0) })
                try notify(.deleted(deletion))
            }
        }
    }
}

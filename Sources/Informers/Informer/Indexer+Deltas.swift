extension Indexer {
    /// Makes the store do what the deltas say, oldest first, and tells each step after the store has made it.
    ///
    /// What is told goes by what the store had, not by the kind of the delta: an update of an unknown object is an addition.
    ///
    /// - Parameters:
    ///   - deltas: What a ``DeltaFIFO`` has handed out.
    ///   - isInInitialList: Whether it belongs to the first list.
    ///   - notify: Is told. Called without a lock of the store held.
    /// - Throws: What `notify` throws, at once. At the end a ``TransactionError`` if for some of the deltas no key could be made: the others have
    ///   been applied and told.
    public func apply(
        _ deltas: [Delta<Object>],
        isInInitialList: Bool,
        notify: (InformerEvent<Object>) throws -> Void
    ) throws {
        var error = TransactionError()
        for (index, delta) in deltas.enumerated() {
            let event: InformerEvent<Object>
            do { event = try self.apply(delta, isInInitialList) } catch let cause {
                error.failures[index] = cause
                continue
            }
            error.successfulIndices.append(index)
            try notify(event)
        }
        if !error.failures.isEmpty { throw error }
    }

    private func apply(_ delta: Delta<Object>, _ isInInitialList: Bool) throws -> InformerEvent<Object> {
        switch delta {
        case .added(let object), .updated(let object), .replaced(let object), .sync(let object):
            let old = self.set(try self.key(for: object), object)
            return old.map { .updated(old: $0, new: object, recreated: false) } ?? .added(object, isInInitialList: isInInitialList)
        case .deleted(let deletion):
            let old = self.remove(try deletion.key { try self.key(for: $0) })
            return .deleted(deletion.told(old))
        }
    }
}

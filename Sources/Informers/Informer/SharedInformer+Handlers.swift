extension SharedInformer {
    /// Adds a handler. It is told first what is there, as additions, then what happens.
    ///
    /// - Parameters:
    ///   - handler: What to call. One call at a time, within ``run()``.
    ///   - name: What it is called in logs; by default a number.
    ///   - delivery: What to do with a handler that is slower than the changes.
    ///   - resyncPeriod: How often it is told everything once more, as updates that change nothing; zero: never; `nil`: the informer's default.
    ///     At least a second, and once the informer runs not more often than it resyncs then.
    /// - Throws: ``InformerError/Code/informerStopped``.
    @inlinable
    @discardableResult
    public func addHandler(
        _ handler: some ResourceEventHandler<Object>,
        name: String? = nil,
        delivery: HandlerDelivery = .coalescing,
        resyncPeriod: Duration? = nil
    ) throws(InformerError) -> HandlerRegistration {
        try self.addHandler(name: name, delivery: delivery, resyncPeriod: resyncPeriod) { try await handler.handle($0) }
    }

    /// Adds a handler; see ``addHandler(_:name:delivery:resyncPeriod:)``.
    @inlinable
    @discardableResult
    public func addHandler(
        name: String? = nil,
        delivery: HandlerDelivery = .coalescing,
        resyncPeriod: Duration? = nil,
        _ handler: @escaping @Sendable (InformerEvent<Object>) async throws -> Void
    ) throws(InformerError) -> HandlerRegistration {
        try self.core.addHandler(name: name, delivery: delivery, resyncPeriod: resyncPeriod) {
            try await handler($0.typed(as: Object.self))
        }
    }

    /// Ends a handler; see ``HandlerRegistration/remove()``. One that belongs to another informer stays as it is.
    public func removeHandler(_ registration: HandlerRegistration) async throws(InformerError) {
        if registration.owner == ObjectIdentifier(self.core) { try await registration.remove() }
    }
}

/// Is told what happens to the objects of an informer, one thing after the other.
///
/// For each object it sees some of its states, in their order; there is no order across objects. The informer's store may be ahead of what is
/// being told. What a handler throws is counted and logged, and the next event follows.
public protocol ResourceEventHandler<Object>: Sendable {
    /// What the objects are.
    associatedtype Object: Sendable

    /// An object has come, or was there when the handler came.
    func onAdd(_ object: Object, isInInitialList: Bool) async throws

    /// An object has changed, or is told once more.
    func onUpdate(_ old: Object, _ new: Object) async throws

    /// An object has gone.
    func onDelete(_ deletion: Deletion<Object>) async throws

    /// These are all objects; whatever else the handler knows has gone. Only with ``HandlerDelivery/everyChange(limit:)``.
    func onReset(_ objects: [Object]) async throws
}

extension ResourceEventHandler {
    /// Does nothing.
    public func onAdd(_ object: Object, isInInitialList: Bool) async throws {}
    /// Does nothing.
    public func onUpdate(_ old: Object, _ new: Object) async throws {}
    /// Does nothing.
    public func onDelete(_ deletion: Deletion<Object>) async throws {}
    /// Does nothing.
    public func onReset(_ objects: [Object]) async throws {}

    /// Calls the function for the event.
    public func handle(_ event: InformerEvent<Object>) async throws {
        switch event {
        case .added(let object, let isInInitialList): try await self.onAdd(object, isInInitialList: isInInitialList)
        case .updated(let old, let new, _): try await self.onUpdate(old, new)
        case .deleted(let deletion): try await self.onDelete(deletion)
        case .reset(let objects): try await self.onReset(objects)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

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

/// What a handler of an informer is told.
public enum InformerEvent<Object: Sendable>: Sendable {
    /// An object has come, or was there when the handler came (`isInInitialList`).
    case added(Object, isInInitialList: Bool)
    /// An object has changed, or a resync tells it once more. `old` is what was told last, whatever came between.
    ///
    /// `recreated`: it was deleted and came back before the handler could be told.
    case updated(old: Object, new: Object, recreated: Bool)
    /// An object has gone. A tombstone says that nobody saw it go; its object may be an old one. What was told of it last is ``Deletion/told``.
    case deleted(Deletion<Object>)
    /// More changed than the handler's limit allows to remember: these are all objects, whatever else it knows has gone.
    ///
    /// Only with ``HandlerDelivery/everyChange(limit:)``.
    case reset([Object])
}

extension InformerEvent: Equatable where Object: Equatable {}

/// Shows a handler only some of the objects: one that comes into view is added for it, one that leaves is deleted.
///
/// What counts is what was told before and what is told now, so that whoever was shown an object is told when it goes, however it changed in
/// between. A deletion of which no state is known cannot be filtered, and is passed on.
public struct FilteringResourceEventHandler<Handler: ResourceEventHandler>: ResourceEventHandler {
    private let handler: Handler
    private let isShown: @Sendable (Handler.Object) -> Bool

    /// Shows `handler` the objects for which `isShown` is true. The answer for a state must always be the same.
    public init(_ handler: Handler, where isShown: @escaping @Sendable (Handler.Object) -> Bool) {
        self.handler = handler
        self.isShown = isShown
    }

    /// Passed on if shown.
    public func onAdd(_ object: Handler.Object, isInInitialList: Bool) async throws {
        if self.isShown(object) { try await self.handler.onAdd(object, isInInitialList: isInInitialList) }
    }

    /// Passed on as an update, an addition or a deletion, by which of the two states is shown.
    public func onUpdate(_ old: Handler.Object, _ new: Handler.Object) async throws {
        switch (self.isShown(old), self.isShown(new)) {
        case (true, true): try await self.handler.onUpdate(old, new)
        case (false, true): try await self.handler.onAdd(new, isInInitialList: false)
        case (true, false): try await self.handler.onDelete(.object(old).told(old))
        case (false, false): break
        }
    }

    /// Passed on if the state that was told last is shown; if it is not known which that was, the last that is known.
    public func onDelete(_ deletion: Deletion<Handler.Object>) async throws {
        if (deletion.told ?? deletion.object).map(self.isShown) ?? true { try await self.handler.onDelete(deletion) }
    }

    /// Passed on with those that are shown.
    public func onReset(_ objects: [Handler.Object]) async throws {
        try await self.handler.onReset(objects.filter(self.isShown))
    }
}

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

/// A handler that was added to an informer. The same handler added twice has two registrations, and is told everything twice.
public final class HandlerRegistration: Sendable {
    /// Which informer's.
    let owner: ObjectIdentifier
    let id: Int
    private let synced: @Sendable () -> Bool
    private let waitSynced: @Sendable () async throws -> Void
    private let look: @Sendable () -> HandlerStatistics
    private let leave: @Sendable () async -> Void

    init(
        owner: ObjectIdentifier,
        id: Int,
        synced: @escaping @Sendable () -> Bool,
        waitSynced: @escaping @Sendable () async throws -> Void,
        statistics: @escaping @Sendable () -> HandlerStatistics,
        remove: @escaping @Sendable () async -> Void
    ) {
        self.owner = owner
        self.id = id
        self.synced = synced
        self.waitSynced = waitSynced
        self.look = statistics
        self.leave = remove
    }

    /// Whether the informer has its first list, and the handler has handled all objects that were there when it came, well or not.
    public var hasSynced: Bool { self.synced() }

    /// Returns when ``hasSynced`` is true.
    ///
    /// - Throws: ``InformerError/Code/informerStopped`` if that will never be, because the informer has stopped or the handler was removed;
    ///   `CancellationError`.
    public func waitUntilSynced() async throws { try await self.waitSynced() }

    /// What the handler has done, and has yet to do.
    public var statistics: HandlerStatistics { self.look() }

    /// Ends the handler: when this returns, no callback runs and none will. What waits is dropped. Calling it again does nothing.
    ///
    /// It waits for a callback that is running, even if the calling task is cancelled; but from within that callback it returns at once. Two
    /// handlers that each wait for the removal of the other wait forever.
    public func remove() async { await self.leave() }
}

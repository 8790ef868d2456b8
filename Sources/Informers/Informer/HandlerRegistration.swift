// SPDX-License-Identifier: Apache-2.0

/// A handler that was added to an informer. The same handler added twice has two registrations, and is told everything twice.
public final class HandlerRegistration: Sendable {
    /// Which informer's.
    let owner: ObjectIdentifier
    let id: Int
    /// What the handler is called in logs.
    public let name: String
    private let synced: @Sendable () -> Bool
    private let waitSynced: @Sendable () async throws -> Void
    private let look: @Sendable () -> HandlerStatistics
    private let leave: @Sendable () async throws(InformerError) -> Void

    init(
        owner: ObjectIdentifier,
        id: Int,
        name: String,
        synced: @escaping @Sendable () -> Bool,
        waitSynced: @escaping @Sendable () async throws -> Void,
        statistics: @escaping @Sendable () -> HandlerStatistics,
        remove: @escaping @Sendable () async throws(InformerError) -> Void
    ) {
        self.owner = owner
        self.id = id
        self.name = name
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
    /// It waits for a callback that is running, even if the calling task is cancelled. From within that callback, and from the tasks that it
    /// has started and that know it by task-local values, it returns at once: then that callback is the last.
    ///
    /// - Throws: ``InformerError/Code/handlerRuns`` if the callback still runs after ``SharedInformerConfiguration/removalLimit``, for instance
    ///   because it waits for the very task that calls this: no further callback comes, but this one is not over. A task that is cancelled waits on.
    public func remove() async throws(InformerError) { try await self.leave() }
}

/// What a handler of an informer has done, and has yet to do.
public struct HandlerStatistics: Sendable, Hashable {
    /// How many events wait for it.
    public var pending: Int
    /// How many events it has handled.
    public var handled: Int
    /// How many events it has thrown at.
    public var failed: Int
    /// How often too much waited, so that it was given all objects instead: ``InformerEvent/reset(_:)``.
    public var resets: Int
}

/// How much a handler that is slower than the changes is told.
public struct HandlerDelivery: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case coalescing
        case everyChange(limit: Int)
    }

    let kind: Kind

    /// Several changes of one object that wait are told as one. Memory: one entry a key. The default.
    ///
    /// An object that comes and goes before the handler looks is not told at all; one that is deleted and comes back is updated.
    public static let coalescing = HandlerDelivery(kind: .coalescing)

    /// Each change is told, as long as no more than `limit` (at least 1) of them wait. Otherwise all that wait are dropped, and the handler is given all
    /// objects there are as ``InformerEvent/reset(_:)``: it loses changes, but never without a word.
    ///
    /// A resync of more objects than the limit comes as a reset, too.
    public static func everyChange(limit: Int) -> HandlerDelivery { HandlerDelivery(kind: .everyChange(limit: max(1, limit))) }
}

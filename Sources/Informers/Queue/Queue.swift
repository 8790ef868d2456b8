// SPDX-License-Identifier: Apache-2.0

/// Where a reflector puts what it sees, and a consumer takes it.
///
/// There should be one consumer: with several, two states of one object can be in work at the same time.
public protocol Queue<Object>: ReflectorStore {
    /// What the consumer takes.
    associatedtype Item: Sendable

    /// Waits for an item, takes it out of the queue and processes it.
    ///
    /// - Parameter process: Is given the item, and whether it is part of the first list. It runs under the queue's lock, so that nothing
    ///   overtakes the item: it must be short and must not use the queue. If it throws ``Requeue``, the item goes back.
    /// - Returns: The item.
    /// - Throws: What `process` throws (the item is gone then), or the cause of a ``Requeue``; ``InformerError/Code/queueClosed`` when the
    ///   queue is closed and empty; `CancellationError`.
    @discardableResult
    func pop(_ process: (_ item: Item, _ isInInitialList: Bool) throws -> Void) async throws -> Item

    /// Whether everything of the first list has been processed. Once true, always true.
    var hasSynced: Bool { get }

    /// Returns when ``hasSynced`` is true; throws `CancellationError` when the task is cancelled before that.
    func waitUntilSynced() async throws

    /// Ends all waiting. What is queued can still be taken. Calling it again does nothing.
    func close()

    /// Whether the queue has been closed.
    var isClosed: Bool { get }
}

/// Thrown by a consumer who wants to have the item once more, unless something newer about the same object has come by then.
public struct Requeue: Error {
    /// What `pop` is to throw; `nil`: nothing.
    public var cause: (any Error)?

    /// Puts the item back.
    public init(cause: (any Error)? = nil) {
        self.cause = cause
    }
}

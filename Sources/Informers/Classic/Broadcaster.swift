internal import DequeModule
internal import NIOConcurrencyHelpers

/// Tells many watchers the same events, each in the order in which they were sent.
///
/// Every watcher has a queue of its own, of a fixed length. What happens when one is full is the broadcaster's policy. There is no task behind it:
/// whoever sends, reads or stops moves on what can be moved.
public final class Broadcaster<Object: Sendable>: Sendable {
    /// What to do with an event for which a watcher has no room.
    public enum FullQueue: Sendable {
        /// Wait: nobody gets further events until that watcher has read some.
        case wait
        /// That watcher never hears of it.
        case drop
    }

    private let state: NIOLockedValueBox<BroadcastState<Object>>

    /// A broadcaster.
    ///
    /// - Parameters:
    ///   - queueLength: How many events may wait for each watcher, 1 or more.
    ///   - incoming: How many events may wait to be distributed before senders wait, 1 or more.
    ///   - whenFull: What to do with an event for which a watcher has no room.
    public init(queueLength: Int, incoming: Int = 25, whenFull: FullQueue) {
        self.state = NIOLockedValueBox(
            BroadcastState(queueLength: max(1, queueLength), incoming: max(1, incoming), drops: whenFull == .drop)
        )
    }

    /// How many watchers there are.
    public var watchers: Int { self.state.withLockedValue { $0.watchers.count } }

    /// How many times an event was dropped because a watcher had no room for it.
    public var dropped: Int { self.state.withLockedValue { $0.dropped } }

    /// A stream of what is sent from now on; it ends when the broadcaster is shut down.
    ///
    /// - Parameter prefix: Events that this watcher alone is told first, however many.
    /// - Throws: ``WatchError`` `.stopped` after ``shutDown()``.
    public func watch(prefix: [WatchEvent<Object>] = []) throws(WatchError) -> WatchStream<Object> {
        let (id, wakeup, effects) = try self.state.withLockedValue { state in
            Result { () throws(WatchError) in try state.register(prefix: prefix) }
        }.get()
        effects.perform()
        return WatchStream(BroadcastWatchSource(broadcaster: self, id: id, wakeup: wakeup))
    }

    /// Sends an event; returns when it is on its way, which is before the watchers have it.
    ///
    /// - Throws: ``WatchError`` `.stopped` after ``shutDown()``; `CancellationError` when cancelled while it waited, and then nothing was sent.
    public func send(_ event: WatchEvent<Object>) async throws {
        let id = self.state.withLockedValue { $0.nextSender() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                // Cancelled before it is in the line: the handler has found nobody there.
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                    return
                }
                self.state.withLockedValue { $0.send(event, sender: id, continuation) }.perform()
                if Task.isCancelled { self.cancel(id) }
            }
        } onCancel: {
            self.cancel(id)
        }
    }

    /// Accepts nothing more. What has been sent is still delivered, then the streams end. Idempotent.
    public func shutDown() {
        self.state.withLockedValue { $0.shutDown() }.perform()
    }

    fileprivate func take(_ id: Int) -> BroadcastState<Object>.Taken {
        let (taken, effects) = self.state.withLockedValue { $0.take(id) }
        effects.perform()
        return taken
    }

    fileprivate func remove(_ id: Int) {
        self.state.withLockedValue { $0.remove(id) }.perform()
    }

    private func cancel(_ sender: Int) {
        self.state.withLockedValue { $0.cancel(sender: sender) }?.resume(throwing: CancellationError())
    }
}

/// One watcher of a broadcaster.
private struct BroadcastWatchSource<Object: Sendable>: WatchSource {
    let broadcaster: Broadcaster<Object>
    let id: Int
    let wakeup: Wakeup

    func next() async throws -> WatchEvent<Object>? {
        while true {
            switch self.broadcaster.take(self.id) {
            case .event(let event): return event
            case .end: return nil
            case .nothing:
                if Task.isCancelled { return nil }
                await self.wakeup.wait()
            }
        }
    }

    func close() {
        // A stop while an event waits for this watcher's room must let the others have it.
        self.broadcaster.remove(self.id)
        self.wakeup.signal()
    }
}

internal import DequeModule
internal import NIOConcurrencyHelpers

/// Remembers the events that passed through a stream, the last ones of them.
public final class WatchRecorder<Object: Sendable>: Sendable {
    private let recorded = NIOLockedValueBox(Deque<WatchEvent<Object>>())
    private let limit: Int

    /// A recorder.
    ///
    /// - Parameter limit: How many events to remember; the oldest are forgotten first.
    public init(limit: Int = 1024) { self.limit = max(1, limit) }

    /// What is remembered, the oldest first.
    public var events: [WatchEvent<Object>] { self.recorded.withLockedValue { Array($0) } }

    /// Remembers an event.
    public func record(_ event: WatchEvent<Object>) {
        self.recorded.withLockedValue { recorded in
            if recorded.count == self.limit { recorded.removeFirst() }
            recorded.append(event)
        }
    }
}

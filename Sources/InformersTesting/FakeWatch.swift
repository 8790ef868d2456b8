// SPDX-License-Identifier: Apache-2.0

public import Informers
internal import NIOConcurrencyHelpers

/// A watch that a test feeds: client-go's `FakeWatcher` and `RaceFreeFakeWatcher`.
public final class FakeWatch<Object: Sendable>: WatchSource {
    private struct State {
        var pending: [WatchEvent<Object>] = []
        var taken = 0
        var sent = 0
        var isEnded = false
        var failure: (any Error)?
        var closes = 0
        var isClosed = false
    }

    /// The buffer is full.
    public struct Full: Error {}

    private let capacity: Int
    private let state = NIOLockedValueBox(State())
    private let filled = Wakeup()
    private let emptied = Wakeup()

    /// A watch.
    ///
    /// - Parameter capacity: How many events ``offer(_:)`` accepts before one is read.
    public init(capacity: Int = 100) { self.capacity = capacity }

    /// A stream of what is sent here.
    public var stream: WatchStream<Object> { WatchStream(self) }
    /// How many times the source was closed.
    public var closes: Int { self.state.withLockedValue { $0.closes } }
    /// Whether it is closed.
    public var isClosed: Bool { self.state.withLockedValue { $0.isClosed } }
    /// How many events have not been read.
    public var pending: Int { self.state.withLockedValue { $0.pending.count } }

    /// Sends an event and waits until it has been read; what is sent to a closed watch is gone at once. For one task at a time.
    public func send(_ event: WatchEvent<Object>) async {
        let number = self.state.withLockedValue { state -> Int in
            guard !state.isClosed else { return state.taken }
            state.pending.append(event)
            state.sent += 1
            return state.sent
        }
        self.filled.signal()
        while self.state.withLockedValue({ $0.taken < number && !$0.isClosed }), !Task.isCancelled { await self.emptied.wait() }
    }

    /// Sends an event without waiting; what is sent to a closed watch is gone at once. Throws ``Full`` when too many have not been read.
    public func offer(_ event: WatchEvent<Object>) throws {
        let isFull = self.state.withLockedValue { state in
            if state.isClosed { return false }
            if state.pending.count >= self.capacity { return true }
            state.pending.append(event)
            state.sent += 1
            return false
        }
        if isFull { throw Full() }
        self.filled.signal()
    }

    /// Ends the stream, as a source does, once everything sent has been read; with an error if there is one.
    public func end(_ error: (any Error)? = nil) {
        self.state.withLockedValue { state in
            state.isEnded = true
            state.failure = error
        }
        self.filled.signal()
    }

    /// Makes a closed or ended watch as good as new.
    public func reset() {
        self.state.withLockedValue { state in
            let closes = state.closes
            state = State()
            state.closes = closes
        }
    }

    /// The next event.
    public func next() async throws -> WatchEvent<Object>? {
        while true {
            let (event, isOver, failure) = self.state.withLockedValue { state -> (WatchEvent<Object>?, Bool, (any Error)?) in
                if state.isClosed { return (nil, true, nil) }
                if !state.pending.isEmpty {
                    state.taken += 1
                    return (state.pending.removeFirst(), false, nil)
                }
                return (nil, state.isEnded, state.failure)
            }
            if let event {
                self.emptied.signal()
                return event
            }
            if let failure { throw failure }
            if isOver || Task.isCancelled { return nil }
            await self.filled.wait()
        }
    }

    /// Ends it for both sides.
    public func close() {
        self.state.withLockedValue { state in
            state.closes += 1
            state.isClosed = true
            state.pending = []
        }
        self.filled.signal()
        self.emptied.signal()
    }
}

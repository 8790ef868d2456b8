// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import NIOConcurrencyHelpers
public import Synchronization

/// The events of one watch, for one consumer: client-go's `StreamWatcher`.
///
/// The stream is pulled: nothing is read ahead and nothing is buffered here, so a slow consumer holds back the source and nobody else. It ends
/// silently when the source ends or a connection breaks, with one ``WatchEvent/Change/error(_:)`` when the source sends nonsense.
///
/// Whoever opened a stream stops it. ``stop()`` may come from any task, more than once, and without a single event having been read; the source
/// is closed exactly once, by ``stop()``, by the end, or by dropping the stream.
public final class WatchStream<Object: Sendable>: AsyncSequence, Sendable {
    /// What the stream is made of.
    public typealias Element = WatchEvent<Object>
    /// Errors are events.
    public typealias Failure = Never

    /// Reads the stream. All iterators of a stream take from the same events.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let stream: WatchStream

        fileprivate init(_ stream: WatchStream) { self.stream = stream }

        /// The next event; `nil` at the end.
        public mutating func next() async -> WatchEvent<Object>? { await self.stream.next() }

        /// The next event; `nil` at the end.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> WatchEvent<Object>? { await self.stream.next() }
    }

    @usableFromInline let source: any WatchSource<Object>
    @usableFromInline let report: @Sendable (any Error) -> Status?
    @usableFromInline let isOver = Atomic(false)

    /// A stream of what `source` tells.
    ///
    /// - Parameters:
    ///   - source: Where the events come from. The stream closes it.
    ///   - report: What to tell the consumer about an error of the source; `nil`: nothing, the stream just ends. By default the consumer is told
    ///     of everything but broken connections and cancellation.
    public init(
        _ source: some WatchSource<Object>,
        report: @escaping @Sendable (any Error) -> Status? = { WatchStream.report($0) }
    ) {
        self.source = source
        self.report = report
    }

    deinit { self.stop() }

    /// Whether the stream has been stopped or has come to its end.
    @inlinable public var isStopped: Bool { self.isOver.load(ordering: .acquiring) }

    /// Ends the stream: nothing comes any more, and the source is closed. Idempotent.
    public func stop() {
        if !self.isOver.exchange(true, ordering: .acquiringAndReleasing) { self.source.close() }
    }

    /// Reads the stream.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }

    /// The next event; `nil` at the end, after ``stop()`` and when the task is cancelled. For one task at a time.
    @inlinable
    public func next() async -> WatchEvent<Object>? {
        if self.isStopped { return nil }
        do {
            guard let event = try await self.source.next() else {
                self.stop()
                return nil
            }
            // Stopped while the source was on its way: whoever stopped expects nothing more.
            return self.isStopped ? nil : event
        } catch {
            guard !self.isStopped else { return nil }
            self.stop()
            return self.report(error).map { .error($0) }
        }
    }

    /// What a consumer is told about an error by default: nothing about a broken connection, which looks like an end and is treated like one.
    public static func report(_ error: any Error) -> Status? {
        if error is CancellationError { return nil }
        if let error = error as? WatchError, error.code == .unexpectedEnd || error.code == .timedOut || error.code == .connectionRefused {
            return nil
        }
        return Status(error)
    }
}

/// What a ``WatchStream`` reads from: a decoder over a connection, a log in memory, a test.
public protocol WatchSource<Object>: Sendable {
    /// What the events are about.
    associatedtype Object: Sendable

    /// The next event; `nil` when there are no more. Called by one task at a time, and never again after it has thrown or returned `nil`.
    ///
    /// Returns soon when ``close()`` is called, or the task cancelled, while it waits; with what does not matter.
    func next() async throws -> WatchEvent<Object>?

    /// Lets go of everything. Called exactly once by a ``WatchStream``, perhaps while ``next()`` waits.
    func close()
}

extension WatchStream {
    /// The stream of nothing: it ends at once.
    public static var empty: WatchStream { WatchStream(EmptyWatchSource()) }

    /// The events of this stream that `include` lets through, perhaps changed. Stopping the new stream stops this one.
    ///
    /// A filter sees one event at a time: when a change takes an object out of its view, it can drop the `modified` event but does not know that
    /// the consumer should be told `deleted`. Filter by what never changes, or at the source.
    public func filtered(_ include: @escaping @Sendable (WatchEvent<Object>) -> WatchEvent<Object>?) -> WatchStream {
        WatchStream(FilteredWatchSource(stream: self, include: include))
    }

    /// The same events; `recorder` gets each as it passes. Stopping the new stream stops this one.
    public func recorded(by recorder: WatchRecorder<Object>) -> WatchStream {
        self.filtered { event in
            recorder.record(event)
            return event
        }
    }
}

private struct EmptyWatchSource<Object: Sendable>: WatchSource {
    func next() async throws -> WatchEvent<Object>? { nil }
    func close() {}
}

private struct FilteredWatchSource<Object: Sendable>: WatchSource {
    let stream: WatchStream<Object>
    let include: @Sendable (WatchEvent<Object>) -> WatchEvent<Object>?

    func next() async throws -> WatchEvent<Object>? {
        while let event = await self.stream.next() {
            if let event = self.include(event) { return event }
        }
        return nil
    }

    func close() { self.stream.stop() }
}

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

extension WatchStream {
    /// Reads the stream until an event meets the last of the conditions, and returns that event. The stream is stopped then, however it ends.
    ///
    /// - Parameters:
    ///   - limit: For how long to read at most; `nil`: as long as it takes.
    ///   - clock: The clock of the limit.
    ///   - conditions: What to wait for, one thing after the other. Each event is shown to one of them.
    /// - Throws: A ``Status`` that the source gives up with; ``WatchError/Code/unexpectedEnd`` if the stream ends before; ``WatchError/Code/timedOut``;
    ///   what a condition throws; `CancellationError`.
    public func until(
        within limit: Duration? = nil,
        clock: InformerClock = .continuous,
        _ conditions: (WatchEvent<Object>) throws -> Bool...
    ) async throws -> WatchEvent<Object> {
        defer { self.stop() }
        var left = conditions[...]
        return try await self.limited(limit, clock) { event in
            if try left.first?(event) ?? true { left = left.dropFirst() }
            return left.isEmpty
        }
    }

    private func limited(
        _ limit: Duration?,
        _ clock: InformerClock,
        _ condition: (WatchEvent<Object>) throws -> Bool
    ) async throws -> WatchEvent<Object> {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let isLate = limit.map { limit in
                let end = clock.now + limit
                group.addTask {
                    try? await clock.sleep(for: limit)
                    self.stop()
                }
                return { clock.now >= end }
            }
            defer { group.cancelAll() }
            while let event = await self.next() {
                if case .error(let status) = event.change { throw status }
                if try condition(event) { return event }
            }
            try Task.checkCancellation()
            throw WatchError(isLate?() ?? false ? .timedOut : .unexpectedEnd, "the watch ended before what it was to wait for")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

extension WorkQueue {
    /// Works on keys until the queue has been shut down and nothing waits any more. May be called several times: then there are so many more workers.
    ///
    /// Work that throws is tried again when the queue's rate limiter says, and not before a ``Status`` that was thrown says (429, 503); work that
    /// returns has its failures forgotten. To look at a key again after a while without a failure, call ``add(_:after:priority:)`` and return.
    ///
    /// - Parameters:
    ///   - workers: How many keys are worked on at once, at least 1. Never one key twice.
    ///   - work: Makes things as they should be, as far as the key goes.
    /// - Throws: `CancellationError`, when what runs has ended. What was broken off by it is queued again, for another ``run(workers:_:)``.
    public func run(workers: Int = 1, _ work: @escaping @Sendable (Key) async throws -> Void) async throws {
        await withDiscardingTaskGroup { group in
            for _ in 0..<Swift.max(1, workers) { group.addTask { await self.work(work) } }
        }
        try Task.checkCancellation()
    }

    private func work(_ body: @Sendable (Key) async throws -> Void) async {
        var finished: (key: Key, outcome: Core.Outcome)?
        while let key = await self.next(after: finished) {
            do {
                try await body(key)
                finished = (key, .succeeded)
            } catch {
                finished = (key, self.outcome(of: error))
            }
        }
    }

    private func outcome(of error: any Error) -> Core.Outcome {
        if Task.isCancelled { return .abandoned }
        self.complain(error)
        return .failed(waitAtLeast: (error as? Status)?.retryAfter ?? .zero)
    }
}

/// A worker: each loop over a queue takes its keys one by one, beside all others.
///
/// ```swift
/// for await key in queue { await look(at: key) }
/// ```
///
/// The work on a key ends when the loop asks for the next one, or is left. Nothing is known of how it went: whoever fails calls
/// ``addRateLimited(_:priority:)`` before, and otherwise ``forget(_:)``. The loop ends when the queue is shut down and empty, and when the task is cancelled.
extension WorkQueue: AsyncSequence {
    /// What there is to work on.
    public typealias Element = Key
    /// It does not fail.
    public typealias Failure = Never

    /// A worker.
    public struct AsyncIterator: AsyncIteratorProtocol {
        /// The key that is being worked on. When the loop is left, nobody does any more.
        private final class Hold {
            let queue: WorkQueue
            var key: Key?

            init(_ queue: WorkQueue) { self.queue = queue }

            deinit {
                if let key = self.key { self.queue.finish(key, .done) }
            }
        }

        private let hold: Hold

        fileprivate init(_ queue: WorkQueue) { self.hold = Hold(queue) }

        /// Ends the work on the last key, and waits for the next; `nil`: there will be none.
        @_specialize(where Key == String)
        public mutating func next() async -> Key? {
            let finished = self.hold.key.take()
            self.hold.key = await self.hold.queue.next(after: finished.map { ($0, .done) })
            return self.hold.key
        }

        /// Ends the work on the last key, and waits for the next; `nil`: there will be none.
        @_specialize(where Key == String)
        public mutating func next(isolation actor: isolated (any Actor)?) async -> Key? { await self.next() }
    }

    /// A worker.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}

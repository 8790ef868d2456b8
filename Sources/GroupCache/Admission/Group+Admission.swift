// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

// What keeps too much from running, or waiting, at once.
extension Group {
    /// A load may call the getter, until ``end()``.
    struct Turn {
        var place: LoadPlace
        /// Whether it had to wait.
        var hasWaited: Bool
        fileprivate var batch: BatchTurns?

        func end() {
            self.place.end()
            self.batch?.end()
        }
    }

    /// Waits until a load may call the getter.
    ///
    /// - Throws: `overloaded` when too many wait already; `cancelled`; `deadlineExceeded`.
    func turn(of load: Load) async throws(GroupCacheError) -> Turn {
        let hasWaited = !self.limit.tryEnter(for: load.batch)
        if hasWaited {
            switch await self.limit.enter(for: load.batch) {
            case .run: break
            case .refused: throw self.overloaded("too many loads of the group run and wait")
            case .cancelled:
                load.batch?.end()
                throw .cancelled
            }
        }
        let turn = Turn(place: LoadPlace(self.limit), hasWaited: hasWaited, batch: load.batch)
        var hasBegun = false
        defer { if !hasBegun { turn.end() } }
        // The turn and the cancellation may have come at the same moment, or the time may be over just now.
        if hasWaited, Task.isCancelled { throw .cancelled }
        let longest = load.began + self.loadTime
        if self.configuration.clock.milliseconds >= longest { throw .deadlineExceeded }
        hasBegun = true
        return turn
    }

    /// A caller is about to wait for a load, and, if it is a getter, lends its place meanwhile. If this does not throw, ``endWaiting(_:)`` follows.
    ///
    /// - Throws: `overloaded` when too many wait already.
    func beginWaiting(_ trail: Trail?) throws(GroupCacheError) {
        let waiting = self.counters.waiting.wrappingAdd(1, ordering: .relaxed).newValue
        if waiting > self.configuration.maximumWaiters {
            self.counters.waiting.wrappingSubtract(1, ordering: .relaxed)
            throw self.overloaded("too many callers wait for loads of the group")
        }
        trail?.place?.lend()
    }

    func endWaiting(_ trail: Trail?) {
        trail?.place?.takeBack()
        self.counters.waiting.wrappingSubtract(1, ordering: .relaxed)
    }

    private func overloaded(_ message: String) -> GroupCacheError {
        self.counters.overloads.increment()
        self.metrics.countOverload()
        return GroupCacheError(.overloaded, message, retryAfter: .seconds(1))
    }
}

/// The loads that one request for many keys has set off, and that take turns as one waiter: as long as one of them runs or waits, the others are
/// not refused, however many there are. They are as many at a time as may run.
final class BatchTurns: Sendable {
    private let open = Atomic<Int>(0)

    /// Whether one of the request's loads runs or waits.
    var isOpen: Bool { self.open.load(ordering: .relaxed) > 0 }

    /// A load has its turn, or waits for it.
    func begin() { self.open.wrappingAdd(1, ordering: .relaxed) }

    /// It has had its turn, or waits no longer.
    func end() { self.open.wrappingSubtract(1, ordering: .relaxed) }
}

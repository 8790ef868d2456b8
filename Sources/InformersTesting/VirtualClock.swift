// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// A `Clock` that stands still until it is advanced, and whose sleepers wake by nothing else.
public final class VirtualClock: Clock {
    /// A moment, by its distance from the clock's start.
    public struct Instant: InstantProtocol {
        /// The distance from the start.
        public var offset: Duration

        /// The moment at a distance from the start.
        public init(offset: Duration) { self.offset = offset }
        /// A later moment.
        public func advanced(by duration: Duration) -> Instant { Instant(offset: self.offset + duration) }
        /// How long it is from here to there.
        public func duration(to other: Instant) -> Duration { other.offset - self.offset }
        /// Which is earlier.
        public static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct Sleeper {
        var id: Int
        var until: Instant
        var wake: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var now = Instant(offset: .zero)
        var nextID = 0
        var sleepers: [Sleeper] = []
    }

    private let state = NIOLockedValueBox(State())

    /// A clock at its start.
    public init() {}

    /// The time.
    public var now: Instant { self.state.withLockedValue { $0.now } }
    /// Every moment can be told from every other.
    public var minimumResolution: Duration { .nanoseconds(1) }
    /// How many tasks sleep.
    public var sleepers: Int { self.state.withLockedValue { $0.sleepers.count } }
    /// When the first of the sleepers is to wake; `nil`: nobody sleeps.
    public var nextWake: Instant? { self.state.withLockedValue { $0.sleepers.map(\.until).min() } }

    /// Moves the time on and wakes whoever slept until then, the earliest first.
    public func advance(by duration: Duration) {
        self.advance(to: self.now.advanced(by: duration))
    }

    /// Moves the time on to a moment, never back.
    public func advance(to moment: Instant) {
        let woken = self.state.withLockedValue { state in
            state.now = max(state.now, moment)
            let now = state.now
            let woken = state.sleepers.filter { $0.until <= now }
            state.sleepers.removeAll { $0.until <= now }
            return woken.sorted { ($0.until, $0.id) < ($1.until, $1.id) }
        }
        for sleeper in woken { sleeper.wake.resume(returning: true) }
    }

    /// Waits until the clock has been advanced to `deadline`; throws `CancellationError` when the task is cancelled.
    public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        let id = self.state.withLockedValue { state in
            state.nextID += 1
            return state.nextID
        }
        let slept = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
                let isDue = self.state.withLockedValue { state in
                    if deadline <= state.now { return true }
                    state.sleepers.append(Sleeper(id: id, until: deadline, wake: continuation))
                    return false
                }
                if isDue { continuation.resume(returning: true) }
                // Cancelled before we were in the list: the handler has found nobody.
                if Task.isCancelled { self.cancel(id) }
            }
        } onCancel: {
            self.cancel(id)
        }
        if !slept { throw CancellationError() }
        try Task.checkCancellation()
    }

    private func cancel(_ id: Int) {
        let sleeper = self.state.withLockedValue { state -> Sleeper? in
            guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else { return nil }
            return state.sleepers.remove(at: index)
        }
        sleeper?.wake.resume(returning: false)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import GroupCache
internal import NIOConcurrencyHelpers

/// A clock that stands still until it is advanced, for tests of anything with a TTL or a deadline.
///
/// ```swift
/// let clock = ManualClock()
/// var configuration = GroupConfiguration()
/// configuration.clock = CacheClock(clock)
/// ```
public final class ManualClock: TimeSource {
    private struct Sleeper {
        var id: Int
        var until: Int64
        var wake: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var now: Int64 = 1_000_000
        var nextID = 0
        var sleepers: [Sleeper] = []
        var watchers: [(count: Int, wake: CheckedContinuation<Void, Never>)] = []
    }

    private let state = NIOLockedValueBox(State())

    /// A clock at some moment.
    public init() {}

    /// The time, in milliseconds.
    public var milliseconds: Int64 { self.state.withLockedValue { $0.now } }

    /// How many tasks sleep.
    public var sleepers: Int { self.state.withLockedValue { $0.sleepers.count } }

    /// Moves the time on and wakes whoever slept until then.
    public func advance(by duration: Duration) {
        let woken = self.state.withLockedValue { state in
            let (seconds, attoseconds) = duration.components
            state.now += seconds * 1000 + attoseconds / 1_000_000_000_000_000
            let woken = state.sleepers.filter { $0.until <= state.now }
            state.sleepers.removeAll { $0.until <= state.now }
            return woken
        }
        for sleeper in woken { sleeper.wake.resume(returning: true) }
    }

    /// Waits until at least `count` tasks sleep on this clock.
    public func waitForSleepers(_ count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let there = self.state.withLockedValue { state in
                if state.sleepers.count >= count { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if there { continuation.resume() }
        }
    }

    /// Waits until the clock has been advanced by `duration`; throws `CancellationError` when the task is cancelled.
    public func sleep(for duration: Duration) async throws {
        let (seconds, attoseconds) = duration.components
        try await self.sleep(until: self.milliseconds + seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }

    /// Waits until the clock shows `moment`; throws `CancellationError` when the task is cancelled.
    public func sleep(until moment: Int64) async throws {
        let id = self.state.withLockedValue { state in
            state.nextID += 1
            return state.nextID
        }
        let slept = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
                let watchers: [(count: Int, wake: CheckedContinuation<Void, Never>)]? = self.state.withLockedValue { state in
                    if state.now >= moment { return nil }
                    state.sleepers.append(Sleeper(id: id, until: moment, wake: continuation))
                    let count = state.sleepers.count
                    let watchers = state.watchers.filter { $0.count <= count }
                    state.watchers.removeAll { $0.count <= count }
                    return watchers
                }
                guard let watchers else { return continuation.resume(returning: true) }
                for watcher in watchers { watcher.wake.resume() }
                // Cancelled before we were in the list: the handler has found nobody.
                if Task.isCancelled { self.cancel(id) }
            }
        } onCancel: {
            self.cancel(id)
        }
        if !slept { throw CancellationError() }
    }

    private func cancel(_ id: Int) {
        let sleeper = self.state.withLockedValue { state -> Sleeper? in
            guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else { return nil }
            return state.sleepers.remove(at: index)
        }
        sleeper?.wake.resume(returning: false)
    }
}

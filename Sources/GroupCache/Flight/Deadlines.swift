// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// The moments at which loads, or the patience of single callers, end: all of a group's with one sleeping task.
///
/// Almost every deadline is cancelled long before it comes. A task that sleeps for each would be simpler, but a cancelled `Task.sleep` leaves its
/// timer behind until it would have fired: a million quick loads held a hundred megabytes for thirty seconds.
final class Deadlines: Sendable {
    /// Names a deadline.
    final class Token: Sendable {
        fileprivate let due: Int64
        fileprivate let action: NIOLockedValueBox<(@Sendable () -> Void)?>

        fileprivate init(due: Int64, action: @escaping @Sendable () -> Void) {
            self.due = due
            self.action = NIOLockedValueBox(action)
        }

        /// Takes the action, which is run by whoever gets it.
        fileprivate func take() -> (@Sendable () -> Void)? {
            self.action.withLockedValue { action in
                defer { action = nil }
                return action
            }
        }
    }

    private struct State {
        var heap = DeadlineHeap<Token>()
        var cancelled = 0
        /// When the sleeping task wakes; `nil`: none sleeps.
        var wakes: Int64?
        var sleeper: Task<Void, Never>?
        /// Which task is the sleeping one; others have been replaced by it.
        var generation = 0
    }

    private let state = NIOLockedValueBox(State())
    private let clock: CacheClock

    init(clock: CacheClock) { self.clock = clock }

    /// How many deadlines are kept, cancelled ones included.
    var count: Int { self.state.withLockedValue { $0.heap.count } }

    /// Runs `action` after `duration`, unless it is cancelled before.
    func add(after duration: Duration, _ action: @escaping @Sendable () -> Void) -> Token {
        self.add(at: self.clock.milliseconds + duration.milliseconds, action)
    }

    /// Runs `action` at a moment, unless it is cancelled before. For whoever has reckoned with the time of a moment ago: what is left of a time is less by now.
    func add(at moment: Int64, _ action: @escaping @Sendable () -> Void) -> Token {
        let token = Token(due: moment, action: action)
        let generation: Int? = self.state.withLockedValue { state in
            state.heap.insert(token, due: token.due)
            if let wakes = state.wakes, wakes <= token.due { return nil }
            state.wakes = token.due
            state.generation += 1
            return state.generation
        }
        guard let generation else { return token }
        // It is nobody's, and inherits nobody's task-local values.
        let sleeper = Task.detached { await self.run(generation) }
        let replaced = self.state.withLockedValue { state in
            // Another one with an earlier deadline may have come between the two locks: then ours is the one that is not needed.
            guard state.generation == generation else { return sleeper as Task<Void, Never>? }
            defer { state.sleeper = sleeper }
            return state.sleeper
        }
        replaced?.cancel()
        return token
    }

    /// Forgets a deadline.
    func cancel(_ token: Token) {
        // Nil: its time has come already.
        guard token.take() != nil else { return }
        self.state.withLockedValue { state in
            state.cancelled += 1
            if state.cancelled > 64, state.cancelled > state.heap.count / 2 {
                state.heap.removeAll { $0.action.withLockedValue { $0 == nil } }
                state.cancelled = 0
            }
        }
    }

    private func run(_ generation: Int) async {
        while let next = self.next(generation) {
            if next > self.clock.milliseconds, (try? await self.clock.sleep(until: next)) == nil { return }
            for token in self.due(generation) { token.take()?() }
        }
    }

    /// Until when to sleep; `nil`: there is nothing to wait for, or another task does it.
    private func next(_ generation: Int) -> Int64? {
        self.state.withLockedValue { state in
            guard state.generation == generation else { return nil }
            guard let due = state.heap.first else {
                state.wakes = nil
                state.sleeper = nil
                return nil
            }
            state.wakes = due
            return due
        }
    }

    private func due(_ generation: Int) -> [Token] {
        let now = self.clock.milliseconds
        return self.state.withLockedValue { state in
            guard state.generation == generation else { return [] }
            var due: [Token] = []
            while let first = state.heap.first, first <= now, let token = state.heap.removeFirst() { due.append(token) }
            state.cancelled = min(state.cancelled, state.heap.count)
            return due
        }
    }
}

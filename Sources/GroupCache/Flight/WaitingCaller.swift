internal import NIOConcurrencyHelpers

/// A task that waits for a load. The result may come before the task has begun to wait.
///
/// The continuation carries nothing, and the result waits here: handing an ``Answer`` through the generic code of a continuation copies it four
/// times. It is an unchecked one, because the lock below sees to it that it is resumed once and never lost, and the check costs an allocation.
final class WaitingCaller: FlightWaiter {
    private struct State {
        var outcome: Flights.Outcome?
        var waiting: UnsafeContinuation<Void, Never>?
    }

    /// The standard library's `Mutex` would lie in the object itself and save an allocation, but ThreadSanitizer does not see its slow path, and
    /// takes each meeting of two threads there for a race.
    private let state = NIOLockedValueBox(State())

    func finish(_ outcome: Flights.Outcome) {
        let waiting = self.state.withLockedValue { state in
            state.outcome = outcome
            return state.waiting.take()
        }
        waiting?.resume()
    }

    /// The result, if it has come. Once.
    func takeOutcome() -> Flights.Outcome? { self.state.withLockedValue { $0.outcome.take() } }

    /// Suspends until ``finish(_:)``. Called once.
    func wait() async -> Flights.Outcome {
        await withUnsafeContinuation { continuation in
            let isFinished = self.state.withLockedValue { state in
                if state.outcome == nil { state.waiting = continuation }
                return state.outcome != nil
            }
            if isFinished { continuation.resume() }
        }
        return self.state.withLockedValue { $0.outcome.take() } ?? .failure(.cancelled)
    }
}

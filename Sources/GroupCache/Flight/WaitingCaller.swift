internal import Synchronization

/// A task that waits for a load. The result may come before the task has begun to wait.
final class WaitingCaller: FlightWaiter {
    private enum State {
        case new
        case waiting(CheckedContinuation<Flights.Outcome, Never>)
        case finished(Flights.Outcome)
    }

    /// In the object itself, which saves an allocation for each load. Two threads meet here at most once, so no convoy can form.
    private let state = Mutex(State.new)

    func finish(_ outcome: Flights.Outcome) {
        let continuation: CheckedContinuation<Flights.Outcome, Never>? = self.state.withLock { state in
            defer { state = .finished(outcome) }
            if case .waiting(let continuation) = state { return continuation }
            return nil
        }
        continuation?.resume(returning: outcome)
    }

    /// Suspends until ``finish(_:)``. Called once.
    var outcome: Flights.Outcome {
        get async {
            await withCheckedContinuation { continuation in
                let early: Flights.Outcome? = self.state.withLock { state in
                    if case .finished(let outcome) = state { return outcome }
                    state = .waiting(continuation)
                    return nil
                }
                if let early { continuation.resume(returning: early) }
            }
        }
    }
}

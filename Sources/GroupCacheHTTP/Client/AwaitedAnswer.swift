// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Synchronization

/// A task that waits for one answer of a peer. The answer may come before the task has begun to wait.
final class AwaitedAnswer: PeerCaller {
    private enum State {
        case new
        case waiting(CheckedContinuation<PeerCall.Outcome, Never>)
        case finished(PeerCall.Outcome)
    }

    private let state = Mutex(State.new)

    func peerAnswered(_ tag: Int, _ result: PeerCall.Outcome) {
        let continuation: CheckedContinuation<PeerCall.Outcome, Never>? = self.state.withLock { state in
            switch state {
            case .new:
                state = .finished(result)
                return nil
            case .waiting(let continuation):
                state = .finished(result)
                return continuation
            case .finished:
                return nil
            }
        }
        continuation?.resume(returning: result)
    }

    /// Suspends until the answer is there. Called once.
    var outcome: PeerCall.Outcome {
        get async {
            await withCheckedContinuation { continuation in
                let early: PeerCall.Outcome? = self.state.withLock { state in
                    if case .finished(let outcome) = state { return outcome }
                    state = .waiting(continuation)
                    return nil
                }
                if let early { continuation.resume(returning: early) }
            }
        }
    }
}

/// Several requests that are cancelled together.
final class PeerTickets: PeerTicket {
    private let tickets: [any PeerTicket]

    init(_ tickets: [any PeerTicket]) { self.tickets = tickets }

    func cancel() { for ticket in self.tickets { ticket.cancel() } }
}

internal import GroupCache
internal import NIOCore
internal import Synchronization

/// One request to a peer, from the caller's task to the event loop and back. Whoever finishes it first does; later results are dropped.
final class PeerCall: Sendable {
    enum Kind: Sendable {
        case peer(Dialect.Operation, PeerRequest)
        /// GET of any path, for its body.
        case path(String)
    }

    typealias Outcome = Result<PeerEntry, GroupCacheError>

    private enum State {
        case new
        case waiting(CheckedContinuation<Outcome, Never>)
        case finished(Outcome)
    }

    let kind: Kind
    let deadline: NIODeadline
    private let state = Mutex(State.new)

    init(_ kind: Kind, deadline: NIODeadline) {
        self.kind = kind
        self.deadline = deadline
    }

    /// Only a GET may be sent twice.
    var isIdempotent: Bool {
        switch self.kind {
        case .peer(.get, _), .path: true
        default: false
        }
    }

    var isFinished: Bool {
        self.state.withLock { if case .finished = $0 { true } else { false } }
    }

    /// Suspends until ``finish(_:)``. Called once.
    ///
    /// - Parameter start: called with the call ready to be finished.
    func wait(_ start: () -> Void) async -> Outcome {
        await withCheckedContinuation { continuation in
            let early: Outcome? = self.state.withLock { state in
                // The caller may have been cancelled before it got here.
                if case .finished(let outcome) = state { return outcome }
                state = .waiting(continuation)
                return nil
            }
            if let early { continuation.resume(returning: early) } else { start() }
        }
    }

    func finish(_ outcome: Outcome) {
        let continuation: CheckedContinuation<Outcome, Never>? = self.state.withLock { state in
            switch state {
            case .new:
                state = .finished(outcome)
                return nil
            case .waiting(let continuation):
                state = .finished(outcome)
                return continuation
            case .finished:
                return nil
            }
        }
        continuation?.resume(returning: outcome)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// Collects what one peer holds of many keys.
final class PeekAnswers: PeerCaller {
    typealias Answer = Result<PeerEntry, GroupCacheError>

    private struct State {
        var answers: [Answer?]
        var open: Int
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state: NIOLockedValueBox<State>

    init(count: Int) {
        self.state = NIOLockedValueBox(State(answers: Array(repeating: nil, count: count), open: count))
    }

    func peerAnswered(_ tag: Int, _ result: Answer) {
        let waiting = self.state.withLockedValue { state -> CheckedContinuation<Void, Never>? in
            // After the caller has left nothing is open, and must not become less.
            guard state.open > 0, state.answers.indices.contains(tag), state.answers[tag] == nil else { return nil }
            state.answers[tag] = result
            state.open -= 1
            guard state.open == 0 else { return nil }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    /// Nobody waits any more.
    func leave() {
        let waiting = self.state.withLockedValue { state in
            state.open = 0
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    /// Suspends until every key has its answer, or ``leave()``. Called once.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = self.state.withLockedValue { state in
                if state.open > 0 { state.waiting = continuation }
                return state.open == 0
            }
            if isOver { continuation.resume() }
        }
    }

    /// What `peer` says of each key. When the task is cancelled, what it has said by then.
    static func all(from peer: any PeerGetter, _ keys: [Key], _ request: PeerBatch) async -> [Answer] {
        let answers = PeekAnswers(count: keys.count)
        let ticket = peer.start(keys, of: request, for: answers)
        await withTaskCancellationHandler {
            await answers.wait()
        } onCancel: {
            ticket?.cancel()
            answers.leave()
        }
        return answers.state.withLockedValue { $0.answers.map { $0 ?? .failure(.cancelled) } }
    }
}

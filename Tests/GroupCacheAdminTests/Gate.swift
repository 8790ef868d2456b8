// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers

/// Lets callers wait until a test opens it, or they are cancelled.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [Int: CheckedContinuation<Void, any Error>] = [:]
        var next = 0
    }

    private let state = NIOLockedValueBox(State())

    func go() {
        let waiting = self.state.withLockedValue { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume() }
    }

    func wait() async throws {
        let id = self.state.withLockedValue { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                // A cancellation that came before found nobody waiting: who waits sees it here, under the same lock.
                let result: Result<Void, any Error>? = self.state.withLockedValue { state in
                    if state.isOpen { return .success(()) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    state.waiting[id] = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            self.state.withLockedValue { $0.waiting.removeValue(forKey: id) }?.resume(throwing: CancellationError())
        }
    }
}

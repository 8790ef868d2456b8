// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// Lets one task wait until another says that there is something to look at.
///
/// A signal that comes while nobody waits is kept, so that it cannot fall between the look and the wait; several are kept as one.
package final class Wakeup: Sendable {
    private enum State {
        case quiet
        case signalled
        case waiting(CheckedContinuation<Void, Never>)
    }

    private let state = NIOLockedValueBox(State.quiet)

    /// Nobody waits, and nothing was said.
    package init() {}

    /// Wakes who waits, or who will.
    package func signal() {
        let waiter: CheckedContinuation<Void, Never>? = self.state.withLockedValue { state in
            if case .waiting(let waiter) = state {
                state = .quiet
                return waiter
            }
            state = .signalled
            return nil
        }
        waiter?.resume()
    }

    /// Waits for a signal; returns at once when there was one since the last wait, or when the task is cancelled. For one task at a time.
    package func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let isReady = self.state.withLockedValue { state in
                    // Cancelled before we were here: the handler has signalled, or is about to.
                    if case .quiet = state, !Task.isCancelled {
                        state = .waiting(continuation)
                        return false
                    }
                    state = .quiet
                    return true
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            self.signal()
        }
    }
}

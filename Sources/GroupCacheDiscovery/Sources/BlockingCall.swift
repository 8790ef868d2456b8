// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import NIOPosix

/// A call of the system that blocks its thread, off the event loops and the threads of Swift's tasks.
enum BlockingCall {
    private enum State<Value: Sendable>: Sendable {
        case idle
        case waiting(CheckedContinuation<Value?, Never>)
        case over
    }

    /// What `body` returns. Nobody can break off what the system does: a task that is cancelled goes on without the answer.
    ///
    /// - Throws: `CancellationError`.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async throws(CancellationError) -> Value {
        let state = NIOLockedValueBox(State<Value>.idle)
        /// The first of the answer and the cancellation counts; the other finds nobody.
        let end: @Sendable (Value?) -> Void = { value in
            let waiter: CheckedContinuation<Value?, Never>? = state.withLockedValue { state in
                defer { state = .over }
                if case .waiting(let waiter) = state { return waiter }
                return nil
            }
            waiter?.resume(returning: value)
        }
        let value = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Value?, Never>) in
                let isOver = state.withLockedValue { state in
                    if case .over = state { return true }
                    state = .waiting(continuation)
                    return false
                }
                if isOver { return continuation.resume(returning: nil) }
                NIOThreadPool.singleton.submit { work in
                    if case .active = work { end(body()) } else { end(nil) }
                }
            }
        } onCancel: {
            end(nil)
        }
        guard let value else { throw CancellationError() }
        return value
    }
}

// SPDX-License-Identifier: Apache-2.0

package import GroupCache
internal import NIOConcurrencyHelpers

/// A value that comes once, and tasks that wait for it.
package final class OneShot<Value: Sendable>: Sendable {
    private typealias Outcome = Result<Value, GroupCacheError>
    private typealias Waiter = CheckedContinuation<Outcome, Never>

    private struct State {
        var outcome: Outcome?
        var waiters: [Int: Waiter] = [:]
        var nextID = 0
        /// Cancelled before they began to wait.
        var cancelled: Set<Int> = []
    }

    private let state = NIOLockedValueBox(State())

    package init() {}

    /// The value. A cancelled task waits no longer.
    package var value: Value {
        get async throws(GroupCacheError) {
            let id = self.state.withLockedValue { state in
                state.nextID += 1
                return state.nextID
            }
            let outcome: Outcome = await withTaskCancellationHandler {
                await withCheckedContinuation { waiter in
                    let outcome: Outcome? = self.state.withLockedValue { state in
                        if let outcome = state.outcome { return outcome }
                        if state.cancelled.remove(id) != nil { return .failure(.cancelled) }
                        state.waiters[id] = waiter
                        return nil
                    }
                    if let outcome { waiter.resume(returning: outcome) }
                }
            } onCancel: {
                let waiter: Waiter? = self.state.withLockedValue { state in
                    if let waiter = state.waiters.removeValue(forKey: id) { return waiter }
                    state.cancelled.insert(id)
                    return nil
                }
                waiter?.resume(returning: .failure(.cancelled))
            }
            return try outcome.get()
        }
    }

    /// Sets the value, unless it is set.
    package func finish(_ outcome: Result<Value, GroupCacheError>) {
        let waiters: [Waiter] = self.state.withLockedValue { state in
            guard state.outcome == nil else { return [] }
            state.outcome = outcome
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: outcome) }
    }
}

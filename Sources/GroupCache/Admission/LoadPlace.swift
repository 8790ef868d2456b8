// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// The place that a running load takes in its ``LoadLimit``, and lends to others while its getter waits for a get.
///
/// Without lending, as many loads as the limit allows could each wait for another one that is still in the queue behind them.
final class LoadPlace: Sendable {
    private struct State {
        /// Gets that the getter waits for now; more than one if it has child tasks.
        var waits = 0
        var hasEnded = false
    }

    private let limit: LoadLimit
    private let state = NIOLockedValueBox(State())

    init(_ limit: LoadLimit) { self.limit = limit }

    /// The getter has returned.
    var hasEnded: Bool { self.state.withLockedValue { $0.hasEnded } }

    /// The getter begins to wait.
    func lend() {
        let lends = self.state.withLockedValue { state in
            state.waits += 1
            return state.waits == 1 && !state.hasEnded
        }
        if lends { self.limit.exit() }
    }

    /// The getter goes on.
    func takeBack() {
        let takes = self.state.withLockedValue { state in
            state.waits -= 1
            return state.waits == 0 && !state.hasEnded
        }
        if takes { self.limit.reenter() }
    }

    /// The getter has returned. It may have left tasks behind that still wait; they have no place to lend.
    func end() {
        let exits = self.state.withLockedValue { state in
            state.hasEnded = true
            return state.waits == 0
        }
        if exits { self.limit.exit() }
    }
}

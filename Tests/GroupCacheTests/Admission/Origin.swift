// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import NIOConcurrencyHelpers

/// An origin that a test can get stuck and let go again, and that counts.
final class Origin: Sendable {
    private struct State {
        var gate: Gate?
        var running = 0
        var most = 0
        var keys: [String] = []
        var timeouts: [Duration] = []
    }

    private let state: NIOLockedValueBox<State>
    /// Whether loads go on after they were cancelled.
    let isStubborn: Bool

    init(isStuck: Bool = true, isStubborn: Bool = false) {
        self.isStubborn = isStubborn
        self.state = NIOLockedValueBox(State(gate: isStuck ? Gate() : nil))
    }

    /// Loads that run, and the most that ever ran at once.
    var running: Int { self.state.withLockedValue { $0.running } }
    var most: Int { self.state.withLockedValue { $0.most } }
    /// Keys in the order in which they were asked for.
    var keys: [String] { self.state.withLockedValue { $0.keys } }
    /// What the getter was told of its time, in the same order.
    var timeouts: [Duration] { self.state.withLockedValue { $0.timeouts } }

    func recover() {
        self.state.withLockedValue { state in
            defer { state.gate = nil }
            return state.gate
        }?.open()
    }

    func load(_ key: Key, _ context: LoadContext<String>) async throws -> String {
        let gate = self.state.withLockedValue { state in
            state.running += 1
            state.most = max(state.most, state.running)
            state.keys.append(key.string)
            state.timeouts.append(context.timeout)
            return state.gate
        }
        defer { self.state.withLockedValue { $0.running -= 1 } }
        if let gate {
            // A task of its own does not hear of the cancellation.
            if self.isStubborn { await Task { try? await gate.pass() }.value } else { try await gate.pass() }
        }
        return "value of " + key.string
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers

/// Looks at a version when told to, and remembers what it saw.
final class VersionLog: Sendable {
    private struct State {
        var read: (@Sendable () -> String)?
        var seen: [String] = []
    }

    private let state = NIOLockedValueBox(State())

    var seen: [String] { self.state.withLockedValue { $0.seen } }

    func watch(_ read: @escaping @Sendable () -> String) { self.state.withLockedValue { $0.read = read } }

    func look() {
        let read = self.state.withLockedValue { $0.read }
        let version = read?() ?? "?"
        self.state.withLockedValue { $0.seen.append(version) }
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers

/// Something that happens once.
final class Flag: Sendable {
    private let raised = NIOLockedValueBox(false)
    func raise() { self.raised.withLockedValue { $0 = true } }
    var isRaised: Bool { self.raised.withLockedValue { $0 } }
}

/// Counts calls.
final class Counter: Sendable {
    private let count = NIOLockedValueBox(0)
    @discardableResult
    func increment() -> Int {
        self.count.withLockedValue {
            $0 += 1
            return $0
        }
    }
    var value: Int { self.count.withLockedValue { $0 } }
}

/// What a getter of a test throws.
struct GetterFailure: Error, Equatable {
    var number = 0
}

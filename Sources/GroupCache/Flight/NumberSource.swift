// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Counts up: names for flights and waiters, versions for entries. Unique in this process.
final class NumberSource: Sendable {
    static let shared = NumberSource()

    private let last = Atomic<UInt64>(0)

    func next() -> UInt64 {
        self.last.wrappingAdd(1, ordering: .relaxed).newValue
    }
}

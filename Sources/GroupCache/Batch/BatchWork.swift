// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Says when the last of some flights has been abandoned: then their common load is cancelled.
final class BatchCountdown: Sendable {
    private let left: Atomic<Int>

    init(_ count: Int) { self.left = Atomic(count) }

    /// `true` for the last one.
    func countDown() -> Bool {
        self.left.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0
    }
}

/// Work that some tasks share out among themselves.
final class IndexQueue: Sendable {
    private let count: Int
    private let taken = Atomic<Int>(0)

    init(count: Int) { self.count = count }

    func next() -> Int? {
        let index = self.taken.wrappingAdd(1, ordering: .relaxed).oldValue
        return index < self.count ? index : nil
    }
}

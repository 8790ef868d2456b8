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

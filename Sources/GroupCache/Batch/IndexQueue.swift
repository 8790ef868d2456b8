internal import Synchronization

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

internal import Synchronization

/// Keys that some tasks share out among themselves.
final class BatchQueue: Sendable {
    private let keys: [HashedKey]
    private let taken = Atomic<Int>(0)

    init(_ keys: [HashedKey]) { self.keys = keys }

    func next() -> HashedKey? {
        let index = self.taken.wrappingAdd(1, ordering: .relaxed).oldValue
        return index < self.keys.count ? self.keys[index] : nil
    }
}

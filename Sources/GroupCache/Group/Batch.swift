internal import NIOConcurrencyHelpers
internal import Synchronization

/// A key with the hash that it was given once.
struct HashedKey: Sendable {
    var key: Key
    var hash: UInt64
}

/// One flight of those that share a call of the getter.
struct BatchFlight: Sendable {
    var id: FlightID
    var key: HashedKey
}

/// Says when the last of some flights has been abandoned: then their common load is cancelled.
final class BatchCountdown: Sendable {
    private let left: Atomic<Int>

    init(_ count: Int) { self.left = Atomic(count) }

    /// `true` for the last one.
    func countDown() -> Bool {
        self.left.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0
    }
}

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

/// What a ``Group/get(keys:)`` has so far.
final class BatchResults<Value: Sendable>: Sendable {
    private let results = NIOLockedValueBox<[Key: Result<Value, GroupCacheError>]>([:])

    func add(_ key: Key, _ result: Result<Value, GroupCacheError>) {
        self.results.withLockedValue { $0[key] = result }
    }

    var all: [Key: Result<Value, GroupCacheError>] { self.results.withLockedValue { $0 } }
}

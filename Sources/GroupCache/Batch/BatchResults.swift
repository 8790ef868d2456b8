internal import NIOConcurrencyHelpers

/// What a ``Group/get(keys:)`` has so far.
final class BatchResults<Value: Sendable>: Sendable {
    private let results = NIOLockedValueBox<[Key: Result<Value, GroupCacheError>]>([:])

    func add(_ key: Key, _ result: Result<Value, GroupCacheError>) {
        self.results.withLockedValue { $0[key] = result }
    }

    var all: [Key: Result<Value, GroupCacheError>] { self.results.withLockedValue { $0 } }
}

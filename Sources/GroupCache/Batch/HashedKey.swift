/// A key with the hash that it was given once.
struct HashedKey: Sendable {
    var key: Key
    var hash: UInt64
}

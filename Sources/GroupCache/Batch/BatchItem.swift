/// One of many keys, and where to ask for it.
struct BatchItem: Sendable {
    /// Its place among them.
    var index: Int
    var key: HashedKey
    var route: PeerRoute
}

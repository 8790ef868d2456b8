/// The keys that were set or removed here while this node takes keys over: what a former owner has of them is old.
///
/// A value, without locks. It holds hashes: two keys of one hash cost a load too much, and never a wrong value.
struct ChangedKeys: Sendable {
    /// How many are remembered: 1 MiB. With more changes than that nothing is taken over any more.
    static let limit = 65_536

    /// Which time of taking over this is about; see ``PeerPicker/warming``.
    private var warming = 0
    private var hashes: Set<UInt64> = []
    private var isFull = false

    mutating func insert(_ hash: UInt64, warming: Int) {
        self.begin(warming)
        if self.isFull { return }
        self.hashes.insert(hash)
        if self.hashes.count > Self.limit { self.insertAll(warming: warming) }
    }

    /// Every key has changed.
    mutating func insertAll(warming: Int) {
        self.begin(warming)
        self.isFull = true
        self.hashes = []
    }

    func contains(_ hash: UInt64, warming: Int) -> Bool {
        self.warming == warming && (self.isFull || self.hashes.contains(hash))
    }

    private mutating func begin(_ warming: Int) {
        if self.warming == warming { return }
        self = ChangedKeys()
        self.warming = warming
    }
}

// SPDX-License-Identifier: Apache-2.0

/// A group that can say why: what a node holds of a key, what became of what it held, and where its memory is.
package protocol ExplainedGroup: PeerServing {
    /// All that is known here of `key`. Asks nobody and counts nothing. O(1).
    func explain(_ key: Key) -> KeyReport
    /// What each part of the store holds.
    var shards: [StoreStatistics] { get }
}

/// What a node knows of a key.
package struct KeyReport: Sendable {
    /// What it holds; `nil`: nothing.
    package var entry: HeldEntry?
    /// Whether that may be served: a copy has to be one whose owner's changes are heard.
    package var isServable: Bool
    /// What a get of now would be for: `nil`: it is a hit.
    package var miss: MissReason?
    /// Why what was held before left, and how many seconds ago; `nil`: nothing is known of that.
    package var departure: (reason: MissReason, seconds: Int)?
    /// The part of the store that the key belongs to.
    package var shard: Int
}

extension GroupServer: ExplainedGroup {
    func explain(_ key: Key) -> KeyReport {
        let hashed = self.group.hashed(key)
        // Not counted, so nobody's numbers change because somebody looks.
        let isServable = self.group.peek(hashed).isHit
        let store = self.group.store
        return KeyReport(
            entry: self.group.entry(key),
            isServable: isServable,
            miss: isServable ? nil : self.group.withBytes(of: key) { store.missReason(hashed.hash, $0) },
            departure: store.departure(hashed.hash),
            shard: self.group.shard(hashed)
        )
    }

    var shards: [StoreStatistics] { self.group.store.shardStatistics }
}

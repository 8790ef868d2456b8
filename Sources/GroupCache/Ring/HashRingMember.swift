// SPDX-License-Identifier: Apache-2.0

extension HashRing {
    /// A node on the ring.
    public struct Member: Sendable {
        /// What the ring hashes, compared byte for byte; every node must know this member by the same id.
        ///
        /// `native`: whatever all nodes agree on, usually the base URL. `groupcache`, `mailgun`: the base URL without a trailing slash.
        /// `groupcacheGo`: `host:port`.
        public let id: String
        /// How much of the ring the member gets compared with the others, in ``HashRing/weights``. Go's rings know only 1.
        public let weight: Int

        /// A member with an id and a weight. The ring that it joins checks both.
        public init(_ id: String, weight: Int = 1) {
            self.id = id
            self.weight = weight
        }
    }
}

// By bytes: `String` takes canonically equivalent texts for equal, the ring's hash does not.
extension HashRing.Member: Hashable {
    /// Whether both have the same weight and the same bytes as id.
    public static func == (a: Self, b: Self) -> Bool {
        a.weight == b.weight && a.id.utf8.elementsEqual(b.id.utf8)
    }

    /// Feeds id and weight to `hasher`.
    public func hash(into hasher: inout Hasher) {
        for byte in self.id.utf8 { hasher.combine(byte) }
        hasher.combine(self.weight)
    }
}

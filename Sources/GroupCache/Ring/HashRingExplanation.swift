extension HashRing {
    /// Why a key has the owner that it has.
    public struct Explanation: Sendable, Hashable {
        /// The hash of the key: 32 bits in the dialect `groupcache`, 64 in the others.
        public let hash: UInt64
        /// The point that the key falls to: the first that is not below ``hash``, or the first of all.
        public let point: UInt64
        /// The index of the member that owns the key.
        public let owner: Int
        /// The index of the member that serves the key if the owner does not answer; `nil` if there is only one.
        public let next: Int?
    }
}

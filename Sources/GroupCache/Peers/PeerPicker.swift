/// Knows which node owns which key. A pool is one.
public protocol PeerPicker: Sendable {
    /// Where to ask for `key`. Called once for every miss; must not block.
    func pickPeer(for key: Key) -> PeerRoute
    /// Makes `group` answer to peers under its name.
    ///
    /// - Throws: ``GroupCacheError/Code/duplicateGroup``.
    func register(_ group: any PeerServing) throws(GroupCacheError)
}

/// The nodes to ask for one key, in the ring's order of preference.
public struct PeerRoute: Sendable {
    /// The owner; `nil` when that is this node.
    public var owner: (any PeerGetter)?
    /// Whom to ask when the owner fails: the next node of the ring, `nil` when that is this node or there is none.
    public var next: (any PeerGetter)?

    /// This node owns the key.
    public static let local = PeerRoute(owner: nil, next: nil)

    /// `owner` first, then `next`.
    public init(owner: (any PeerGetter)?, next: (any PeerGetter)? = nil) {
        self.owner = owner
        self.next = next
    }
}

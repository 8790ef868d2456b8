/// Knows which node owns which key. A pool is one.
public protocol PeerPicker: Sendable {
    /// Where to ask for `key`. Called once for every miss; must not block.
    func pickPeer(for key: Key) -> PeerRoute
    /// Who owns `key`, whether or not it can be reached; `nil` when that is this node. Must not block.
    ///
    /// ``pickPeer(for:)`` may pass over an owner that is down. Who may keep a value for its full time, and who is to be told of a set or a
    /// remove, does not change with that. Default: the owner that ``pickPeer(for:)`` names, for pools that pass over nobody.
    func owner(of key: Key) -> (any PeerGetter)?
    /// Makes `group` answer to peers under its name.
    ///
    /// - Throws: ``GroupCacheError/Code/duplicateGroup``.
    func register(_ group: any PeerServing) throws(GroupCacheError)
}

extension PeerPicker {
    /// See ``PeerPicker``.
    public func owner(of key: Key) -> (any PeerGetter)? { self.pickPeer(for: key).owner }
}

/// The nodes to ask for one key, in the ring's order of preference.
public struct PeerRoute: Sendable {
    /// The owner, or the first node after it that can be asked; `nil` when this node owns the key.
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

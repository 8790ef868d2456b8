// SPDX-License-Identifier: Apache-2.0

/// Knows which node owns which key. A pool is one.
public protocol PeerPicker: Sendable {
    /// Where to ask for `key`. Called once for every miss; must not block.
    ///
    /// The owner of a route may be another node than the key's: one that stands in for it while it cannot be reached. Then all nodes ask that
    /// one, and the value is still loaded once.
    func pickPeer(for key: Key) -> PeerRoute
    /// The node that owns `key`, whether or not it can be reached; `nil`: this one. Must not block.
    func pickOwner(of key: Key) -> (any PeerGetter)?
    /// The owner of a key has made a change. Tells the other nodes to drop what they hold of it, if nothing else tells them. By default nobody.
    ///
    /// - Throws: who has not heard, or that nobody can be told.
    func changed(_ request: PeerRequest) async throws(GroupCacheError)
    /// Which node owned `key` before this one did, as long as that was a moment ago and that node can be asked; `nil`: nobody is to be
    /// asked. Called before each load of a key that this node owns; must not block. By default nobody.
    ///
    /// A node that joins would load everything anew that the others hold, and load a second time what they load just now.
    func formerOwner(of key: Key) -> (any PeerGetter)?
    /// Makes `group` answer to peers under its name.
    ///
    /// - Throws: ``GroupCacheError/Code/duplicateGroup``.
    func register(_ group: any PeerServing) throws(GroupCacheError)
}

extension PeerPicker {
    /// The owner that ``pickPeer(for:)`` names.
    public func pickOwner(of key: Key) -> (any PeerGetter)? { self.pickPeer(for: key).owner }

    /// Nobody.
    public func changed(_ request: PeerRequest) async throws(GroupCacheError) {}

    /// Nobody.
    public func formerOwner(of key: Key) -> (any PeerGetter)? { nil }
}

/// The nodes to ask for one key, in the ring's order of preference.
public struct PeerRoute: Sendable {
    /// The owner, or who stands in for it; `nil` when that is this node.
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

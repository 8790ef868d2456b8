public import GroupCache
public import GroupCacheHTTP
internal import NIOCore

/// What a ``RingReconciler`` keeps in step with the list of members.
public protocol RingTarget: Sendable {
    /// The ring is to consist of these members, and no others. Nothing has changed if it throws.
    ///
    /// - Parameter own: which of them this node is.
    func setMembers(_ members: [Member], own: Member?) throws(GroupCacheError)

    /// What there is to say about the members.
    ///
    /// - Parameter age: how long ago the source said something that could be used; `nil`: it never has.
    func show(members: [Member], ownID: String?, problem: DiscoveryError?, age: Duration?)
}

/// The ring of a pool.
public struct PoolTarget: RingTarget {
    private let pool: HTTPPool
    private let source: String

    /// - Parameter source: what `/v1/members` calls the source.
    public init(_ pool: HTTPPool, source: String) {
        self.pool = pool
        self.source = source
    }

    /// Sets the pool's peers.
    public func setMembers(_ members: [Member], own: Member?) throws(GroupCacheError) {
        // Dialects of others hash URLs, and know neither ids nor weights.
        let isNative = self.pool.configuration.dialect == .native
        let peers = members.map { HTTPPool.Peer($0.url, id: isNative ? $0.id : nil, weight: isNative ? $0.weight : 1) }
        try self.pool.setPeers(peers, self: own?.url)
    }

    /// Shows them on `/v1/members`.
    public func show(members: [Member], ownID: String?, problem: DiscoveryError?, age: Duration?) {
        let nodes = members.map { member in
            HTTPPool.Membership.Node(
                id: member.id,
                url: member.url,
                zone: member.zone,
                weight: member.weight,
                state: member.state.rawValue,
                epoch: member.epoch,
                isSelf: member.id == ownID
            )
        }
        let lastWord = age.map { NIODeadline.now() - TimeAmount($0) }
        self.pool.show(HTTPPool.Membership(source: self.source, nodes: nodes, problem: problem?.message, lastWord: lastWord))
    }
}

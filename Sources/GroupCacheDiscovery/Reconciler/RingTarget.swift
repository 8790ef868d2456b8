// SPDX-License-Identifier: Apache-2.0

public import GroupCache
public import GroupCacheHTTP
internal import NIOCore

/// What a ``RingReconciler`` keeps in step with the list of members.
public protocol RingTarget: Sendable {
    /// The ring is to consist of these members, and no others. Nothing has changed if it throws.
    ///
    /// - Parameters:
    ///   - members: all of them; empty: this node is alone.
    ///   - own: which of them this node is.
    func setMembers(_ members: [Member], own: Member?) throws(GroupCacheError)

    /// What there is to say about the members.
    func show(_ view: MembershipView)
}

/// What a node knows of its cluster, for people and for whoever asks whether it is ready.
public struct MembershipView: Sendable, Hashable {
    /// What keeps a node that others took over for from acting as an owner of its keys.
    public enum Fence: Sendable, Hashable {
        /// Nothing does: it goes on until it reads the new list itself.
        case none
        /// It is in the list only while it says that it is ready.
        case readiness
        /// It is in the list only while its lease lives; `left`: for how long it knows that it does, `nil` without one.
        case lease(left: Duration?)
    }

    /// All members of the last list that could be used, by id.
    public var members: [Member] = []
    /// This node's id in it.
    public var ownID: String?
    /// What is wrong with what came since.
    public var problem: DiscoveryError?
    /// How long ago the source said something that could be used; `nil`: it never has.
    public var age: Duration?
    /// What the source fences by.
    public var fence = Fence.none
    /// Whether this node may be asked: it has known who the others are, or nobody can say before it is ready.
    public var isReady = false

    /// A view of nothing.
    public init() {}
}

/// The ring of a pool.
public struct PoolTarget: RingTarget {
    private let pool: HTTPPool
    private let source: String

    /// - Parameters:
    ///   - pool: whose ring it is.
    ///   - source: what `/v1/members` calls the source.
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

    /// Shows them on `/v1/members`, and lets `/readyz` go by them.
    public func show(_ view: MembershipView) {
        let nodes = view.members.map { member in
            HTTPPool.Membership.Node(
                id: member.id,
                url: member.url,
                zone: member.zone,
                weight: member.weight,
                state: member.state.rawValue,
                epoch: member.epoch,
                isSelf: member.id == view.ownID
            )
        }
        let now = NIODeadline.now()
        let fence: HTTPPool.Membership.Fence =
            switch view.fence {
            case .none: .none
            case .readiness: .readiness
            case .lease(let left): .lease(until: left.map { now + TimeAmount($0) })
            }
        self.pool.show(
            HTTPPool.Membership(
                source: self.source,
                nodes: nodes,
                problem: view.problem?.message,
                lastWord: view.age.map { now - TimeAmount($0) },
                fence: fence,
                isReady: view.isReady
            )
        )
    }
}

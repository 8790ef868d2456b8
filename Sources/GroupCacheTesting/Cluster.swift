public import GroupCache
internal import NIOConcurrencyHelpers

/// Some nodes in one process, with a ring between them and no network: for tests of groups that have peers.
///
/// ```swift
/// let cluster = try Cluster(3)
/// let groups = try cluster.nodes.map { try Group<String>("scores", capacity: .mebibytes(1), peers: $0) { … } }
/// cluster.nodes[1].fault = .down
/// ```
public final class Cluster: Sendable {
    /// The nodes, in the order of their ids: `node-0`, `node-1`, …
    public let nodes: [ClusterNode]

    /// `count` nodes that know each other.
    public init(_ count: Int) throws(GroupCacheError) {
        let ids = (0..<count).map { "node-\($0)" }
        let ring = try HashRing(ids)
        self.nodes = ids.map { ClusterNode(id: $0) }
        for node in self.nodes { node.setPeers(self.nodes, ring: ring) }
    }

    /// The node that owns `key` in the ring of all nodes.
    public func owner(of key: Key) -> ClusterNode {
        self.nodes.first { $0.pickPeer(for: key).owner == nil } ?? self.nodes[0]
    }
}

/// One node of a ``Cluster``: a pool whose requests are function calls.
public final class ClusterNode: PeerPicker {
    /// What is wrong with a node, as others see it.
    public enum Fault: Sendable {
        /// Cannot be reached.
        case down
        /// Takes requests and holds them at a gate.
        case stuck(Gate)
        /// Answers every request with an error.
        case failing(GroupCacheError)
    }

    private struct State {
        var fault: Fault?
        var groups: [String: any PeerServing] = [:]
        var ring = HashRing()
        var peers: [ClusterPeer] = []
        /// The ring of before.
        var former: (ring: HashRing, peers: [ClusterPeer])?
        var requests = 0
    }

    /// The node's id in the ring.
    public let id: String
    private let state = NIOLockedValueBox(State())

    init(id: String) { self.id = id }

    /// What is wrong with this node; `nil`: nothing.
    public var fault: Fault? {
        get { self.state.withLockedValue { $0.fault } }
        set { self.state.withLockedValue { $0.fault = newValue } }
    }

    /// How many requests of other nodes have come here, also those that a fault kept from being answered.
    public var requests: Int { self.state.withLockedValue { $0.requests } }

    /// Gives this node a ring of its own, which other nodes may not agree with.
    ///
    /// - Parameter warm: From now on this node asks the former owners of its new keys for their values before it loads them.
    public func setPeers(_ nodes: [ClusterNode], warm: Bool = false) throws(GroupCacheError) {
        self.setPeers(nodes, ring: try HashRing(nodes.map(\.id)), warm: warm)
    }

    func setPeers(_ nodes: [ClusterNode], ring: HashRing, warm: Bool = false) {
        let peers = nodes.map { ClusterPeer(node: $0) }.sorted { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
        self.state.withLockedValue { state in
            state.former = warm ? (state.ring, state.peers) : nil
            state.ring = ring
            state.peers = peers
        }
        for group in self.state.withLockedValue({ $0.groups.values }) { group.peersChanged() }
    }

    /// See ``PeerPicker/pickPeer(for:)``.
    public func pickPeer(for key: Key) -> PeerRoute {
        self.state.withLockedValue { state in
            guard let (owner, next) = state.ring.ownerAndNext(of: key.bytes.span) else { return .local }
            func peer(_ index: Int?) -> ClusterPeer? {
                guard let index, state.peers[index].id != self.id else { return nil }
                return state.peers[index]
            }
            guard let first = peer(owner) else { return .local }
            return PeerRoute(owner: first, next: peer(next))
        }
    }

    /// See ``PeerPicker/formerOwner(of:)``.
    public func formerOwner(of key: Key) -> (any PeerGetter)? {
        self.state.withLockedValue { state in
            guard let former = state.former, let owner = former.ring.ownerAndNext(of: key.bytes.span)?.owner else { return nil }
            return former.peers[owner].id == self.id ? nil : former.peers[owner]
        }
    }

    /// See ``PeerPicker/register(_:)``.
    public func register(_ group: any PeerServing) throws(GroupCacheError) {
        let isNew = self.state.withLockedValue { $0.groups.updateValue(group, forKey: group.name) == nil }
        if !isNew { throw GroupCacheError(.duplicateGroup, "this node has a group of that name") }
    }

    fileprivate func receive(_ name: String) async throws(GroupCacheError) -> any PeerServing {
        let (fault, group) = self.state.withLockedValue { state in
            state.requests += 1
            return (state.fault, state.groups[name])
        }
        switch fault {
        case nil: break
        case .down: throw GroupCacheError(.peerFailed, "the node is down")
        case .failing(let error): throw error
        case .stuck(let gate):
            do { try await gate.pass() } catch { throw GroupCacheError(.peerFailed, "the node is stuck") }
            // It may have gone down while it was stuck.
            if case .down = self.fault { throw GroupCacheError(.peerFailed, "the node is down") }
        }
        guard let group else { throw GroupCacheError(.noSuchGroup, "no group of that name") }
        return group
    }
}

/// A node of a cluster as another one asks it.
final class ClusterPeer: PeerGetter {
    let node: ClusterNode
    var id: String { self.node.id }

    init(node: ClusterNode) { self.node = node }

    func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry {
        let group = try await self.node.receive(request.group)
        let asksStore = !request.isPeek && !request.reload && request.allowStale
        let cached = asksStore ? group.serveCached(request.key.bytes.span, for: .peer) : nil
        let served: ServedEntry
        if let cached { served = cached } else { served = try await group.serve(request, for: .peer) }
        guard let value = served.value else {
            var error = GroupCacheError.notFound
            error.retryAfter = served.ttl
            throw error
        }
        var entry = PeerEntry(value: value, ttl: served.ttl)
        entry.attributes = served.attributes
        entry.schema = served.schema
        return entry
    }

    func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError) {
        try await self.node.receive(request.group).serveSet(request.key, to: entry, for: .peer)
    }

    func remove(_ request: PeerRequest) async throws(GroupCacheError) {
        try await self.node.receive(request.group).serveRemove(request.key, for: .peer)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import GroupCache
internal import NIOConcurrencyHelpers

/// Some nodes in one process, with a ring between them and no network: for tests of groups that have peers.
///
/// ```swift
/// let cluster = try Cluster(3)
/// let groups = try cluster.nodes.map { try Group<String>("scores", capacity: .mebibytes(1), peers: $0) { … } }
/// cluster.nodes[1].fault = .down
/// ```
///
/// Or, with a getter that is counted, and nodes that hear of each other's changes:
///
/// ```swift
/// let cluster = try Cluster(3, follows: true)
/// let group = try cluster.group { key, _ in "value of \(key.string)" }
/// cluster.partition([0], [1, 2])
/// _ = try await group[1].get("Tom")
/// #expect(cluster.loads["Tom"] == 1)
/// ```
public final class Cluster: Sendable {
    /// The nodes, in the order of their ids: `node-0`, `node-1`, …
    public let nodes: [ClusterNode]
    private let counts = NIOLockedValueBox<[Key: Int]>([:])

    /// `count` nodes that know each other.
    ///
    /// - Parameters:
    ///   - count: How many.
    ///   - follows: Each node hears at once what the others change, and drops its copies; one that cannot be reached hears of it when it can. Without, as
    ///     between pools of other dialects, copies end with their ``/GroupCache/GroupConfiguration/nearTTL``.
    public init(_ count: Int, follows: Bool = false) throws(GroupCacheError) {
        let ids = (0..<count).map { "node-\($0)" }
        let ring = try HashRing(ids)
        self.nodes = ids.map { ClusterNode(id: $0, follows: follows) }
        for node in self.nodes { node.setPeers(self.nodes, ring: ring) }
        // While nobody has copied anything, so that nothing has to go when streams begin.
        for node in self.nodes { node.tellFollowers() }
    }

    // MARK: Groups

    /// A group on each node, in the order of ``nodes``. Calls of its getter are counted in ``loads``.
    ///
    /// - Throws: As an initialiser of ``/GroupCache/Group``.
    public func group<Value: Codable & Sendable>(
        _ name: String = "group",
        capacity: ByteCount = .mebibytes(1),
        configuration: GroupConfiguration = GroupConfiguration(),
        load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Value?
    ) throws(GroupCacheError) -> [Group<Value>] {
        var groups: [Group<Value>] = []
        for node in self.nodes {
            let group = try Group<Value>(name, capacity: capacity, configuration: configuration, peers: node) {
                [counts] (key: Key, context: LoadContext<Value>) async throws -> Value? in
                counts.withLockedValue { $0[key, default: 0] += 1 }
                return try await load(key, context)
            }
            groups.append(group)
        }
        return groups
    }

    /// How often the getters of groups that ``group(_:capacity:configuration:load:)`` made were called for each key, on all nodes together.
    public var loads: [Key: Int] { self.counts.withLockedValue { $0 } }

    /// The counters of all groups on all nodes together.
    public var statistics: GroupStatistics { self.nodes.flatMap(\.statistics.values).reduce(GroupStatistics(), +) }

    /// The counters of one group on all nodes together.
    public func statistics(of group: String) -> GroupStatistics {
        self.nodes.compactMap { $0.statistics[group] }.reduce(GroupStatistics(), +)
    }

    // MARK: Faults

    /// Cuts the cluster into parts, each a list of places in ``nodes``: no node reaches one of another part. A node that is in no list is a part of its
    /// own. What held before holds no longer.
    public func partition(_ parts: [Int]...) {
        for (index, node) in self.nodes.enumerated() {
            let part = parts.first { $0.contains(index) } ?? [index]
            node.cut(from: Set(self.nodes.indices.filter { !part.contains($0) }.map { self.nodes[$0].id }))
        }
    }

    /// All nodes reach each other again, and hear of what was changed meanwhile before this returns.
    public func heal() {
        for node in self.nodes { node.cut(from: []) }
        for node in self.nodes { node.emptyOutboxes() }
        for node in self.nodes { node.tellFollowers() }
    }

    /// The node that owns `key` in the ring of all nodes.
    public func owner(of key: Key) -> ClusterNode {
        self.nodes.first { $0.pickPeer(for: key).owner == nil } ?? self.nodes[0]
    }
}

/// One node of a ``Cluster``: a pool whose requests are function calls.
public final class ClusterNode: PeerPicker, RecordingPeers {
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
        /// How often the peers have been set.
        var changes: UInt64 = 0
        var requests = 0
        /// The nodes that this one does not reach, and that do not reach it.
        var cut: Set<String> = []
        /// What nodes that could not be reached have still to make.
        var outboxes: [String: Outbox] = [:]
    }

    /// The node's id in the ring.
    public let id: String
    private let state = NIOLockedValueBox(State())

    private let follows: Bool
    private let log = NIOLockedValueBox<ClusterLog?>(nil)

    init(id: String, follows: Bool = false) {
        self.id = id
        self.follows = follows
        if follows {
            let log = ClusterLog { [weak self] in self?.tellFollowers() }
            self.log.withLockedValue { $0 = log }
        }
    }

    package var recorder: (any ChangeRecorder)? { self.log.withLockedValue { $0 } }

    package func soleOwner(of key: Span<UInt8>) -> UInt64? {
        self.state.withLockedValue { state in
            guard state.former == nil, let owner = state.ring.ownerAndNext(of: key)?.owner, state.peers[owner].id == self.id else {
                return nil
            }
            return state.changes
        }
    }

    package func isStill(_ place: UInt64) -> Bool { self.state.withLockedValue { $0.changes == place } }

    package func spread(_ change: Change, wait: ChangeWait) async throws(GroupCacheError) {
        let others = self.state.withLockedValue { $0.peers }.filter { $0.id != self.id }
        var deaf: [String] = []
        for peer in others {
            self.state.withLockedValue { $0.outboxes[peer.id, default: Outbox()].put(change) }
            if await !self.deliver(to: peer.node) { deaf.append(peer.id) }
        }
        if !deaf.isEmpty { throw GroupCacheError.notDelivered.about(deaf) }
        guard wait.isApplied, !others.isEmpty else { return }
        if !self.follows { throw GroupCacheError.cannotFollow.about(others.map(\.id)) }
        for peer in others {
            guard let log = peer.node.log.withLockedValue({ $0 }) else { continue }
            try await log.applied(log.position.sequence, standInTTL: .zero, within: wait.within)
        }
    }

    /// Has a node make what it has not made yet, and waits for who is just doing so. `false`: it cannot be reached.
    fileprivate func deliver(to node: ClusterNode) async -> Bool {
        while self.state.withLockedValue({ $0.outboxes[node.id]?.isEmpty == false }) {
            guard self.empty(outboxOf: node) else { return false }
            await Task.yield()
        }
        return true
    }

    /// Has a node make what nobody is just having it make. `false`: it cannot be reached.
    private func empty(outboxOf node: ClusterNode) -> Bool {
        guard !self.isDown, !node.isDown, !self.isCut(from: node.id) else { return false }
        while let parcel = self.state.withLockedValue({ $0.outboxes[node.id]?.next() }) {
            for change in parcel.changes { node.made(change) }
            _ = self.state.withLockedValue { $0.outboxes[node.id]?.acknowledged(parcel.number) }
        }
        return true
    }

    /// Has all nodes make what they have not made yet.
    func emptyOutboxes() {
        for peer in self.state.withLockedValue({ $0.peers }) where peer.id != self.id { _ = self.empty(outboxOf: peer.node) }
    }

    private func made(_ change: Change) {
        for group in self.state.withLockedValue({ $0.groups.values }) where change.group == nil || change.group == group.name {
            (group as? any ChangeListener)?.made(change)
        }
    }

    func cut(from ids: Set<String>) { self.state.withLockedValue { $0.cut = ids } }

    func isCut(from id: String) -> Bool { self.state.withLockedValue { $0.cut.contains(id) } }

    private var isDown: Bool { if case .down = self.fault { true } else { false } }

    /// Tells the other nodes what this one has changed, as far as they can be reached.
    func tellFollowers() {
        guard let log = self.log.withLockedValue({ $0 }) else { return }
        for peer in self.state.withLockedValue({ $0.peers }) where peer.id != self.id {
            log.tell(peer.id, isCut: { self.isDown || peer.node.isDown || self.isCut(from: peer.id) }, hear: { peer.node.heard($0) })
        }
    }

    private func heard(_ change: Change) {
        for group in self.state.withLockedValue({ $0.groups.values }) where change.group == nil || change.group == group.name {
            (group as? any ChangeListener)?.heard(change)
        }
    }

    /// What is wrong with this node; `nil`: nothing.
    public var fault: Fault? {
        get { self.state.withLockedValue { $0.fault } }
        set { self.state.withLockedValue { $0.fault = newValue } }
    }

    /// The counters of this node's groups, by name.
    public var statistics: [String: GroupStatistics] { self.state.withLockedValue { $0.groups }.mapValues(\.statistics) }

    /// How many requests of other nodes have come here, also those that a fault kept from being answered.
    public var requests: Int { self.state.withLockedValue { $0.requests } }

    /// Gives this node a ring of its own, which other nodes may not agree with.
    ///
    /// - Parameters:
    ///   - nodes: The nodes of this node's ring.
    ///   - warm: From now on this node asks the former owners of its new keys for their values before it loads them.
    public func setPeers(_ nodes: [ClusterNode], warm: Bool = false) throws(GroupCacheError) {
        self.setPeers(nodes, ring: try HashRing(nodes.map(\.id)), warm: warm)
    }

    func setPeers(_ nodes: [ClusterNode], ring: HashRing, warm: Bool = false) {
        let peers = nodes.map { ClusterPeer(node: $0, asker: self.id) }.sorted { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
        self.state.withLockedValue { state in
            state.former = warm ? (state.ring, state.peers) : nil
            state.changes += 1
            state.ring = ring
            state.peers = peers
        }
        for group in self.state.withLockedValue({ $0.groups.values }) { group.peersChanged() }
    }

    /// See ``/GroupCache/PeerPicker/pickPeer(for:)``.
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

    /// See ``/GroupCache/PeerPicker/formerOwner(of:)``.
    public func formerOwner(of key: Key) -> (any PeerGetter)? {
        self.state.withLockedValue { state in
            guard let former = state.former, let owner = former.ring.ownerAndNext(of: key.bytes.span)?.owner else { return nil }
            return former.peers[owner].id == self.id ? nil : former.peers[owner]
        }
    }

    /// See ``/GroupCache/PeerPicker/register(_:)``.
    public func register(_ group: any PeerServing) throws(GroupCacheError) {
        let isNew = self.state.withLockedValue { $0.groups.updateValue(group, forKey: group.name) == nil }
        if !isNew { throw GroupCacheError(.duplicateGroup, "this node has a group of that name") }
    }

    fileprivate func receive(_ name: String, from asker: String) async throws(GroupCacheError) -> any PeerServing {
        if self.isCut(from: asker) { throw GroupCacheError(.peerFailed, "the network is cut") }
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
        // Who has something to tell this node asks nothing else of it before.
        let sender = self.state.withLockedValue { $0.peers.first { $0.id == asker }?.node }
        if let sender, await !sender.deliver(to: self) { throw GroupCacheError(.peerFailed, "the node has yet to hear of changes") }
        return group
    }
}

/// A node of a cluster as another one asks it.
final class ClusterPeer: PeerGetter {
    let node: ClusterNode
    private let asker: String
    var id: String { self.node.id }

    init(node: ClusterNode, asker: String) {
        self.node = node
        self.asker = asker
    }

    func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry {
        let group = try await self.node.receive(request.group, from: self.asker)
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
        (entry.attributes, entry.age) = (served.attributes, .seconds(served.age))
        entry.schema = served.schema
        return entry
    }

    func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError) {
        try await self.node.receive(request.group, from: self.asker).serveSet(request.key, to: entry, for: .peer)
    }

    func set(_ request: PeerRequest, to entry: PeerEntry, if condition: ChangeCondition?) async throws(GroupCacheError) -> SetOutcome {
        try await self.node.receive(request.group, from: self.asker).serveSet(request.key, to: entry, if: condition, for: .peer)
    }

    func remove(_ request: PeerRequest) async throws(GroupCacheError) {
        try await self.remove(request, if: nil, settle: .zero)
    }

    func remove(_ request: PeerRequest, if condition: ChangeCondition?, settle: Duration) async throws(GroupCacheError) {
        let group = try await self.node.receive(request.group, from: self.asker)
        try await group.servePeerRemove(request.key, if: condition, settle: settle)
    }
}

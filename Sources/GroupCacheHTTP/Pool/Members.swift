internal import GroupCache
internal import NIOCore

/// The ring and how to reach its members; immutable, and replaced as a whole.
final class Members: Sendable {
    let ring: HashRing
    /// By index of the ring's members; `nil` is this node.
    let getters: [HTTPGetter?]
    /// This node's URL, if it has one.
    let url: PeerURL?
    /// This node's index in the ring, if it is there.
    let selfIndex: Int?

    init(ring: HashRing, getters: [HTTPGetter?], url: PeerURL?, selfIndex: Int?) {
        self.ring = ring
        self.getters = getters
        self.url = url
        self.selfIndex = selfIndex
    }

    /// Whom to ask for `key`.
    func route(_ key: Span<UInt8>) -> PeerRoute {
        guard let (owner, next) = self.ring.ownerAndNext(of: key), let getter = self.getters[owner] else { return .local }
        if getter.isUp { return PeerRoute(owner: getter, next: next.flatMap { self.getters[$0] }) }
        return self.detour(key, around: getter)
    }

    /// Whom to ask instead of an owner that is down: the next nodes that are up, as far as this one. When this node is the first of them, or nobody is
    /// up, the answer is the owner, which fails at once: a route without an owner would say that the key is ours to keep.
    private func detour(_ key: Span<UInt8>, around owner: HTTPGetter) -> PeerRoute {
        var first: HTTPGetter?
        for index in self.ring.preference(of: key) {
            guard let getter = self.getters[index] else { break }
            guard getter !== owner, getter.isUp else { continue }
            if let first { return PeerRoute(owner: first, next: getter) }
            first = getter
        }
        return PeerRoute(owner: first ?? owner)
    }

    /// Who owns `key`; `nil`: this node.
    func owner(_ key: Span<UInt8>) -> HTTPGetter? {
        self.ring.owner(of: key).flatMap { self.getters[$0] }
    }

    /// - Parameter old: whose getters, with their connections, are used again.
    static func make(
        _ peers: [HTTPPool.Peer],
        url: PeerURL?,
        configuration: HTTPPool.Configuration,
        credentials: Credentials,
        eventLoopGroup: any EventLoopGroup,
        old: Members?
    ) throws(GroupCacheError) -> Members {
        let dialect = configuration.dialect
        var byID: [String: PeerURL] = [:]
        var members: [HashRing.Member] = []
        for peer in peers {
            let peerURL = try PeerURL(peer.url)
            let id = peerURL.id(dialect)
            guard byID.updateValue(peerURL, forKey: id) == nil else {
                throw GroupCacheError(.invalidConfiguration, "the peer \(id) is listed twice")
            }
            members.append(HashRing.Member(id, weight: peer.weight))
        }
        let selfID = url?.id(dialect)
        if !peers.isEmpty, configuration.listen != nil {
            guard let selfID else {
                throw GroupCacheError(.invalidConfiguration, "peers are given, but not which of them this node is: set advertise")
            }
            guard byID[selfID] != nil else {
                throw GroupCacheError(.invalidConfiguration, "this node's URL, \(selfID), is not in the list of peers")
            }
        }
        let ring = members.isEmpty ? HashRing(dialect: dialect.ring) : try HashRing(members, dialect: dialect.ring)
        let known = Dictionary((old?.getters ?? []).compactMap { $0 }.map { ($0.id, $0) }) { first, _ in first }
        let getters: [HTTPGetter?] = ring.members.map { member in
            guard member.id != selfID, let peerURL = byID[member.id] else { return nil }
            if let getter = known[member.id], getter.url == peerURL { return getter }
            return HTTPGetter(
                url: peerURL,
                dialect: dialect,
                configuration: configuration.client,
                maximumValueSize: configuration.limits.valueSize,
                credentials: credentials,
                eventLoopGroup: eventLoopGroup
            )
        }
        for getter in getters { getter?.setRing(ring.version) }
        return Members(ring: ring, getters: getters, url: url, selfIndex: selfID.flatMap { ring.index(of: $0) })
    }
}

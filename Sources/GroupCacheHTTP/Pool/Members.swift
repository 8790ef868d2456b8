// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// The ring and how to reach its members; immutable, and replaced as a whole.
final class Members: Sendable {
    let ring: HashRing
    /// By index of the ring's members; `nil` is this node.
    let getters: [HTTPGetter?]
    /// This node's URL, if it has one.
    let url: PeerURL?
    /// This node's index in the ring, if it is there.
    let selfIndex: Int?
    /// Whether keys have come to this node just now, and from whom.
    let warming: Warming
    /// The version of the ring in which this node's keys are those of its heirs; `nil`: it owns none.
    let heirsVersion: UInt64?
    private let wasSettled = Atomic(false)

    init(ring: HashRing, getters: [HTTPGetter?], url: PeerURL?, selfIndex: Int?, warming: Warming) {
        self.warming = warming
        self.ring = ring
        self.getters = getters
        self.url = url
        self.selfIndex = selfIndex
        self.heirsVersion = selfIndex.map { ring.version(without: $0) }
    }

    /// This node's identity: what the ring calls it, or would.
    func selfID(_ dialect: Dialect) -> String? {
        self.selfIndex.map { self.ring.members[$0].id } ?? self.url?.id(dialect)
    }

    /// The URL of the ring's member at `index`.
    func address(of index: Int) -> String? {
        if let getter = self.getters[index] { return getter.url.string }
        return self.url?.string
    }

    /// The node that owns `key`; `nil`: this one.
    func owner(of key: Span<UInt8>) -> HTTPGetter? {
        self.ring.ownerAndNext(of: key).flatMap { self.getters[$0.owner] }
    }

    /// Whether this node owns `key`, and nobody else has owned it of late.
    func isSoleOwner(of key: Span<UInt8>) -> Bool {
        guard let (owner, _) = self.ring.ownerAndNext(of: key) else { return true }
        return self.getters[owner] == nil && self.isSettled
    }

    /// Whether it is long ago that the owners of this node's keys were others.
    private var isSettled: Bool {
        if self.wasSettled.load(ordering: .relaxed) { return true }
        let now = NIODeadline.now()
        guard self.warming.changes.allSatisfy({ $0.until <= now }) else { return false }
        // As long as these are the members, it stays so, and the clock need not be read.
        self.wasSettled.store(true, ordering: .relaxed)
        return true
    }

    /// Who owned `key`, which this node owns now, before the last change of the ring, if that was a moment ago and it can be asked.
    func formerOwner(of key: Span<UInt8>, now: NIODeadline) -> HTTPGetter? {
        guard let getter = self.lastOwner(of: key, now: now), getter.hasLinks, getter.isUp else { return nil }
        return getter
    }

    /// Who owns `key`, which is this node's, when this node has left.
    func nextOwner(of key: Span<UInt8>) -> HTTPGetter? {
        guard let (owner, next) = self.ring.ownerAndNext(of: key), self.getters[owner] == nil else { return nil }
        return next.flatMap { self.getters[$0] }
    }

    /// The same, whether or not it can be asked.
    func lastOwner(of key: Span<UInt8>, now: NIODeadline) -> HTTPGetter? {
        guard let (owner, next) = self.ring.ownerAndNext(of: key), self.getters[owner] == nil else { return nil }
        let last = self.warming.formerOwner(of: key, next: next.flatMap { self.getters[$0] }, now: now)
        // One that has left may be closed by now.
        return last?.isOver == false ? last : nil
    }

    /// All who owned `key`, which is this node's, a moment ago; the last one first. Whether or not they can be asked.
    func lastOwners(of key: Span<UInt8>, now: NIODeadline) -> [HTTPGetter] {
        guard let (owner, next) = self.ring.ownerAndNext(of: key), self.getters[owner] == nil else { return [] }
        return self.warming.formerOwners(of: key, next: next.flatMap { self.getters[$0] }, now: now).filter { !$0.isOver }
    }

    /// Those of them that can be asked.
    func formerOwners(of key: Span<UInt8>, now: NIODeadline) -> [HTTPGetter] {
        let owners = self.lastOwners(of: key, now: now)
        // One that has something to hear first is there all the same. One that has left the list is there as long as it has a link.
        return owners.filter { $0.hasLinks && $0.standing.health.isUp && (!$0.standing.stream.isOver || $0.isLinked) }
    }

    /// The same, but the ring has changed only now.
    func warmed(for time: Duration, now: NIODeadline) -> Members {
        var warming = self.warming
        warming.restart(until: now + .init(time))
        return Members(ring: self.ring, getters: self.getters, url: self.url, selfIndex: self.selfIndex, warming: warming)
    }

    /// The same, but this node takes over from those who come after it, as one that has just begun.
    func begun(warmingUntil until: NIODeadline) -> Members {
        var warming = self.warming
        warming.begin(until: until)
        return Members(ring: self.ring, getters: self.getters, url: self.url, selfIndex: self.selfIndex, warming: warming)
    }

    /// Whom to ask for `key` if this node may not act for anybody: those that can be reached, in the key's order of preference. Nobody: it loads, for others.
    func routeAround(_ key: Span<UInt8>) -> PeerRoute {
        var route = PeerRoute(owner: nil)
        for member in self.ring.preference(of: key) {
            guard let getter = self.getters[member], getter.isUp else { continue }
            guard route.owner != nil else {
                route.owner = getter
                continue
            }
            route.next = getter
            break
        }
        return route
    }

    /// Whom to ask for `key`.
    func route(_ key: Span<UInt8>) -> PeerRoute {
        guard let (owner, next) = self.ring.ownerAndNext(of: key), let getter = self.getters[owner] else { return .local }
        // Who is asked in the owner's place answers for itself in our own dialect only. A node of Go asks the owner once more, which costs the caller
        // as much time again and makes the node look dead that has only forwarded: here this one loads.
        guard self.ring.dialect == .native, let next else { return PeerRoute(owner: getter.isUp ? getter : nil) }
        guard getter.isUp, self.getters[next]?.isUp ?? true else { return self.detour(key) }
        return PeerRoute(owner: getter, next: self.getters[next])
    }

    /// The first two nodes that can be reached, in the key's order of preference. Every node that sees the same ones down comes to the
    /// same, so that the keys of a dead node are loaded by one other node each. This node ends the search: what it would ask for it can
    /// load.
    private func detour(_ key: Span<UInt8>) -> PeerRoute {
        var route = PeerRoute(owner: nil)
        for member in self.ring.preference(of: key) {
            guard let getter = self.getters[member] else { break }
            guard getter.isUp else { continue }
            guard route.owner != nil else {
                route.owner = getter
                continue
            }
            route.next = getter
            break
        }
        return route
    }

    /// - Parameter old: whose getters, with their connections, are used again.
    static func make(
        _ peers: [HTTPPool.Peer],
        url: PeerURL?,
        configuration: HTTPPool.Configuration,
        credentials: Credentials,
        leases: CopyLeases?,
        eventLoopGroup: any EventLoopGroup,
        old: Members?
    ) throws(GroupCacheError) -> Members {
        let dialect = configuration.dialect
        var byID: [String: PeerURL] = [:]
        /// Of each address, in its normal form, its id in the ring.
        var ids: [String: String] = [:]
        var members: [HashRing.Member] = []
        for peer in peers {
            let peerURL = try PeerURL(peer.url)
            if peerURL != url { try peerURL.checkAsked() }
            let address = peerURL.id(dialect)
            guard peer.id == nil || dialect == .native else {
                throw GroupCacheError(.invalidConfiguration, "the dialect \(dialect) knows peers by their addresses, and no ids")
            }
            let id = peer.id ?? address
            if let other = byID.updateValue(peerURL, forKey: id) {
                let places = other == peerURL ? "" : ", at \(other.string) and at \(peerURL.string)"
                throw GroupCacheError(.invalidConfiguration, "the peer \(id) is listed twice\(places)")
            }
            if let other = ids.updateValue(id, forKey: peerURL.string) {
                throw GroupCacheError(.invalidConfiguration, "the peer \(address) is listed twice, as \(other) and as \(id)")
            }
            members.append(HashRing.Member(id, weight: peer.weight))
        }
        // However this node writes its own URL: in the ring it is as it stands in the list.
        let selfID = url.flatMap { ids[$0.string] }
        if !peers.isEmpty, configuration.listen != nil {
            guard let url else {
                throw GroupCacheError(.invalidConfiguration, "peers are given, but not which of them this node is: set advertise")
            }
            guard selfID != nil else {
                throw GroupCacheError(
                    .invalidConfiguration,
                    "this node's URL, \(url.id(dialect)), is not in the list of peers: add it there, or set advertise to the URL that the list has for this node"
                )
            }
        }
        let ring: HashRing
        if members.isEmpty {
            ring = HashRing(dialect: dialect.ring)
        } else if let old {
            ring = try HashRing(members, following: old.ring)
        } else {
            ring = try HashRing(members, dialect: dialect.ring)
        }
        let former = Dictionary((old?.getters ?? []).compactMap { $0 }.map { ($0.id, $0) }) { first, _ in first }
        let getters: [HTTPGetter?] = ring.members.map { member in
            guard member.id != selfID, let peerURL = byID[member.id] else { return nil }
            if let getter = former[member.id], getter.url == peerURL { return getter }
            return HTTPGetter(
                url: peerURL,
                id: member.id,
                dialect: dialect,
                configuration: configuration.client,
                maximumValueSize: configuration.limits.valueSize,
                credentials: credentials,
                stream: PeerStream(leases, promise: configuration.promise),
                eventLoopGroup: eventLoopGroup
            )
        }
        let warming = Warming(after: old, ring: ring, getters: getters, for: configuration.warmTime, now: .now())
        // Who has left, and hands over, is to know by which ring it is asked, too.
        for getter in getters + warming.changes.flatMap(\.getters) { getter?.setRing(ring.version) }
        return Members(
            ring: ring,
            getters: getters,
            url: url,
            selfIndex: selfID.flatMap { ring.index(of: $0) },
            warming: warming
        )
    }
}

/// The members of now, and how often they were others: who has looked once can see without a lock whether it would see the same.
final class CurrentMembers: Sendable {
    private let members: NIOLockedValueBox<Members>
    private let count = Atomic<UInt64>(0)

    init(_ members: Members) { self.members = NIOLockedValueBox(members) }

    /// How often they have changed.
    var changes: UInt64 { self.count.load(ordering: .acquiring) }

    func withLockedValue<R>(_ body: (Members) throws -> R) rethrows -> R { try self.members.withLockedValue { try body($0) } }

    /// Puts others in their place.
    func update<R>(_ body: (inout Members) throws -> R) rethrows -> R {
        try self.members.withLockedValue { members in
            // Before the lock is let go: nobody acts by the new ones while others still see that nothing has changed.
            defer { self.count.wrappingAdd(1, ordering: .releasing) }
            return try body(&members)
        }
    }
}

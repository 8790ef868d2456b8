// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// What the connections of a pool, its routes and the pool itself share.
final class PoolCore: Sendable {
    let configuration: HTTPPool.Configuration
    let logger: Logger
    let groups = NIOLockedValueBox(GroupTable())
    /// Ring and peers, swapped as one.
    let members: CurrentMembers
    /// What a source of members says; `nil`: there is none.
    let membership = NIOLockedValueBox<HTTPPool.Membership?>(nil)
    let counters = Counters()
    let isDraining = Atomic(false)
    /// Until when this node may act as an owner. Locks of members, groups and shards are taken inside its own.
    let fence = NIOLockedValueBox(OwnerFence())
    /// ``OwnerFence/until`` of it; the largest: nobody fences this node.
    let actsUntil = Atomic(Int64.max)
    /// By which this pool is told from any other.
    let life = UInt64.random(in: 1 ... .max)
    /// What is to be done when the last request is answered.
    let lastWords = NIOLockedValueBox<[@Sendable () async -> Void]>([])
    let basePath: String
    let routes: RouteTable
    let credentials: Credentials
    /// Of unfinished request bodies.
    let bodies: BodyBudget
    /// Values that are too large for the links they were loaded for.
    let handovers: NIOLockedValueBox<Handovers>
    /// Of connections that are at work on something.
    let places: WorkPlaces
    /// Of those who watch.
    let watchPlaces: WorkPlaces
    /// How the members change.
    let memberLog: MemberLog
    /// Pages of which origins may read.
    let crossOrigin: CrossOrigin
    /// `nil`: no request is logged.
    let accessLog: AccessLog?
    /// Which rings peers have shown.
    private let rings = NIOLockedValueBox(RingWatch())
    /// Under which names this node may be asked to change something.
    let hosts: HostList
    /// What each connection is held to.
    let limits: RequestParser.Limits
    let deadlines: Deadlines.Limits
    /// What this node changes; `nil`: its peers cannot follow it.
    let feed: ChangeFeed?
    /// What copies of its peers' entries are served by; `nil`: it cannot follow them.
    let leases: CopyLeases?
    /// Which sets of peers are not to be made any more.
    let turns = SetTurns()
    /// Up to where this node had changed something when it heard that a peer goes by another ring; the greatest number: all go by its own.
    let otherRingSince = Atomic(UInt64.max)
    /// Whether somebody follows the peers.
    let isFollowing = Atomic(false)
    /// How many changes callers of this node have made, wherever.
    let changesMade = Atomic<UInt64>(0)
    /// Members that have gone. Its lock is taken inside that of ``members``.
    let departed = NIOLockedValueBox(Departed())
    /// Those of them that may still be asked what they have, and until when.
    let leaving = NIOLockedValueBox<[(getter: HTTPGetter, until: NIODeadline)]>([])
    /// When the first group came, in nanoseconds; 0: none has. The largest: that the pool is not run has been said.
    private let firstGroup = Atomic<UInt64>(0)
    /// There may be others than before.
    let peersChanged = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    /// This node may own keys that it did not own before.
    let keysMoved = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    /// Those who ask which keys of theirs this node holds.
    let movings = NIOLockedValueBox(Movings())
    /// Whose timers wait for what belongs to no connection.
    let eventLoop: any EventLoop

    /// - Throws: ``GroupCacheError/Code/invalidConfiguration``.
    init(
        configuration: HTTPPool.Configuration,
        logger: Logger,
        members: Members,
        credentials: Credentials,
        leases: CopyLeases?,
        eventLoop: any EventLoop
    ) throws(GroupCacheError) {
        self.hosts = try HostList(configuration.allowedHosts)
        self.crossOrigin = try CrossOrigin(configuration.corsOrigins)
        self.accessLog = AccessLog(rate: configuration.accessLog, logger: logger)
        self.watchPlaces = WorkPlaces(limit: configuration.limits.watchers)
        self.eventLoop = eventLoop
        self.memberLog = MemberLog(eventLoop: eventLoop)
        self.configuration = configuration
        self.logger = logger
        self.leases = leases
        self.feed = leases == nil ? nil : ChangeFeed(promise: configuration.promise, eventLoop: eventLoop, logger: logger)
        self.peersChanged.continuation.yield()
        self.keysMoved.continuation.yield()
        self.members = CurrentMembers(members)
        self.credentials = credentials
        self.basePath = configuration.dialect.basePath
        self.routes = RouteTable(dialect: configuration.dialect, publicRoutes: configuration.publicRoutes)
        let limits = configuration.limits
        self.bodies = BodyBudget(limit: limits.bodies)
        self.handovers = NIOLockedValueBox(Handovers(limit: max(64 << 20, limits.valueSize)))
        self.places = WorkPlaces(connections: limits.connections)
        self.limits = .init(headSize: limits.headSize, targetSize: limits.targetSize, headerCount: limits.headerCount)
        self.deadlines = .init(configuration.server)
        self.memberLog.update { self.memberNodes() }
    }

    /// Nobody is told anything more but what is in the logs.
    func closeLogs() {
        self.feed?.close()
        self.memberLog.log.close()
    }

    /// Keeps what was loaded for a link that cannot carry it.
    ///
    /// - Returns: the number by which it is fetched once; 0: it is not kept.
    func handOver(_ outcome: Handovers.Outcome) -> UInt64 {
        let number = UInt64.random(in: 1 ... .max)
        let now = NIODeadline.now()
        return self.handovers.withLockedValue { $0.put(outcome, as: number, now: now) } ? number : 0
    }

    /// What was kept under a number; `nil`: it was fetched, or its time is over.
    func fetch(_ number: UInt64) -> Handovers.Outcome? {
        let now = NIODeadline.now()
        return self.handovers.withLockedValue { $0.take(number, now: now) }
    }

    /// There is a group.
    func noteGroup(now: NIODeadline) {
        _ = self.firstGroup.compareExchange(expected: 0, desired: max(1, now.uptimeNanoseconds), ordering: .relaxed)
    }

    /// Whether it is to be said now that nobody runs the pool: there has been a group for five seconds.
    func isForgotten(now: NIODeadline) -> Bool {
        let first = self.firstGroup.load(ordering: .relaxed)
        guard first != 0, first != .max, now.uptimeNanoseconds >= first + 5_000_000_000 else { return false }
        return self.firstGroup.compareExchange(expected: first, desired: .max, ordering: .relaxed).exchanged
    }

    /// A peer has shown the version of its ring.
    func note(ring version: UInt64) {
        let own = self.members.withLockedValue { $0.ring.version }
        guard version != own else { return }
        self.counters.ringDisagreements.wrappingAdd(1, ordering: .relaxed)
        let time = self.rings.withLockedValue { $0.note(version, own: own, now: .now()) }
        guard let time else { return }
        self.logger.warning(
            "peers go by another ring than this node, so that some keys have two owners: are the lists of peers the same everywhere?",
            metadata: ["seconds": "\(time.nanoseconds / 1_000_000_000)"]
        )
    }

    /// Whether what a former owner's keys have here may be kept for all of its time by who goes by the ring of this version.
    ///
    /// As long as a node drains it makes changes as their owner, and tells those of whom it knows that they come after it. By another ring that may be
    /// somebody else.
    func handsOver(to ring: UInt64) -> Bool {
        if !self.isDraining.load(ordering: .relaxed) { return true }
        let members = self.members.withLockedValue { $0 }
        return ring == members.ring.version || ring == members.heirsVersion
    }

    /// Rings that have differed from ours for a while, and for how many seconds.
    var lastingRings: [(version: UInt64, seconds: Int)] {
        let own = self.members.withLockedValue { $0.ring.version }
        let now = NIODeadline.now()
        return self.rings.withLockedValue { $0.lasting(own: own, now: now) }
            .map { ($0.version, Int((now - $0.since).nanoseconds / 1_000_000_000)) }
    }

    /// Counters that any event loop adds to.
    struct Counters: ~Copyable {
        let connections = Atomic(0)
        let accepted = Atomic(0)
        let refusedConnections = Atomic(0)
        let failedAccepts = Atomic(0)
        let failedHandshakes = Atomic(0)
        let unauthorizedRequests = Atomic(0)
        let refusedRequests = Atomic(0)
        let timeouts = Atomic(0)
        let ringDisagreements = Atomic(0)
    }
}

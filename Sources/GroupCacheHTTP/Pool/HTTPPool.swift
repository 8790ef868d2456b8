// SPDX-License-Identifier: Apache-2.0

public import GroupCache
internal import Informers
public import Logging
internal import NIOConcurrencyHelpers
public import NIOCore
public import NIOPosix
public import ServiceLifecycle
internal import Synchronization

/// This node among its peers: it serves the groups that are registered with it, and tells them which peer owns a key.
///
/// One pool is server and client at once, as in golang/groupcache. Give it to groups as their `peers`, and run it, usually in a
/// `ServiceGroup`:
/// ```swift
/// let pool = try HTTPPool(configuration: configuration)
/// let scores = try Group<Score>("scores", capacity: .mebibytes(64), peers: pool) { … }
/// try await ServiceGroup(services: [pool], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
public final class HTTPPool: PeerPicker, Service, Sendable {
    /// What the pool was made with.
    public let configuration: Configuration

    let core: PoolCore
    let eventLoopGroup: any EventLoopGroup
    private let bound = OneShot<SocketAddress>()
    private let hasRun = Atomic(false)
    /// Held while the ring changes.
    private let changing = NIOLock()

    /// Checks everything and opens nothing.
    ///
    /// - Parameters:
    ///   - configuration: where it listens, who its peers are, and all the rest.
    ///   - logger: told where the pool listens, of peers that go and come, of rings that differ, and, for groups that have none of their own, of getters
    ///     that fail and old values that are served: at `notice` and `warning`, without keys. `nil`: nobody is.
    ///   - eventLoopGroup: whose threads do the work.
    /// - Throws: ``/GroupCache/GroupCacheError/Code/invalidConfiguration``, with one clear line: a setting out of its range, a malformed
    ///   or repeated URL, a node that is not among its peers.
    public init(
        configuration: Configuration = Configuration(),
        logger: Logger? = nil,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) throws(GroupCacheError) {
        try configuration.validate()
        let credentials = try Credentials(
            tls: configuration.tls,
            tokenFile: configuration.tokenFile,
            tokenReads: configuration.tokenReads
        )
        self.configuration = configuration
        self.eventLoopGroup = eventLoopGroup
        let url: PeerURL? =
            if let advertise = configuration.advertise {
                try PeerURL(advertise)
            } else if let listen = configuration.listen, listen.port != 0 {
                try PeerURL(configuration.url(host: listen.host, port: listen.port))
            } else {
                nil
            }
        if url != nil, configuration.listen == nil {
            throw GroupCacheError(.invalidConfiguration, "a pool that does not listen has no URL to advertise")
        }
        if let url, configuration.tls != nil, !url.isSecure {
            throw GroupCacheError(.invalidConfiguration, "this node speaks TLS, but its URL, \(url.string), does not begin with https://")
        }
        try url?.checkServed()
        let leases = configuration.client.usesLinks(configuration.dialect) ? CopyLeases() : nil
        let members = try Members.make(
            configuration.peers,
            url: url,
            configuration: configuration,
            credentials: credentials,
            leases: leases,
            eventLoopGroup: eventLoopGroup,
            old: nil
        )
        let silent = Logger(label: "groupcache") { _ in SwiftLogNoOpLogHandler() }
        self.core = try PoolCore(
            configuration: configuration,
            logger: logger ?? silent,
            members: members,
            credentials: credentials,
            leases: leases,
            eventLoop: eventLoopGroup.next()
        )
        self.warn(of: configuration.peers)
    }

    /// Go's nodes compare ids byte for byte: one that is not in its normal form is a trap for whoever writes it differently elsewhere.
    private func warn(of peers: [Peer]) {
        let dialect = self.configuration.dialect
        for case let url? in peers.map({ try? PeerURL($0.url) }) where url.id(dialect) != url.normalID(dialect) {
            self.core.logger.warning(
                "a peer's id in the ring is the text as given, which has to be the same on every node, and is not in its normal form",
                metadata: ["id": "\(url.id(dialect))", "normal": "\(url.normalID(dialect))"]
            )
        }
    }

    // MARK: Peers

    /// The ring of now.
    public var ring: HashRing { self.core.members.withLockedValue { $0 }.ring }

    /// This node's URL, normalised; `nil` while it is not known (port 0, before ``run()`` has bound), and for a pool that does not listen.
    public var url: String? { self.core.members.withLockedValue { $0 }.url?.string }

    /// Replaces the ring and the peers, at any time. Connections to peers that are gone are closed when they are done.
    ///
    /// - Parameters:
    ///   - peers: all nodes, this one among them; empty: this node is alone.
    ///   - selfURL: this node's URL, if that is new.
    /// - Throws: ``/GroupCache/GroupCacheError/Code/invalidConfiguration``; then nothing has changed.
    public func setPeers(_ peers: [Peer], self selfURL: String? = nil) throws(GroupCacheError) {
        let url: PeerURL? = if let selfURL { try PeerURL(selfURL) } else { nil }
        try url?.checkServed()
        try self.replaceMembers { old throws(GroupCacheError) in
            try Members.make(
                peers,
                url: url ?? old.url,
                configuration: self.configuration,
                credentials: self.core.credentials,
                leases: self.core.leases,
                eventLoopGroup: self.eventLoopGroup,
                old: old
            )
        }
        self.warn(of: peers)
    }

    /// Puts what `make` makes of the members in their place. Whoever asks meanwhile is not held up: to make a ring takes milliseconds.
    func replaceMembers(_ make: (Members) throws(GroupCacheError) -> Members) throws(GroupCacheError) {
        // One change after the other, with what the groups make of it: were the ring changed back while they still look, they would find
        // nothing moved, though others may have changed it meanwhile. No other lock is held here, and none that is taken below waits for this one.
        self.changing.lock()
        defer { self.changing.unlock() }
        let (old, members, gone, hasNew, unheard) = try self.exchangeMembers(make)
        let isChanged = old.ring.version != members.ring.version || old.selfIndex != members.selfIndex
        self.leave(gone)
        self.core.memberLog.update { self.core.memberNodes() }
        // Also of one that is only reached by another address now.
        if hasNew { self.core.peersChanged.continuation.yield() }
        // A list that is repeated costs no look at every entry.
        guard isChanged else { return }
        self.ownersChanged()
        self.core.passOn(unheard, after: old)
    }

    /// - Returns: what was there, what is there now, who has gone, whether somebody has come, and what those who have gone have not heard.
    private func exchangeMembers(
        _ make: (Members) throws(GroupCacheError) -> Members
    ) throws(GroupCacheError) -> (old: Members, new: Members, gone: [HTTPGetter], hasNew: Bool, unheard: [Change]) {
        while true {
            let old = self.core.members.withLockedValue { $0 }
            let members = try make(old)
            let (before, now) = (old.getters.compactMap { $0 }, members.getters.compactMap { $0 })
            let (kept, known) = (Set(now.map(ObjectIdentifier.init)), Set(before.map(ObjectIdentifier.init)))
            let gone = before.filter { !kept.contains(ObjectIdentifier($0)) }
            let new = now.filter { !known.contains(ObjectIdentifier($0)) }
            let unheard = self.core.members.update { current -> [Change]? in
                // A fence that ended meanwhile, say, begins to warm up: that is not to be lost.
                guard current === old else { return nil }
                current = members
                // In one step with the list: nobody asks a member that comes back before it is known what it has to hear first.
                return self.core.swap(gone, for: new)
            }
            if let unheard { return (old, members, gone, !new.isEmpty, unheard) }
        }
    }

    /// What those who have gone hold they may hand over for a while, if somebody sees to it that their connections end.
    private func leave(_ gone: [HTTPGetter]) {
        guard self.sweeps, self.configuration.warmTime > .zero else { return gone.forEach { $0.close() } }
        let until = NIODeadline.now() + .init(self.configuration.warmTime)
        self.core.leaving.withLockedValue { $0 += gone.map { ($0, until) } }
    }

    /// - Parameter now: `nil`: nobody is to be asked any more.
    private func closeLeft(_ now: NIODeadline?) {
        let left = self.core.leaving.withLockedValue { leaving in
            defer { leaving.removeAll { $0.until <= now ?? .distantFuture } }
            return leaving.filter { $0.until <= now ?? .distantFuture }
        }
        for (getter, _) in left { getter.close() }
    }

    /// The node that owns `key`, whether or not it can be reached. O(1) expected; does not block.
    ///
    /// A node that may not act as an owner, since its lease is over or it is not ready, takes its keys for those of the node that comes after it.
    public func pickOwner(of key: Key) -> (any PeerGetter)? {
        let members = self.core.members.withLockedValue { $0 }
        if let owner = members.owner(of: key.bytes.span) { return owner }
        guard self.core.isFenced else { return nil }
        return members.nextOwner(of: key.bytes.span) ?? NoOwner.shared
    }

    /// Where to ask for `key`: its owner, or who stands in for it, and the node after that, unless it is this one. O(1) expected; does not
    /// block. A node that is not to be reached is passed over in well under a microsecond.
    public func pickPeer(for key: Key) -> PeerRoute {
        if !self.hasRun.load(ordering: .relaxed) { self.noteNotRun() }
        let members = self.core.members.withLockedValue { $0 }
        let route = members.route(key.bytes.span)
        return route.owner == nil && self.core.isFenced ? members.routeAround(key.bytes.span) : route
    }

    /// Tells every other node but the key's owner to drop what it holds, in the dialects whose nodes can be told and have no other way to hear of it.
    ///
    /// - Throws: ``/GroupCache/GroupCacheError/Code/peerFailed`` with the ids of those that have not heard;
    ///   ``/GroupCache/GroupCacheError/Code/unsupported`` in the dialects that have no word for it.
    public func changed(_ request: PeerRequest) async throws(GroupCacheError) {
        let dialect = self.configuration.dialect
        self.core.changesMade.wrappingAdd(1, ordering: .relaxed)
        guard dialect != .native else { return }
        let members = self.core.members.withLockedValue { $0 }
        let owner = members.owner(of: request.key.bytes.span)
        let others = members.getters.compactMap { $0 }.filter { $0 !== owner }
        if others.isEmpty { return }
        guard dialect.canWrite else {
            throw GroupCacheError(
                .unsupported,
                "the change is made here, but nodes that speak \(dialect) cannot be told of it, and may serve what they hold"
            )
        }
        var request = request
        request.timeout = min(request.timeout ?? Self.tellingTime, Self.tellingTime)
        let deaf: [String] = await withTaskGroup(of: String?.self) { [request] tasks in
            for other in others {
                tasks.addTask {
                    do throws(GroupCacheError) {
                        try await other.remove(request)
                        return nil
                    } catch {
                        return other.id
                    }
                }
            }
            return await tasks.reduce(into: [String]()) { deaf, id in if let id { deaf.append(id) } }
        }
        if deaf.isEmpty { return }
        throw GroupCacheError(
            .peerFailed,
            "the owner has the change, but these nodes have not heard of it, and may serve what they hold: \(deaf.sorted().joined(separator: ", "))"
        )
    }

    /// How long a node may take to hear of a change that is made already.
    private static let tellingTime = Duration.seconds(5)

    /// Which node owned `key` until a moment ago; see ``Configuration/warmTime``. O(1) expected; does not block.
    public func formerOwner(of key: Key) -> (any PeerGetter)? {
        guard let former = self.core.members.withLockedValue({ $0 }).formerOwner(of: key.bytes.span, now: .now()) else { return nil }
        return self.core.isFenced ? nil : former
    }

    /// Makes `group` answer to peers, and to clients on the public routes.
    ///
    /// - Throws: ``/GroupCache/GroupCacheError/Code/duplicateGroup``, or ``/GroupCache/GroupCacheError/Code/invalidConfiguration`` when its
    ///   name is not 1 to 128 characters of `A-Z a-z 0-9 . _ -`.
    public func register(_ group: any PeerServing) throws(GroupCacheError) {
        var failure: GroupCacheError?
        self.core.groups.withLockedValue { table in
            do throws(GroupCacheError) {
                try table.insert(group)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        self.core.fence(group)
        self.core.noteGroup(now: .now())
    }

    /// Counters.
    public var statistics: Statistics {
        var statistics = Statistics()
        statistics.connections = self.core.counters.connections.load(ordering: .relaxed)
        statistics.accepted = self.core.counters.accepted.load(ordering: .relaxed)
        statistics.refusedConnections = self.core.counters.refusedConnections.load(ordering: .relaxed)
        statistics.failedAccepts = self.core.counters.failedAccepts.load(ordering: .relaxed)
        statistics.failedHandshakes = self.core.counters.failedHandshakes.load(ordering: .relaxed)
        statistics.unauthorizedRequests = self.core.counters.unauthorizedRequests.load(ordering: .relaxed)
        statistics.refusedRequests = self.core.counters.refusedRequests.load(ordering: .relaxed)
        statistics.timeouts = self.core.counters.timeouts.load(ordering: .relaxed)
        statistics.ringDisagreements = self.core.counters.ringDisagreements.load(ordering: .relaxed)
        statistics.lastingRingDisagreements = self.core.lastingRings.count
        statistics.working = self.core.places.count
        statistics.watchers = self.core.watchPlaces.count
        statistics.changes = Int(clamping: self.core.position.sequence)
        statistics.followers = self.core.feed?.followers.count ?? 0
        let streams = self.core.members.withLockedValue { $0 }.getters.compactMap { $0?.standing.stream }
        statistics.followed = streams.count(where: \.isHeard)
        statistics.undelivered = streams.reduce(0) { $0 + $1.unheard }
        return statistics
    }

    /// What this node knows of its peers' health, by id.
    var peerHealth: [String: PeerHealth.Snapshot] {
        let getters = self.core.members.withLockedValue { $0 }.getters.compactMap { $0 }
        return Dictionary(uniqueKeysWithValues: getters.map { ($0.id, $0.standing.health.snapshot) })
    }

    /// Whether the pool is stopping.
    public var isDraining: Bool { self.core.isDraining.load(ordering: .relaxed) }

    // MARK: Running

    /// The address that the pool listens on; suspends until it does.
    ///
    /// - Throws: ``/GroupCache/GroupCacheError/Code/shutDown`` when ``run()`` has ended, or could not begin, or the pool does not listen;
    ///   ``/GroupCache/GroupCacheError/Code/cancelled``.
    public var boundAddress: SocketAddress {
        get async throws(GroupCacheError) { try await self.bound.value }
    }

    /// Listens and serves until the service group shuts down gracefully, then finishes what runs; or until the task is cancelled, then
    /// stops at once.
    ///
    /// - Throws: ``/GroupCache/GroupCacheError/Code/invalidConfiguration`` when other machines can reach the address and could change what
    ///   is cached without proving anything (see ``Configuration/insecure``), or when it cannot be bound, with the system's error as its
    ///   cause; ``/GroupCache/GroupCacheError/Code/shutDown`` when called twice.
    public func run() async throws {
        guard !self.hasRun.exchange(true, ordering: .sequentiallyConsistent) else {
            throw GroupCacheError(.shutDown, "a pool runs once")
        }
        defer {
            self.bound.finish(.failure(GroupCacheError(.shutDown, "the pool has stopped")))
            for getter in self.core.members.withLockedValue({ $0 }).getters { getter?.close() }
            self.closeLeft(nil)
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask {
                await self.core.credentials.watch(every: self.configuration.credentialsInterval, logger: self.core.logger)
            }
            tasks.addTask { await self.sweep() }
            tasks.addTask { await self.follow() }
            tasks.addTask { await self.moveIn() }
            // Their signs of life.
            tasks.addTask { await self.core.memberLog.log.run() }
            if let feed = self.core.feed { tasks.addTask { await feed.log.run() } }
            let result: Result<Void, any Error>
            do { result = .success(try await self.serve()) } catch { result = .failure(error) }
            if self.isDraining, !Task.isCancelled { await self.handOutboxesOn() }
            await self.sayLastWords()
            try result.get()
        }
    }

    /// Where nothing is inserted, and nobody reads statistics, entries would stay for ever after their time.
    ///
    /// By a timer of an event loop: `Task.sleep` wakes up Dispatch, which counts its threads by opening files of theirs, and ends the process when
    /// there are no file descriptors left.
    private func sweep() async {
        let eventLoop = self.eventLoopGroup.next()
        var notices = PeerNotices()
        while !Task.isCancelled {
            let second = eventLoop.scheduleTask(in: .seconds(1)) {}
            let isOver = await withTaskCancellationHandler {
                (try? await second.futureResult.get()) != nil
            } onCancel: {
                second.cancel()
            }
            guard isOver else { return }
            self.core.handovers.withLockedValue { $0.expire(.now()) }
            self.closeLeft(.now())
            self.note(peers: &notices)
            for group in self.core.groups.withLockedValue({ $0.groups }) { group.sweep() }
        }
    }

    /// Reads the files of certificates, key and tokens again; new connections and requests go by them. ``run()`` does so by itself once in
    /// a while. Blocks the calling thread while it reads.
    ///
    /// - Throws: ``/GroupCache/GroupCacheError/Code/invalidConfiguration``, with one line on which file is of no use; then the old ones stay
    ///   in force.
    public func reloadCredentials() throws(GroupCacheError) {
        try self.core.credentials.reload()
    }

    private func serve() async throws {
        guard let listen = self.configuration.listen else {
            self.bound.finish(.failure(GroupCacheError(.shutDown, "the pool does not listen")))
            try? await gracefulShutdown()
            self.core.isDraining.store(true, ordering: .relaxed)
            return
        }
        let server = HTTPServer(self.core, eventLoopGroup: self.eventLoopGroup)
        let address: SocketAddress
        do {
            try self.configuration.checkExposure()
            address = try await server.bind(listen)
        } catch {
            let failure =
                error as? GroupCacheError
                ?? GroupCacheError(
                    .invalidConfiguration,
                    "cannot listen on \(listen.host):\(listen.port): \(Self.reason(error))",
                    cause: error
                )
            self.bound.finish(.failure(failure))
            throw failure
        }
        do {
            try self.learnURL(listen, port: address.port ?? listen.port)
        } catch {
            await server.stop()
            throw error
        }
        // Others can ask only from now on, however long ago the pool was made.
        self.core.members.update { $0 = $0.warmed(for: self.configuration.warmTime, now: .now()) }
        if self.configuration.tokenFile != nil, self.configuration.tls == nil, !listen.isLoopback {
            self.core.logger.warning("without TLS anybody on the way can read the token")
        }
        self.noteListening(on: address)
        self.bound.finish(.success(address))
        await server.serve()
    }

    /// With port 0 the node learns its URL only now.
    private func learnURL(_ listen: Configuration.Address, port: Int) throws(GroupCacheError) {
        guard self.configuration.advertise == nil, listen.port == 0 else { return }
        let url = try PeerURL(self.configuration.url(host: listen.host, port: port))
        try self.replaceMembers { old throws(GroupCacheError) in
            // setPeers may have said it meanwhile.
            guard old.url == nil else { return old }
            return Members(ring: old.ring, getters: old.getters, url: url, selfIndex: nil, warming: old.warming)
        }
    }
}

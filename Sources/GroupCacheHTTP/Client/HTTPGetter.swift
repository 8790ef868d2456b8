// SPDX-License-Identifier: Apache-2.0

public import GroupCache
internal import NIOConcurrencyHelpers
public import NIOCore
public import NIOPosix
internal import Synchronization

/// A peer that is asked over HTTP/1.1. A pool makes one for each peer; it is also of use alone.
///
/// Connections are kept per event loop and carry one request at a time, since other implementations need not understand pipelining. A
/// request that fails on a kept connection before any byte of its answer came is sent once more over a new one; nothing else is repeated.
public final class HTTPGetter: PeerGetter, Sendable {
    /// The identity of the peer in the ring: what ``HTTPPool/Peer/id`` says, else its URL, in groupcache-go's dialect `host:port`.
    public let id: String

    let url: PeerURL
    private let configuration: HTTPPool.Configuration.Client
    /// How long a request may take.
    private let requestTime: TimeAmount?
    /// How long a connection may take to come about, in milliseconds.
    private let connectTime: Int64
    let standing: PeerStanding
    let lanes: [PeerLane]
    /// Beside each lane, on the same loop; empty when the peer is not to be asked over links.
    let links: [PeerLane]
    private let eventLoopGroup: any EventLoopGroup
    private let nextLane = Atomic<Int>(0)
    private let isClosed = Atomic(false)
    /// Whether nothing can be asked any more.
    var isOver: Bool { self.isClosed.load(ordering: .relaxed) }

    /// A getter for the peer at `url`. Reads the files that `tls` and `tokenFile` name, once.
    ///
    /// - Throws: ``/GroupCache/GroupCacheError/Code/invalidConfiguration``.
    public convenience init(
        url: String,
        dialect: Dialect = .native,
        configuration: HTTPPool.Configuration.Client = .init(),
        maximumValueSize: Int = 8 << 20,
        tls: HTTPPool.Configuration.TLS? = nil,
        tokenFile: String? = nil,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) throws(GroupCacheError) {
        try configuration.validate()
        let url = try PeerURL(url)
        try url.checkAsked()
        self.init(
            url: url,
            dialect: dialect,
            configuration: configuration,
            maximumValueSize: maximumValueSize,
            credentials: try Credentials(tls: tls, tokenFile: tokenFile),
            eventLoopGroup: eventLoopGroup
        )
    }

    init(
        url: PeerURL,
        id: String? = nil,
        dialect: Dialect,
        configuration: HTTPPool.Configuration.Client,
        maximumValueSize: Int,
        credentials: Credentials,
        stream: PeerStream = PeerStream(nil, promise: .zero),
        eventLoopGroup: any EventLoopGroup
    ) {
        self.standing = PeerStanding(stream)
        self.id = id ?? url.id(dialect)
        self.url = url
        self.configuration = configuration
        self.requestTime = configuration.requestTime(dialect)
        self.connectTime = TimeAmount(configuration.connectTimeout).nanoseconds / 1_000_000
        let settings = PeerLane.Settings(
            url: url,
            dialect: dialect,
            client: configuration,
            maximumValueSize: maximumValueSize,
            standing: self.standing,
            credentials: credentials
        )
        self.eventLoopGroup = eventLoopGroup
        self.lanes = eventLoopGroup.makeIterator().map { PeerLane(settings, eventLoop: $0) }
        self.links = configuration.usesLinks(dialect) ? self.lanes.map { PeerLane(settings, eventLoop: $0.eventLoop, linkBeside: $0) } : []
    }

    /// Whoever forgets ``close()`` must not leave connections behind: a link is opened again for ever.
    deinit { self.close() }

    // MARK: Asking

    /// Asks for a value and returns at once: see ``/GroupCache/PeerGetter/start(_:tag:for:)``.
    public func start(_ request: PeerRequest, tag: Int, for caller: any PeerCaller) -> (any PeerTicket)? {
        // What is repeated because another peer failed must not double the load of this one.
        if request.isRepeated, !self.standing.health.mayRetry() {
            caller.peerAnswered(tag, .failure(GroupCacheError(.peerFailed, "too many requests are being repeated")))
            return nil
        }
        return self.start(.peer(.get, request), tag: tag, for: caller, timeout: request.milliseconds)
    }

    /// Asks for the values of many keys and returns at once: over a link in messages of at most a thousand keys, else by one GET a key.
    public func start(_ keys: [Key], of request: PeerBatch, for caller: any PeerCaller) -> (any PeerTicket)? {
        let limit = LinkLimits().keysPerRequest
        let timeout = request.timeout.map { max(0, TimeAmount($0).nanoseconds / 1_000_000) } ?? -1
        if keys.count <= limit { return self.start(.many(keys, request), tag: 0, for: caller, timeout: timeout) }
        return PeerTickets(
            stride(from: 0, to: keys.count, by: limit).compactMap { first in
                let some = Array(keys[first..<min(first + limit, keys.count)])
                return self.start(.many(some, request), tag: first, for: caller, timeout: timeout)
            }
        )
    }

    /// - Parameters:
    ///   - timeout: in milliseconds; negative: as long as a request may take.
    ///   - isProbe: also of a peer that is down.
    private func start(
        _ kind: consuming PeerCall.Kind,
        tag: Int,
        for caller: any PeerCaller,
        timeout: Int64,
        isProbe: Bool = false
    ) -> PeerCall? {
        // It would answer with what it has yet to hear is old.
        if self.standing.stream.owesNews, kind.isAboutValues {
            for index in 0..<kind.count { caller.peerAnswered(tag + index, .failure(PeerCall.owesNews)) }
            return nil
        }
        let isSet = kind.isSet
        let now = NIODeadline.now()
        let timeout: TimeAmount? = timeout < 0 ? nil : .milliseconds(timeout)
        let usual = self.requestTime ?? HTTPPool.Configuration.Client.requestTime(of: timeout)
        if let link = self.link(now, for: kind) {
            // All of the caller's time: a link finds out by itself, and soon, that its peer is dead. Only who asks a node that peeks waits no longer
            // than a request may take, and is to have the getter's answer in that time.
            let limit = kind.isPeek ? .nanoseconds(min(timeout ?? usual, usual).nanoseconds / 2) : timeout ?? usual
            // A request without time fails in the lane, which knows how to tell its caller.
            let deadline = now + limit
            let call = PeerCall(kind, tag: tag, for: caller, by: link, started: now, deadline: deadline, turn: self.nextTurn(isSet))
            link.enqueue(call)
            return call
        }
        if kind.needsLink {
            let isClosed = self.isClosed.load(ordering: .relaxed)
            let refusal = self.links.isEmpty ? PeerCall.needsLink : PeerCall.linkRefused
            caller.peerAnswered(tag, .failure(isClosed ? PeerCall.isGone : refusal))
            return nil
        }
        if kind.isPeek {
            for index in 0..<kind.count { caller.peerAnswered(tag + index, .failure(PeerCall.cannotPeek)) }
            return nil
        }
        // Of a GET nobody can tell whether the peer is dead or its getter slow.
        let isCutShort = timeout.map { $0 > usual } ?? false
        let deadline = now + (isCutShort ? usual : timeout ?? usual)
        let lane = self.lane()
        let admission = self.standing.health.ticket
        let call = PeerCall(
            kind,
            tag: tag,
            for: caller,
            by: lane,
            admission: admission,
            started: now,
            deadline: deadline,
            isCutShort: isCutShort,
            turn: self.nextTurn(isSet)
        )
        if case .many = call.kind {
            lane.take(call)
        } else if admission == nil, call.isGet, !isProbe {
            // Down, and being tried again already: nobody waits for that.
            let isClosed = self.isClosed.load(ordering: .relaxed)
            call.finish(.failure(isClosed ? PeerCall.isGone : LinkDialer.isDown))
        } else {
            lane.enqueue(call)
        }
        return call
    }

    private func nextTurn(_ isSet: Bool) -> UInt64 { isSet ? self.standing.stream.nextSet() : 0 }

    /// Asks for a value.
    public func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry {
        try await self.call(.peer(.get, request), timeout: request.milliseconds)
    }

    /// Stores a value. Throws ``/GroupCache/GroupCacheError/Code/unsupported`` in dialects that cannot.
    public func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError) {
        guard self.dialect.canWrite else { throw Self.cannotWrite }
        _ = try await self.call(.peer(.set(entry), request), timeout: request.milliseconds)
        try await self.finish(request)
    }

    /// Stores a value if a condition holds there. Throws ``/GroupCache/GroupCacheError/Code/unsupported`` in dialects that cannot compare.
    public func set(_ request: PeerRequest, to entry: PeerEntry, if condition: ChangeCondition?) async throws(GroupCacheError) -> SetOutcome
    {
        guard self.lanes[0].settings.dialect.canWrite else { throw Self.cannotWrite }
        let request = try self.conditional(request, condition)
        let answer = try await self.call(.peer(.set(entry), request), timeout: request.milliseconds)
        try await self.finish(request)
        return answer.version == PeerCall.created ? .created : .unknown
    }

    /// Removes a value if a condition holds there. Throws ``/GroupCache/GroupCacheError/Code/unsupported`` in dialects that cannot compare.
    public func remove(_ request: PeerRequest, if condition: ChangeCondition?) async throws(GroupCacheError) {
        guard self.lanes[0].settings.dialect.canWrite else { throw Self.cannotWrite }
        let request = try self.conditional(request, condition)
        _ = try await self.call(.peer(.remove, request), timeout: request.milliseconds)
        try await self.finish(request)
    }

    private func conditional(_ request: PeerRequest, _ condition: ChangeCondition?) throws(GroupCacheError) -> PeerRequest {
        guard let condition else { return request }
        guard self.lanes[0].settings.dialect == .native else {
            throw GroupCacheError(.unsupported, "peers of this dialect cannot compare before they change something")
        }
        // Nothing is one of none, and nobody need be asked.
        if case .matching(let tags) = condition.base, tags.isEmpty { throw .conditionFailed }
        var request = request
        request.condition = condition
        return request
    }

    /// Removes a value. Throws ``/GroupCache/GroupCacheError/Code/unsupported`` in dialects that cannot.
    public func remove(_ request: PeerRequest) async throws(GroupCacheError) {
        guard self.dialect.canWrite else { throw Self.cannotWrite }
        // Who makes a change waits for its former owner. One that is known to be down hears of it when it is back, before it is asked anything.
        if request.terms.role == .former, !self.isUp { throw LinkDialer.isDown }
        _ = try await self.call(.peer(.remove, request), timeout: request.milliseconds)
        try await self.finish(request)
    }

    func call(_ kind: PeerCall.Kind, timeout: Int64) async throws(GroupCacheError) -> PeerEntry {
        let answer = AwaitedAnswer()
        let ticket = self.start(kind, tag: 0, for: answer, timeout: timeout)
        let outcome = await withTaskCancellationHandler {
            await answer.outcome
        } onCancel: {
            ticket?.cancel()
            answer.peerAnswered(0, .failure(.cancelled))
        }
        return try outcome.get()
    }

    /// Closes the connections that are idle, and every other one when it is done. Requests from now on fail with
    /// ``/GroupCache/GroupCacheError/Code/shutDown``.
    public func close() {
        guard !self.isClosed.exchange(true, ordering: .relaxed) else { return }
        for link in self.links { link.close() }
        for lane in self.lanes { lane.close() }
    }

    /// The body of any page of the peer.
    func fetch(_ path: String) async throws(GroupCacheError) -> ByteView {
        try await self.call(.path(path), timeout: 5_000).value
    }

    /// Tells the version of the ring to send along.
    func setRing(_ version: UInt64) {
        self.standing.ringVersion.store(version, ordering: .relaxed)
    }

    private static let cannotWrite = GroupCacheError(
        .unsupported,
        "nodes of this dialect have no word for set or remove: nothing is changed but this node's copy"
    )

    private var dialect: Dialect { self.lanes[0].settings.dialect }

    /// Whether the peer may be asked over a link, as far as is known.
    var hasLinks: Bool { self.links.first?.isRefused(.now()) == false }

    /// Whether there is a link to it just now.
    var isLinked: Bool { self.standing.links.load(ordering: .relaxed) > 0 }

    // MARK: Health

    /// Whether the peer is to be asked. Whoever finds that it is not makes sure that somebody is trying to reach it again.
    var isUp: Bool {
        // Until it has heard what it could not be told, others act for it.
        if self.standing.health.isUp { return !self.standing.stream.owesNews }
        self.probeIfDue()
        return false
    }

    /// Asks whether a peer that was down is up again. No caller waits for the answer.
    private func probeIfDue() {
        guard case .probe(let ticket) = self.standing.health.admit() else { return }
        if let link = self.links.first, !link.isRefused(.now()) {
            // The link tells by itself when it is open, or is lost again; the ticket keeps other callers from probing meanwhile.
            return link.probe()
        }
        let probe = PeerProbe(self.standing.health, ticket)
        // A peer that was silent about a key of its own has to say something about that: a server whose getter hangs answers everything else.
        if let request = self.standing.unanswered.withLockedValue({ $0 }) {
            _ = self.start(.peer(.get, request), tag: 0, for: probe, timeout: request.milliseconds, isProbe: true)
        } else {
            // Whatever a server answers to this, it lives.
            _ = self.start(.path(self.dialect.basePath), tag: 0, for: probe, timeout: self.connectTime)
        }
    }

    // MARK: Lanes

    /// The link to ask over, if there is one. On a loop of the group it is that loop's own, which costs no change of thread.
    private func link(_ now: NIODeadline, for kind: PeerCall.Kind) -> PeerLane? {
        guard let first = self.links.first else { return nil }
        switch kind {
        case .path: return nil
        // A peer of an earlier version would take it for one without a condition.
        case .peer(_, let request) where request.condition != nil: return nil
        case .peer(.set(let entry), _) where entry.value.count > LinkLimits().valueSize: return nil
        case .peer, .many, .changes: break
        }
        var link = first
        if self.links.count > 1 {
            if first.eventLoop.inEventLoop { return first.isRefused(now) ? nil : first }
            let here = self.eventLoopGroup.any()
            if here.inEventLoop {
                link = self.links.first { $0.eventLoop === here } ?? first
            } else if first.busy > 32, let other = self.links.min(by: { $0.busy < $1.busy }) {
                // Few callers keep one link busy, whose messages then carry more than one request each.
                link = other
            }
        }
        return link.isRefused(now) ? nil : link
    }

    /// The first lane while it has nothing to do, so that few callers keep one loop and its connections warm; else the less busy of two
    /// whose turn it is (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
    private func lane() -> PeerLane {
        let first = self.lanes[0]
        if self.lanes.count == 1 || first.busy == 0 { return first }
        let turn = Int(self.nextLane.wrappingAdd(1, ordering: .relaxed).oldValue & 0xFFFF)
        let one = self.lanes[turn % self.lanes.count]
        let other = self.lanes[(turn + 1) % self.lanes.count]
        return one.busy <= other.busy ? one : other
    }
}

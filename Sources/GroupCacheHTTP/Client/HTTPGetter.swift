public import GroupCache
public import NIOCore
public import NIOPosix
internal import Synchronization

/// A peer that is asked over HTTP/1.1. A pool makes one for each peer; it is also of use alone.
///
/// Connections are kept per event loop and carry one request at a time, since other implementations need not understand pipelining. A
/// request that fails on a kept connection before any byte of its answer came is sent once more over a new one; nothing else is repeated.
public final class HTTPGetter: PeerGetter, Sendable {
    /// The identity of the peer in the ring: its URL, in groupcache-go's dialect `host:port`.
    public let id: String

    let url: PeerURL
    private let configuration: HTTPPool.Configuration.Client
    private let lanes: [PeerLane]
    private let nextLane = Atomic<Int>(0)

    /// A getter for the peer at `url`. Reads the files that `tls` and `tokenFile` name, once.
    ///
    /// - Throws: ``GroupCache/GroupCacheError/Code/invalidConfiguration``.
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
        self.init(
            url: try PeerURL(url),
            dialect: dialect,
            configuration: configuration,
            maximumValueSize: maximumValueSize,
            credentials: try Credentials(tls: tls, tokenFile: tokenFile),
            eventLoopGroup: eventLoopGroup
        )
    }

    init(
        url: PeerURL,
        dialect: Dialect,
        configuration: HTTPPool.Configuration.Client,
        maximumValueSize: Int,
        credentials: Credentials,
        eventLoopGroup: any EventLoopGroup
    ) {
        self.id = url.id(dialect)
        self.url = url
        self.configuration = configuration
        let settings = PeerLane.Settings(
            url: url,
            dialect: dialect,
            client: configuration,
            maximumValueSize: maximumValueSize,
            credentials: credentials
        )
        self.lanes = eventLoopGroup.makeIterator().map { PeerLane(settings, eventLoop: $0) }
    }

    /// Asks for a value.
    public func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry {
        try await self.call(.peer(.get, request), timeout: request.timeout)
    }

    /// Stores a value. Throws ``GroupCache/GroupCacheError/Code/unsupported`` in dialects that cannot.
    public func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError) {
        guard self.lanes[0].settings.dialect.canWrite else { throw Self.cannotWrite }
        _ = try await self.call(.peer(.set(entry), request), timeout: request.timeout)
    }

    /// Removes a value. Throws ``GroupCache/GroupCacheError/Code/unsupported`` in dialects that cannot.
    public func remove(_ request: PeerRequest) async throws(GroupCacheError) {
        guard self.lanes[0].settings.dialect.canWrite else { throw Self.cannotWrite }
        _ = try await self.call(.peer(.remove, request), timeout: request.timeout)
    }

    /// Closes the connections that are idle, and every other one when it is done. Requests from now on fail with
    /// ``GroupCache/GroupCacheError/Code/shutDown``.
    public func close() {
        for lane in self.lanes { lane.close() }
    }

    /// The body of any page of the peer.
    func fetch(_ path: String) async throws(GroupCacheError) -> ByteView {
        try await self.call(.path(path), timeout: nil).value
    }

    /// Tells the version of the ring to send along.
    func setRing(_ version: UInt64) {
        for lane in self.lanes { lane.ringVersion.store(version, ordering: .relaxed) }
    }

    private static let cannotWrite = GroupCacheError(.unsupported, "peers of this dialect cannot set or remove")

    private func call(_ kind: PeerCall.Kind, timeout: Duration?) async throws(GroupCacheError) -> PeerEntry {
        let limit = min(timeout ?? self.configuration.requestTimeout, self.configuration.requestTimeout)
        guard limit > .zero else { throw .deadlineExceeded }
        let call = PeerCall(kind, deadline: .now() + .init(limit))
        let lane = self.lane()
        lane.begin()
        defer { lane.end() }
        let outcome = await withTaskCancellationHandler {
            await call.wait { lane.enqueue(call) }
        } onCancel: {
            call.finish(.failure(.cancelled))
            lane.abandon(call)
        }
        return try outcome.get()
    }

    /// The first lane while it has nothing to do, so that few callers keep one loop and its connections warm; else the less busy of two whose
    /// turn it is (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
    private func lane() -> PeerLane {
        let first = self.lanes[0]
        if self.lanes.count == 1 || first.busy == 0 { return first }
        let turn = Int(self.nextLane.wrappingAdd(1, ordering: .relaxed).oldValue & 0xFFFF)
        let one = self.lanes[turn % self.lanes.count]
        let other = self.lanes[(turn + 1) % self.lanes.count]
        return one.busy <= other.busy ? one : other
    }
}

public import GroupCacheHTTP
public import Informers
public import Logging
internal import NIOCore
public import ServiceLifecycle

/// Keeps a pool's ring in step with a source of members, for as long as it runs; put it into the `ServiceGroup` of the pool.
///
/// It waits until the pool listens: a node that cannot be asked has no place in a ring.
public struct Discovery: Service {
    /// How it goes about it.
    public struct Configuration: Sendable {
        /// Between two questions; `nil`: a second for a file, five for DNS.
        public var interval: Duration?
        /// Who this node is in the list; `nil`: whoever has its URL.
        public var nodeID: String?
        /// How the ring follows.
        public var reconciler = RingReconciler.Configuration()

        /// The defaults.
        public init() {}
    }

    private let pool: HTTPPool
    private let name: String
    private let source: any MemberSource
    private let interval: Duration
    private let configuration: Configuration
    private let clock: InformerClock
    private let logger: Logger

    /// The members that a source at `location` lists.
    public init(
        _ location: DiscoveryLocation,
        pool: HTTPPool,
        configuration: Configuration = Configuration(),
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "groupcache")
    ) {
        let source: any MemberSource
        let interval: Duration
        switch location {
        case .file(let path):
            source = FileSource(path: path, clock: clock)
            interval = .seconds(1)
        case .dns(let name, let port):
            source = DNSSource(name: name, port: port, isSecure: pool.configuration.tls != nil)
            interval = .seconds(5)
        }
        self.init(
            source,
            name: location.description,
            interval: configuration.interval ?? interval,
            pool: pool,
            configuration: configuration,
            clock: clock,
            logger: logger
        )
    }

    /// The members that `source` lists.
    ///
    /// - Parameter name: what logs and `/v1/members` call it.
    public init(
        _ source: any MemberSource,
        name: String,
        interval: Duration,
        pool: HTTPPool,
        configuration: Configuration = Configuration(),
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "groupcache")
    ) {
        self.pool = pool
        self.name = name
        self.source = source
        self.interval = interval
        self.configuration = configuration
        self.clock = clock
        self.logger = logger
    }

    /// Until the task is cancelled or the service group shuts down. The ring then stays as it is: a node that drains still answers.
    public func run() async throws {
        try await cancelWhenGracefulShutdown {
            if self.pool.configuration.listen != nil { _ = try await self.pool.boundAddress }
            let reconciler = RingReconciler(
                PoolTarget(self.pool, source: self.name),
                identity: self.identity(),
                configuration: self.configuration.reconciler,
                clock: self.clock,
                logger: self.logger
            )
            let poller = Poller(source: self.source, interval: self.interval, clock: self.clock) { reconciler.take($0) }
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask { await poller.run() }
                tasks.addTask { try? await reconciler.run() }
                await tasks.waitForAll()
            }
        }
    }

    /// Who this node is.
    private func identity() -> NodeIdentity {
        guard let listen = self.pool.configuration.listen else { return NodeIdentity(isServing: false) }
        if let id = self.configuration.nodeID { return NodeIdentity(id: id) }
        guard let url = self.pool.url else { return NodeIdentity() }
        guard self.pool.configuration.advertise == nil, ["0.0.0.0", "::"].contains(listen.host) else { return NodeIdentity(urls: [url]) }
        // It listens on all addresses of the machine, and the list has one of them.
        let devices = (try? NIOCore.System.enumerateDevices()) ?? []
        let port = url.split(separator: ":").last.flatMap { Int($0) } ?? listen.port
        let scheme = self.pool.configuration.tls == nil ? "http" : "https"
        let urls = devices.compactMap(\.address?.ipAddress).filter { !$0.contains("%") }.compactMap { address in
            try? HTTPPool.Peer.canonicalURL("\(scheme)://\(address.contains(":") ? "[\(address)]" : address):\(port)")
        }
        return NodeIdentity(urls: Set(urls).union([url]))
    }
}

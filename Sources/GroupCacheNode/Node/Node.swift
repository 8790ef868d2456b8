internal import GroupCache
internal import GroupCacheDiscovery
internal import GroupCacheHTTP
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle

/// One node: a pool, the groups with their origins, and the client that asks HTTP origins.
///
/// Everything that can be wrong with the settings, missing files included, is found by the initialiser, before a port opens.
struct Node: Sendable {
    let pool: HTTPPool
    let groups: [Group<OriginValue>]
    private let discovery: Discovery?
    private let client: OriginClient
    private let logger: Logger

    /// - Throws: ``CommandError`` or `GroupCacheError` with one line on what is wrong.
    init(_ settings: NodeSettings, logger: Logger) throws {
        var configuration = HTTPPool.Configuration()
        configuration.listen = HTTPPool.Configuration.Address(host: settings.listen.host, port: settings.listen.port)
        configuration.advertise = settings.advertise
        configuration.peers = settings.peers.map { HTTPPool.Peer($0) }
        configuration.dialect = settings.dialect
        configuration.tls = settings.tls
        configuration.tokenFile = settings.tokenFile
        configuration.tokenReads = settings.tokenReads
        configuration.allowedHosts = settings.hosts
        configuration.corsOrigins = settings.corsOrigins
        if let connections = settings.maxConnections { configuration.limits.connections = connections }
        configuration.publicRoutes = true
        configuration.insecure = settings.insecure
        configuration.server.drainDelay = settings.drainDelay
        configuration.server.drainTimeout = settings.drainTimeout
        configuration.warmTime = settings.warmTime
        configuration.promise = settings.promise
        configuration.client.requestTimeout = settings.peerTimeout
        if let size = settings.maxValue {
            configuration.limits.valueSize = size
            // Room for two of them on their way, whatever the default is.
            configuration.limits.bodies = max(configuration.limits.bodies, 2 * (size + 65_536))
        }
        if let size = settings.maxKey { configuration.limits.keySize = size }
        // Origins first: a client that is made has to be shut down, so nothing may fail after it.
        let pool = try HTTPPool(configuration: configuration, logger: logger)
        let tables = try settings.groups.map { try OriginFactory($0.origin) }
        let discovery = try Self.discovery(settings, pool, logger)
        let client = OriginClient(logger: logger)
        do {
            var limits = OriginLimits()
            self.groups = try zip(settings.groups, tables).map { group, origin in
                let getter = origin.getter(client: client, followsElsewhere: group.followsElsewhere)
                return try Self.group(group, limits.limit(of: group.origin), getter: getter, pool: pool, logger: logger)
            }
        } catch {
            client.discard()
            throw error
        }
        self.pool = pool
        self.discovery = discovery
        self.client = client
        self.logger = logger
    }

    /// Serves until a signal, or until `extra` services end it. `started` is called with the node's URL once it listens.
    func run(extra: [ServiceGroupConfiguration.ServiceConfiguration] = [], started: @escaping @Sendable (String) async -> Void) async throws
    {
        let announcement = Announcement(pool: self.pool, started: started)
        var services: [ServiceGroupConfiguration.ServiceConfiguration] =
            [.init(service: self.pool), .init(service: announcement, successTerminationBehavior: .ignore)] + extra
        if let discovery = self.discovery { services.append(.init(service: discovery, successTerminationBehavior: .ignore)) }
        let result: Result<Void, any Error>
        do {
            try await Lifecycle.run(services, logger: self.logger)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try? await self.client.shutdown()
        try result.get()
    }

    /// Gives back what the initialiser took, for a node that is not to run.
    func discard() async throws {
        try await self.client.shutdown()
    }

    private static func discovery(_ settings: NodeSettings, _ pool: HTTPPool, _ logger: Logger) throws(CommandError) -> Discovery? {
        guard let location = settings.discovery else { return nil }
        var configuration = Discovery.Configuration()
        configuration.nodeID = settings.nodeID
        configuration.weight = settings.weight
        configuration.zone = settings.zone
        configuration.reconciler.allowsEmpty = settings.allowsEmpty
        do throws(DiscoveryError) {
            if settings.discoveryTrustRoots != nil || settings.discoveryCertificate != nil || settings.discoveryKey != nil {
                configuration.tls = try SourceTLS(
                    trustRootsFile: settings.discoveryTrustRoots,
                    certificateFile: settings.discoveryCertificate,
                    keyFile: settings.discoveryKey
                )
            }
            return try Discovery(location, pool: pool, configuration: configuration, logger: logger)
        } catch {
            throw CommandError("--discovery \(location): \(error.message)")
        }
    }

    private static func group(
        _ settings: GroupSpecification,
        _ limit: LoadLimit?,
        getter: any Getter<OriginValue>,
        pool: HTTPPool,
        logger: Logger
    ) throws(GroupCacheError) -> Group<OriginValue> {
        var configuration = GroupConfiguration()
        configuration.loads = limit
        configuration.eviction = settings.eviction
        configuration.freshness.ttl = settings.ttl
        configuration.freshness.staleIfError = settings.staleIfError
        configuration.freshness.staleWhileRevalidate = settings.staleWhileRevalidate
        if let standInTTL = settings.standInTTL { configuration.standInTTL = standInTTL }
        if let softTimeout = settings.softTimeout { configuration.freshness.softTimeout = softTimeout }
        configuration.freshness.negative = settings.negativeTTL == .zero ? nil : settings.negativeTTL
        return try Group(
            settings.name,
            capacity: .bytes(settings.capacity),
            configuration: configuration,
            peers: pool,
            logger: logger,
            codec: OriginCodec(),
            getter: getter
        )
    }

    /// Says that the node listens, and ends.
    private struct Announcement: Service {
        let pool: HTTPPool
        let started: @Sendable (String) async -> Void

        func run() async throws {
            let address = try await self.pool.boundAddress
            let host = address.ipAddress.map { $0.contains(":") ? "[\($0)]" : $0 } ?? "127.0.0.1"
            let scheme = self.pool.configuration.tls == nil ? "http" : "https"
            await self.started("\(scheme)://\(host):\(address.port ?? 0)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheAdmin
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
    private let admin: AdminServer?
    private let operations: Operations?
    private let keeper: SnapshotKeeper?
    private let discovery: Discovery?
    private let client: OriginClient
    private let logger: Logger

    /// - Throws: ``CommandError`` or `GroupCacheError` with one line on what is wrong.
    ///
    /// - Parameters:
    ///   - metrics: what the admin port shows of swift-metrics.
    ///   - levels: what it changes of the levels of logs; `nil`: all goes to `logger`.
    init(_ settings: NodeSettings, metrics: PrometheusMetrics? = nil, levels: LogLevels? = nil, logger: Logger) throws {
        // Labels by which levels can be told apart.
        func named(_ part: String) -> Logger { levels == nil ? logger : Logger(label: "groupcache.\(part)") }
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
        configuration.accessLog = settings.accessLog
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
        let pool = try HTTPPool(configuration: configuration, logger: named("http"))
        let tables = try settings.groups.map { try OriginFactory($0.origin) }
        let discovery = try Self.discovery(settings, pool, named("discovery"))
        let snapshots = try Self.snapshots(settings, pool)
        let isOperated = settings.admin != nil || snapshots != nil
        let operations = isOperated ? Operations(pool: pool, snapshots: snapshots, drain: { Lifecycle.stop() }) : nil
        let admin = try settings.admin.map {
            try AdminServer(
                pool: pool,
                operations: operations,
                configuration: $0,
                metrics: metrics,
                levels: levels,
                logger: named("admin")
            )
        }
        let client = OriginClient(logger: named("origin"))
        do {
            var limits = OriginLimits()
            self.groups = try zip(settings.groups, tables).map { group, origin in
                let getter = origin.getter(client: client, followsElsewhere: group.followsElsewhere)
                return try Self.group(
                    group,
                    limits.limit(of: group.origin),
                    getter: getter,
                    pool: pool,
                    logger: named("group.\(group.name)")
                )
            }
        } catch {
            client.discard()
            throw error
        }
        self.pool = pool
        self.admin = admin
        self.operations = operations
        self.keeper = snapshots.flatMap { snapshots in
            operations.map { operations in
                SnapshotKeeper(
                    snapshots: snapshots,
                    operations: operations,
                    every: settings.snapshots?.every,
                    restores: settings.snapshots?.restoreRate ?? 0 > 0,
                    drainTime: settings.drainTimeout,
                    logger: named("snapshots")
                )
            }
        }
        self.discovery = discovery
        self.client = client
        self.logger = logger
    }

    /// Serves until a signal, or until `extra` services end it. `started` is called with the node's URL, and that of its
    /// admin port, once it listens.
    func run(
        extra: [ServiceGroupConfiguration.ServiceConfiguration] = [],
        started: @escaping @Sendable (_ url: String, _ admin: String?) async -> Void
    )
        async throws
    {
        let announcement = Announcement(pool: self.pool, admin: self.admin, started: started)
        var services: [ServiceGroupConfiguration.ServiceConfiguration] =
            [.init(service: self.pool), .init(service: announcement, successTerminationBehavior: .ignore)] + extra
        if let admin = self.admin { services.append(.init(service: admin)) }
        if let discovery = self.discovery { services.append(.init(service: discovery, successTerminationBehavior: .ignore)) }
        // An admin port runs them itself.
        if self.admin == nil, let operations = self.operations { services.append(.init(service: operations)) }
        // The last is the first to be told that the node stops: it writes what there is before the pool drains.
        if let keeper = self.keeper { services.append(.init(service: keeper)) }
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

    private static func snapshots(_ settings: NodeSettings, _ pool: HTTPPool) throws(CommandError) -> Snapshots? {
        guard let kept = settings.snapshots else { return nil }
        do throws(SnapshotError) {
            let name = settings.nodeID ?? "\(settings.listen.host)_\(settings.listen.port)"
            let volume = try Volume(root: kept.folder, kind: "snapshots", name: name)
            try volume.setUp()
            var configuration = Snapshots.Configuration()
            configuration.values = kept.values
            configuration.loadsPerSecond = max(1, kept.restoreRate)
            return Snapshots(volume: volume, pool: pool, configuration: configuration)
        } catch {
            throw CommandError("--snapshots: \(error.description)")
        }
    }

    private static func discovery(_ settings: NodeSettings, _ pool: HTTPPool, _ logger: Logger) throws(CommandError) -> Discovery? {
        guard let location = settings.discovery else { return nil }
        var configuration = Discovery.Configuration()
        configuration.nodeID = settings.nodeID
        configuration.weight = settings.weight
        configuration.zone = settings.zone
        configuration.lease = settings.lease
        configuration.silence = settings.silence
        configuration.reconciler.allowsEmpty = settings.allowsEmpty
        if let name = settings.discoveryUser, let file = settings.discoveryPasswordFile {
            configuration.user = EtcdUser(name: name, passwordFile: file)
        }
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
        if let nearTTL = settings.nearTTL { configuration.nearTTL = nearTTL }
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
        let admin: AdminServer?
        let started: @Sendable (String, String?) async -> Void

        func run() async throws {
            let address = try await self.pool.boundAddress
            let scheme = self.pool.configuration.tls == nil ? "http" : "https"
            let admin = try await self.admin?.boundAddress
            await self.started(Self.url(scheme, address), admin.map { Self.url(scheme, $0) })
        }

        private static func url(_ scheme: String, _ address: SocketAddress) -> String {
            let host = address.ipAddress.map { $0.contains(":") ? "[\($0)]" : $0 } ?? "127.0.0.1"
            return "\(scheme)://\(host):\(address.port ?? 0)"
        }
    }
}

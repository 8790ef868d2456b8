// SPDX-License-Identifier: Apache-2.0

public import GroupCache
public import GroupCacheHTTP
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
public import Logging
public import NIOCore
public import NIOPosix
public import ServiceLifecycle

/// A port of its own for whoever runs a node: metrics, log levels, why a get was a miss, operations, and the dashboard.
///
/// Run it beside the pool:
/// ```swift
/// let admin = try AdminServer(pool: pool, configuration: AdminConfiguration(), logger: logger)
/// try await ServiceGroup(services: [pool, admin], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
public final class AdminServer: Service, Sendable {
    /// What it was made with.
    public let configuration: AdminConfiguration

    private let admin: Admin
    private let access: AdminAccess
    private let eventLoopGroup: any EventLoopGroup
    private let bound = OneShot<SocketAddress>()

    /// Checks everything and opens nothing. Reads the token file and the certificates, and blocks while it does.
    ///
    /// - Parameters:
    ///   - pool: what it shows.
    ///   - operations: what can be done with the node over this port, which runs it; by default what can be done with the pool alone.
    ///   - configuration: where it listens, and who may do what.
    ///   - metrics: what `/metrics` shows beside the pool's own counters: what swift-metrics is told.
    ///   - levels: what `/v1/loglevel` changes: those by which this process logs.
    ///   - logger: told what goes wrong; `nil`: nobody is.
    ///   - eventLoopGroup: whose threads do the work.
    /// - Throws: `GroupCacheError` of the code `invalidConfiguration`, with one clear line.
    public init(
        pool: HTTPPool,
        operations: Operations? = nil,
        configuration: AdminConfiguration = AdminConfiguration(),
        metrics: PrometheusMetrics? = nil,
        levels: LogLevels? = nil,
        logger: Logger? = nil,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) throws(GroupCacheError) {
        try configuration.validate()
        self.configuration = configuration
        self.access = try AdminAccess(tls: configuration.tls, tokenFile: configuration.tokenFile, hosts: configuration.allowedHosts)
        self.eventLoopGroup = eventLoopGroup
        self.admin = Admin(
            pool: pool,
            operations: operations ?? Operations(pool: pool),
            metrics: metrics,
            levels: levels,
            logger: logger ?? Logger(label: "groupcache.admin") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    /// The address that the port listens on; suspends until it does.
    ///
    /// - Throws: `GroupCacheError`: `shutDown` when ``run()`` has ended, or could not begin; `cancelled`.
    public var boundAddress: SocketAddress {
        get async throws(GroupCacheError) { try await self.bound.value }
    }

    /// What `/metrics` answers now, in Prometheus' text.
    package func exposition() -> ByteBuffer { self.admin.exposition(.prometheus) }

    /// Listens and answers until the service group shuts down gracefully, or the task is cancelled.
    public func run() async throws {
        let (configuration, access, logger) = (self.configuration, self.access, self.admin.logger)
        defer { self.bound.finish(.failure(GroupCacheError(.shutDown, "the admin port does not listen"))) }
        if configuration.tokenFile != nil, configuration.tls == nil, !configuration.isLoopback {
            logger.warning("without TLS anybody on the way can read the admin port's token")
        }
        let application = Application(
            responder: AdminResponder(routes: self.admin.routes(), access: access, configuration: configuration),
            server: HTTPServerBuilder { responder in
                SecureChannel(
                    base: HTTP1Channel(
                        responder: responder,
                        configuration: .init(
                            idleTimeout: TimeAmount(configuration.idleTimeout),
                            httpDecoderConfiguration: .init(maxHeaderFieldSize: 16_384, maxHeaderListSize: 32_768, maxHeaderFieldCount: 100)
                        )
                    ),
                    access: access
                )
            },
            configuration: .init(
                address: .hostname(configuration.host, port: configuration.port),
                availableConnectionsDelegate: .maximum(configuration.connections, logger: logger)
            ),
            services: [CredentialsWatch(access: access, interval: configuration.credentialsInterval, logger: logger)],
            onServerRunning: { channel in
                guard let address = channel.localAddress else { return }
                self.bound.finish(.success(address))
            },
            eventLoopGroupProvider: .shared(self.eventLoopGroup),
            logger: logger
        )
        try await self.admin.withBackground {
            try await application.run()
        }
    }

    /// Looks at the files of certificate and tokens again and again.
    private struct CredentialsWatch: Service {
        let access: AdminAccess
        let interval: Duration
        let logger: Logger

        func run() async throws {
            await cancelWhenGracefulShutdown { await self.access.watch(every: self.interval, logger: self.logger) }
            // Without files there is nothing to look at, and a service that ends would end the others.
            try? await gracefulShutdown()
        }
    }
}

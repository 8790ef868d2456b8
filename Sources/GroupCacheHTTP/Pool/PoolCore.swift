internal import GroupCache
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
    let members: NIOLockedValueBox<Members>
    let counters = Counters()
    let isDraining = Atomic(false)
    let basePath: String
    let routes: RouteTable
    let credentials: Credentials
    /// Of unfinished request bodies.
    let bodies: BodyBudget
    /// What each connection is held to.
    let limits: RequestParser.Limits
    let deadlines: Deadlines.Limits

    init(configuration: HTTPPool.Configuration, logger: Logger, members: Members, credentials: Credentials) {
        self.configuration = configuration
        self.logger = logger
        self.members = NIOLockedValueBox(members)
        self.credentials = credentials
        self.basePath = configuration.dialect.basePath
        self.routes = RouteTable(dialect: configuration.dialect, publicRoutes: configuration.publicRoutes)
        let limits = configuration.limits
        self.bodies = BodyBudget(limit: limits.bodies)
        self.limits = .init(headSize: limits.headSize, targetSize: limits.targetSize, headerCount: limits.headerCount)
        self.deadlines = .init(configuration.server)
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

// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOConcurrencyHelpers

/// What the routes of the admin port share.
final class Admin: Sendable {
    let pool: HTTPPool
    let metrics: PrometheusMetrics?
    let levels: LogLevels?
    let operations: Operations
    let logger: Logger
    /// How many look for hot keys now.
    let looks = NIOLockedValueBox(0)

    init(pool: HTTPPool, operations: Operations, metrics: PrometheusMetrics?, levels: LogLevels?, logger: Logger) {
        self.metrics = metrics
        self.levels = levels
        self.pool = pool
        self.operations = operations
        self.logger = logger
    }

    /// Every route, in the order in which they are looked up. One line for each theme; the routes of it stand with the theme.
    func routes() -> AdminRoutes {
        var routes = AdminRoutes()
        self.addHealth(to: &routes)
        self.addMetrics(to: &routes)
        self.addLogs(to: &routes)
        self.addExplain(to: &routes)
        self.addHotKeys(to: &routes)
        self.addOverview(to: &routes)
        self.addDashboard(to: &routes)
        self.addOperations(to: &routes)
        self.addDescription(to: &routes)
        return routes
    }

    /// Runs `body`, and beside it what goes on all the time; that ends with it.
    func withBackground(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { [operations] in try await operations.run() }
            try await body()
        }
    }

    /// The group that a request names.
    func group(_ request: AdminRequest) throws(AdminFailure) -> any PeerServing {
        guard let group = self.pool.group(request.name("group")) else { throw .noSuchGroup }
        return group
    }

    private func addHealth(to routes: inout AdminRoutes) {
        routes.on(.get, "/livez", .nothing) { request in
            try request.allowParameters()
            return Response(
                status: .ok,
                headers: [.contentType: "text/plain; charset=utf-8"],
                body: .init(byteBuffer: .init(string: "ok\n"))
            )
        }
    }
}

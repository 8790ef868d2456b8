// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import NIOCore
import NIOPosix

/// Runs pools on free ports for the length of `body`.
func withPools<R: Sendable>(
    _ count: Int = 1,
    _ configure: @Sendable (inout HTTPPool.Configuration) -> Void = { _ in },
    _ body: @Sendable ([(pool: HTTPPool, port: Int)]) async throws -> R
) async throws -> R {
    var configuration = HTTPPool.Configuration()
    configuration.listen = .init(host: "127.0.0.1", port: 0)
    configuration.publicRoutes = true
    configure(&configuration)
    let pools = try (0..<count).map { _ in try HTTPPool(configuration: configuration) }
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
        defer { tasks.cancelAll() }
        var running: [(pool: HTTPPool, port: Int)] = []
        for pool in pools {
            tasks.addTask { try await pool.run() }
            running.append((pool, try await pool.boundAddress.port ?? 0))
        }
        return try await body(running)
    }
}

/// Waits for what another thread is about to do, with an end: some hundred times as long as it takes on a machine that does nothing else, for most machines
/// do.
func eventually(_ condition: @Sendable () -> Bool) async throws {
    struct Never: Error {}
    let end = ContinuousClock.now + .seconds(180)
    var turns = 0
    while !condition() {
        guard ContinuousClock.now < end else { throw Never() }
        turns += 1
        // A turn of a loop, on which most of what is waited for happens; it keeps no thread. What takes longer is not to be kept from the processor.
        let pause: TimeAmount = turns < 100 ? .zero : .milliseconds(1)
        try await MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: pause) {}.futureResult.get()
    }
}

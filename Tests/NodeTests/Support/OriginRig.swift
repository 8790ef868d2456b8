// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import GroupCacheTesting
import NIOCore
import NIOHTTP1

@testable import GroupCacheNode

/// A group of one node that asks a ``RawOrigin``, on a clock that is turned by hand.
struct OriginRig: Sendable {
    let origin: RawOrigin
    let clock: ManualClock
    let group: Group<OriginValue>
    /// The URL of a key at the node.
    let node: String

    /// 2026-11-27, 00:00:00, and on: the time of day, in milliseconds since 1970.
    static func now(_ clock: ManualClock) -> Int64 { 1_795_737_600_000 + clock.milliseconds - 1_000_000 }

    func wait(_ seconds: Double) { self.clock.advance(by: .milliseconds(Int64(seconds * 1_000))) }

    /// What a client is given.
    func get(_ key: String, headers: [(String, String)] = []) async throws -> Fetched {
        try await fetch("\(self.node)/v1/groups/pages/keys/\(key)", headers: .init(headers))
    }

    /// The error that a get in Swift ends with.
    func code(_ key: Key) async -> GroupCacheError.Code? {
        do throws(GroupCacheError) {
            _ = try await self.group.get(key)
            return nil
        } catch {
            return error.code
        }
    }

    private static let client = OriginClient()

    /// - Parameters:
    ///   - path: behind the origin's host.
    ///   - freshness: of the group; without jitter and early refreshes.
    static func run(
        path: String = "/v/{key}",
        freshness: Freshness = Freshness(ttl: .seconds(1)),
        followsElsewhere: Bool = false,
        loadTimeout: Duration = .seconds(30),
        _ body: @Sendable (OriginRig) async throws -> Void
    ) async throws {
        let origin = try await RawOrigin()
        let clock = ManualClock()
        var pool = HTTPPool.Configuration()
        pool.listen = .init(host: "127.0.0.1", port: 0)
        pool.publicRoutes = true
        let running = try HTTPPool(configuration: pool)
        var configuration = GroupConfiguration(freshness: freshness)
        (configuration.freshness.jitter, configuration.freshness.earlyRefresh) = (0, 0)
        configuration.clock = CacheClock(clock)
        configuration.loadTimeout = loadTimeout
        let group = try Group(
            "pages",
            capacity: .mebibytes(32),
            configuration: configuration,
            peers: running,
            codec: OriginCodec(),
            getter: HTTPOrigin(
                template: URLTemplate(origin.url + path),
                client: Self.client,
                followsElsewhere: followsElsewhere,
                now: { Self.now(clock) }
            )
        )
        // A store's first millisecond is not over before it is: what has no time at all would have that.
        clock.advance(by: .seconds(1))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { try await running.run() }
            let port = try await running.boundAddress.port ?? 0
            try await body(OriginRig(origin: origin, clock: clock, group: group, node: "http://127.0.0.1:\(port)"))
        }
        try await origin.close()
    }
}

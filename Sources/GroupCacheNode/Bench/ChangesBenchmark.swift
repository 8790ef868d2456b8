// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP
internal import NIOCore
internal import NIOPosix

/// What coherence costs: where a change is made, and where a copy is hit. And many nodes that change something, for others to follow.
struct ChangesBenchmark {
    let rounds: Int
    let operations: Int

    private static let value = ByteView([UInt8](repeating: 7, count: 64))
    private static let keyCount = 512

    private static func pool() throws -> HTTPPool {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: 0)
        // As one that has been there for long: nobody else has had its keys.
        configuration.warmTime = .zero
        return try HTTPPool(configuration: configuration)
    }

    private static func group(_ name: String, _ pool: HTTPPool?) throws -> Group<ByteView> {
        try Group(name, capacity: .mebibytes(64), peers: pool, codec: RawCodec()) { (_, _) -> ByteView in Self.value }
    }

    private static func keys(_ pool: HTTPPool) -> [Key] {
        let own = (0...).lazy.map { Key(BenchKeys.key($0)) }.filter { pool.pickPeer(for: $0).owner == nil }
        return Array(own.prefix(Self.keyCount))
    }

    /// Names and numbers: see `groupcache bench changes --help`.
    func run() async throws -> [(String, Double)] {
        let (owner, follower) = (try Self.pool(), try Self.pool())
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            for pool in [owner, follower] { tasks.addTask { try await pool.run() } }
            // Each by its address, which is known only now.
            var both: [HTTPPool.Peer] = []
            for pool in [owner, follower] { both.append(HTTPPool.Peer("http://127.0.0.1:\(try await pool.boundAddress.port ?? 0)")) }
            for pool in [owner, follower] { try pool.setPeers(both) }
            let (alone, own) = (try Self.group("alone", nil), try Self.group("changes", owner))
            let copies = try Self.group("changes", follower)
            let keys = Self.keys(owner)
            for key in keys {
                _ = try await alone.get(key)
                while copies.entry(key)?.isNear != true { _ = try await copies.get(key) }
            }
            var times: [[Double]] = [[], [], [], []]
            for _ in 0..<self.rounds {
                // Round by round in turn, so that whatever slows the machine down slows all of them.
                times[0].append(try await self.hits(own, keys))
                times[1].append(try await self.hits(copies, keys))
                guard keys.allSatisfy({ copies.entry($0)?.isNear == true }) else {
                    throw CommandError("a copy has gone: the measurement is void")
                }
            }
            for _ in 0..<self.rounds {
                times[2].append(try await self.sets(alone, keys))
                times[3].append(try await self.sets(own, keys))
            }
            let medians = times.map { $0.sorted()[$0.count / 2] }
            return [
                ("hit_ns", medians[0]), ("copy_hit_ns", medians[1]),
                ("copy_hit_ratio", Self.median(zip(times[1], times[0]).map { $0 / $1 })),
                ("set_ns", medians[2]), ("set_followed_ns", medians[3]),
                ("set_price_ns", Self.median(zip(times[3], times[2]).map { $0 - $1 })),
            ]
        }
    }

    private func hits(_ group: Group<ByteView>, _ keys: [Key]) async throws -> Double {
        try await self.time { for index in 0..<self.operations { _ = try await group.get(keys[index % keys.count]) } }
    }

    private func sets(_ group: Group<ByteView>, _ keys: [Key]) async throws -> Double {
        try await self.time { for index in 0..<self.operations { try await group.set(keys[index % keys.count], to: Self.value) } }
    }

    private func time(_ body: () async throws -> Void) async throws -> Double {
        try await ContinuousClock().measure { try await body() } / .nanoseconds(1) / Double(self.operations)
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    /// Some nodes of a group `g` that each set so many of their keys a second, until the task is cancelled.
    ///
    /// - Parameters:
    ///   - follower: Who follows all of them, by its URL.
    ///   - ready: Called with their URLs.
    static func change(nodes: Int, rate: Int, follower: String, ready: ([String]) -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            var urls: [String] = []
            for _ in 0..<nodes {
                let pool = try Self.pool()
                tasks.addTask { try await pool.run() }
                let url = "http://127.0.0.1:\(try await pool.boundAddress.port ?? 0)"
                urls.append(url)
                try pool.setPeers([HTTPPool.Peer(url), HTTPPool.Peer(follower)])
                let group = try Self.group("g", pool)
                let keys = Self.keys(pool)
                tasks.addTask {
                    var made = 0
                    let start = NIODeadline.now()
                    while true {
                        let due = Int((NIODeadline.now() - start).nanoseconds / 1_000_000) * rate / 1_000
                        for number in made..<max(made, due) { try await group.set(keys[number % keys.count], to: Self.value) }
                        made = max(made, due)
                        // Rarely enough for many nodes not to spend their time with timers; what is due by then is made at once.
                        try await Task.sleep(for: .milliseconds(5))
                    }
                }
            }
            ready(urls)
            try await tasks.waitForAll()
        }
    }
}

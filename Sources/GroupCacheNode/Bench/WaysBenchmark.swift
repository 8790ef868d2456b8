// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers

/// Times of the ways of a get that are no plain hits: there is none, past its time, missing; and of a hit as a peer asks for it.
struct WaysBenchmark {
    let rounds: Int
    private let keys: [String]
    /// Each has a load that never ends, and a group runs 256 of them.
    private static let staleCount = 128

    /// - Parameter operations: How many operations a round has, 65,536 at the most.
    init(rounds: Int, operations: Int) {
        self.rounds = rounds
        self.keys = (0..<min(65_536, operations)).map(BenchKeys.key)
    }

    /// What a server caches, in JSON some 150 bytes.
    private struct Score: Codable, Sendable {
        var player: String
        var points: Int
        var level: Double
        var tags: [String]
    }

    private let value = ByteView([UInt8](repeating: 7, count: 64))

    /// Names and nanoseconds, microseconds of misses, or a ratio.
    func run() async throws -> [(String, Double)] {
        [
            ("negative_ns", try await self.negative()),
            ("stale_ns", try await self.stale()),
            ("miss_us", try await self.misses(codec: .raw) { [value] _ in value } / 1000),
            ("miss_codable_us", try await self.misses(codec: JSONCodec<Score>()) { Self.score($0) } / 1000),
            (
                "served_codable_ratio",
                try await self.served(codec: JSONCodec<Score>()) { Self.score($0) } / self.served(codec: .raw) { [value] _ in value }
            ),
        ]
    }

    private static func score(_ key: Key) -> Score {
        Score(player: key.string, points: 630, level: 4.5, tags: ["one", "two", "three"])
    }

    private func negative() async throws -> Double {
        let configuration = GroupConfiguration(freshness: Freshness(negative: .seconds(3600)))
        let group = try Group<ByteView>("negative", capacity: .mebibytes(64), configuration: configuration, codec: .raw) {
            (_, _) -> Loaded<ByteView> in .notFound
        }
        return try await self.median(of: self.keys.count) {
            for key in self.keys {
                do {
                    _ = try await group.get(key)
                    throw CommandError("a key that does not exist has a value: the measurement is void")
                } catch let error as GroupCacheError where error.code == .notFound {}
            }
        }
    }

    private func stale() async throws -> Double {
        let freshness = Freshness(ttl: .milliseconds(1), jitter: 0, staleWhileRevalidate: .seconds(3600), softTimeout: .seconds(3600))
        var configuration = GroupConfiguration(freshness: freshness)
        configuration.loadTimeout = .seconds(3600)
        let loaded = NIOLockedValueBox<Set<Key>>([])
        let group = try Group<ByteView>("stale", capacity: .mebibytes(64), configuration: configuration, codec: .raw) {
            [value] (key, _) -> ByteView in
            // The refresh that the first stale hit begins never ends.
            if !loaded.withLockedValue({ $0.insert(key).inserted }) { try await Task.sleep(for: .seconds(3600)) }
            return value
        }
        let keys = self.keys.prefix(Self.staleCount)
        for key in keys { _ = try await group.get(key) }
        // A group's clock is the system's here, and what was stored last is to be past its millisecond, too.
        try await Task.sleep(for: .milliseconds(20))
        let repeats = max(1, self.keys.count / keys.count)
        return try await self.median(of: repeats * keys.count) {
            for _ in 0..<repeats { for key in keys where try await group.get(key).count != 64 { throw Self.missing } }
        }
    }

    /// Every get of a round is a miss, whose getter answers at once and whose value is kept.
    private func misses<Value: Sendable>(
        codec: some Codec<Value>,
        _ value: @escaping @Sendable (Key) -> Value
    ) async throws -> Double {
        try await self.median(of: self.keys.count) {
            let group = try Group<Value>("miss", capacity: .mebibytes(64), codec: codec) { (key, _) -> Value in value(key) }
            for key in self.keys { _ = try await group.get(key) }
        }
    }

    /// Hits as a pool asks for them, with the bytes that go over the wire.
    private func served<Value: Sendable>(
        codec: some Codec<Value>,
        _ value: @escaping @Sendable (Key) -> Value
    ) async throws -> Double {
        let pool = Pool()
        let group = try Group<Value>("served", capacity: .mebibytes(64), peers: pool, codec: codec) { (key, _) -> Value in value(key) }
        let keys = self.keys.map { Key($0) }
        for key in keys { _ = try await group.get(key) }
        guard let served = pool.group.withLockedValue({ $0 }) else { throw Self.missing }
        return try await self.median(of: keys.count) {
            for key in keys where served.serveCached(key.bytes.span, for: .peer)?.value == nil { throw Self.missing }
        }
    }

    /// A pool of this node alone.
    private final class Pool: PeerPicker {
        let group = NIOLockedValueBox<(any PeerServing)?>(nil)
        func pickPeer(for key: Key) -> PeerRoute { .local }
        func register(_ group: any PeerServing) throws(GroupCacheError) { self.group.withLockedValue { $0 = group } }
    }

    private static let missing = CommandError("a value that was stored is missing: the measurement is void")

    /// The median over the rounds of the time of one of `count` operations, after one round that does not count.
    private func median(of count: Int, _ body: () async throws -> Void) async throws -> Double {
        try await body()
        var times: [Double] = []
        for _ in 0..<self.rounds {
            let time = try await ContinuousClock().measure { try await body() }
            times.append(time.nanoseconds / Double(count))
        }
        return times.sorted()[times.count / 2]
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// Times of the operations of one process.
struct LocalBenchmark {
    let rounds: Int
    let operations: Int
    private let keys: [String]
    private let order: [Int]

    private static let keyCount = 65_536

    /// - Parameter operations: How many operations a round has.
    init(rounds: Int, operations: Int) {
        self.rounds = rounds
        self.operations = operations
        self.keys = (0..<Self.keyCount).map(BenchKeys.key)
        self.order = BenchKeys.order(Self.keyCount, length: operations)
    }

    /// Names and nanoseconds.
    func run() async throws -> [(String, Double)] {
        let group = try await self.filledGroup(self.keys)
        // Keys as a server has them: strings that it made itself, asked for in random order.
        let asked = self.order.map { self.keys[$0] }
        let halves = [Array(asked[..<(asked.count / 2)]), Array(asked[(asked.count / 2)...])]
        var results: [(String, Double)] = []
        results.append(("get_ns", try await self.median { try await Self.gets(group, asked) }))
        let long = try await self.filledGroup(self.keys.map(Self.long))
        let askedLong = asked.map(Self.long)
        let ratio = try await self.median { try await Self.gets(long, askedLong) } / results[0].1
        results.append(("get_64byte_keys_ratio", ratio))
        results.append(("get_2threads_ns", try await self.median { try await Self.getsOnTwoThreads(group, halves) }))
        results.append(
            (
                "cached_ns",
                try await self.median {
                    for key in asked where group.cached(key) == nil { throw Self.missing }
                }
            )
        )
        for (name, policy) in [("lru_get_ns", EvictionPolicy.lru), ("s3fifo_get_ns", .s3fifo)] {
            let store = self.filledStore(policy)
            results.append((name, try await self.median { try self.lookups(store, asked) }))
        }
        for (name, peers) in [("ring8_ns", 8), ("ring512_ns", 512)] {
            let ring = try HashRing((1...peers).map { "http://10.0.\($0 / 256).\($0 % 256):8080" }, points: 50)
            results.append(
                (
                    name,
                    try await self.median {
                        var sum = 0
                        for key in asked { sum &+= ring.owner(of: key.utf8.span) ?? 0 }
                        guard sum >= 0 else { throw Self.missing }
                    }
                )
            )
        }
        return results
    }

    private static let missing = CommandError("a value that was stored is missing: the measurement is void")

    /// `key` with what makes it 64 bytes.
    private static func long(_ key: String) -> String { String(repeating: "k", count: 64 - key.utf8.count) + key }

    private func filledGroup(_ keys: [String]) async throws -> Group<ByteView> {
        let value = [UInt8](repeating: 7, count: 64)
        let group = try Group<ByteView>("bench", capacity: .mebibytes(64), codec: .raw) { (_, _) in ByteView(value) }
        for key in keys { _ = try await group.get(key) }
        return group
    }

    private static func gets(_ group: Group<ByteView>, _ keys: [String]) async throws {
        for key in keys where try await group.get(key).count != 64 { throw self.missing }
    }

    /// Two threads do half of the gets each: the time is that of the whole by all operations, as Go's benchmarks count.
    private static func getsOnTwoThreads(_ group: Group<ByteView>, _ halves: [[String]]) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for half in halves { tasks.addTask { try await self.gets(group, half) } }
            try await tasks.waitForAll()
        }
    }

    private func filledStore(_ policy: EvictionPolicy) -> Store<ByteView> {
        // One shard and no near entries: a bare LRU, as golang/groupcache/lru is one.
        let store = Store<ByteView>(StoreConfiguration(capacity: 64 << 20, eviction: policy, shardCount: 1, near: false))
        for key in self.keys {
            let value = ByteView([UInt8](repeating: 7, count: 64))
            Array(key.utf8).withUnsafeBytes { key in
                _ = store.insert(store.hash(key), key, value, size: ValueSize(payload: 64, overhead: ByteView.overhead(count: 64)))
            }
        }
        return store
    }

    private func lookups(_ store: Store<ByteView>, _ keys: [String]) throws {
        for key in keys {
            let found = key.utf8.withContiguousStorageIfAvailable { key in
                let bytes = UnsafeRawBufferPointer(key)
                return store.lookup(store.hash(bytes), bytes).value != nil
            }
            guard found == true else { throw Self.missing }
        }
    }

    /// The median over the rounds of the time of one of the ``operations``, after one round that does not count.
    private func median(_ body: () async throws -> Void) async throws -> Double {
        try await body()
        var times: [Double] = []
        for _ in 0..<self.rounds {
            let time = try await ContinuousClock().measure { try await body() }
            times.append(time.nanoseconds / Double(self.operations))
        }
        return times.sorted()[times.count / 2]
    }
}

extension Duration {
    /// The whole duration in nanoseconds.
    var nanoseconds: Double {
        Double(self.components.seconds) * 1e9 + Double(self.components.attoseconds) / 1e9
    }
}

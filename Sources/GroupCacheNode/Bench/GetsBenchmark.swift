// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP
internal import NIOCore
internal import NIOPosix

/// As many gets of one kind as asked for, and nothing measured: for programs that count from outside what a process does (allocations, instructions). What two runs of
/// different length differ by is what the gets between them cost.
struct GetsBenchmark: Sendable {
    let kind: BenchGetsCommand.Kind
    let count: Int
    let callers: Int

    private static let value = ByteView([UInt8](repeating: 7, count: 64))
    private static let missing = CommandError("a get had the wrong answer: the count is void")
    private static let keys = (0..<1024).map(BenchKeys.key)

    func run() async throws {
        switch self.kind {
        case .hit: try await self.hits()
        case .cached: try await self.cached()
        case .miss: try await self.misses()
        case .peer: try await self.peerGets()
        }
    }

    private func hits() async throws {
        let group = try await self.filledGroup()
        for turn in 0..<self.count where try await group.get(Self.keys[turn % Self.keys.count]).count != 64 { throw Self.missing }
    }

    private func cached() async throws {
        let group = try await self.filledGroup()
        for turn in 0..<self.count where group.cached(Self.keys[turn % Self.keys.count])?.count != 64 { throw Self.missing }
    }

    /// Nothing is kept, so that the getter is called for each.
    private func misses() async throws {
        let group = try Group<ByteView>("gets", capacity: .bytes(0), codec: .raw) { (_, _) in Self.value }
        for turn in 0..<self.count where try await group.get(Self.keys[turn % Self.keys.count]).count != 64 { throw Self.missing }
    }

    private func filledGroup() async throws -> Group<ByteView> {
        let group = try Group<ByteView>("gets", capacity: .mebibytes(64), codec: .raw) { (_, _) in Self.value }
        for key in Self.keys { _ = try await group.get(key) }
        return group
    }

    /// Two nodes in this process, the one of which owns everything and holds it, and the other keeps nothing.
    private func peerGets() async throws {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: 0)
        let owner = try HTTPPool(configuration: configuration)
        let owned = try Group<ByteView>("gets", capacity: .mebibytes(64), peers: owner, codec: .raw) { (_, _) in Self.value }
        for key in Self.keys { _ = try await owned.get(key) }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await owner.run() }
            let port = try await owner.boundAddress.port ?? 0
            var configuration = HTTPPool.Configuration()
            configuration.listen = nil
            configuration.peers = [.init("http://127.0.0.1:\(port)")]
            let asker = try HTTPPool(configuration: configuration)
            let group = try Group<ByteView>("gets", capacity: .bytes(0), peers: asker, codec: .raw) {
                (_, _) -> ByteView in throw CommandError("the other node did not answer")
            }
            for key in Self.keys { _ = try await group.get(key) }
            let (callers, count) = (self.callers, self.count)
            try await withThrowingTaskGroup(of: Void.self) { asking in
                for caller in 0..<callers {
                    asking.addTask {
                        for turn in stride(from: caller, to: count, by: callers) {
                            guard try await group.get(Self.keys[turn % Self.keys.count]).count == 64 else { throw Self.missing }
                        }
                    }
                }
                try await asking.waitForAll()
            }
            tasks.cancelAll()
        }
    }
}

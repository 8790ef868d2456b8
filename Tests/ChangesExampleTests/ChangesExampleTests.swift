// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import NIOCore
import NIOPosix
import Testing

@testable import ChangesExample

@Suite("Examples/Changes", .timeLimit(.minutes(5)))
struct ChangesExampleTests {
    private struct Never: Error {}

    private func withNode<R: Sendable>(port: Int = 0, _ body: @Sendable (Group<String>, Int) async throws -> R) async throws -> R {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: port)
        configuration.publicRoutes = true
        let pool = try HTTPPool(configuration: configuration)
        let group = try Group<String>("pages", capacity: .mebibytes(4), peers: pool) { (_: Key, _) async throws -> String? in nil }
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { try await pool.run() }
            return try await body(group, try await pool.boundAddress.port ?? 0)
        }
    }

    private func wait(_ condition: () async -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(180)
        while await !condition() {
            guard ContinuousClock.now < end else { throw Never() }
            try await MultiThreadedEventLoopGroup.singleton.next().submit {}.get()
        }
    }

    @Test("the index is right through sets, removals and clears, and through restarts of the node")
    func restarts() async throws {
        let index = SearchIndex()
        let (port, following) = try await self.withNode { group, port in
            let following = Task { try await index.follow("pages", at: "http://127.0.0.1:\(port)") }
            // Until it follows, nothing is told.
            try await self.wait {
                try? await group.set("start", to: "begin")
                return await index.count == 1
            }
            for number in 0..<50 { try await group.set(Key("page \(number)"), to: number % 2 == 0 ? "even all" : "odd all") }
            try await group.remove("page 0")
            // The set that is awaited is only there after the last of the changes: a number of keys would be there in the middle, too.
            let rest = Set((1..<50).map { Key("page \($0)") })
            try await self.wait { await index.keys(with: "all") == rest }
            #expect(await index.keys(with: "even").count == 24)
            return (port, following)
        }
        for round in 1...3 {
            try await self.withNode(port: port) { group, _ in
                try await group.set("round", to: "all \(round)")
                try await self.wait { await index.keys(with: "\(round)") == ["round"] }
                // What the node had before it stopped is not known to be right any more.
                let all = await index.keys(with: "all")
                #expect(all == ["round"])
                try await group.clear()
                try await self.wait { await index.count == 0 }
                try await group.set("again", to: "all")
                try await self.wait { await index.keys(with: "all") == ["again"] }
            }
        }
        following.cancel()
        await #expect(throws: CancellationError.self) { try await following.value }
    }
}

// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Informers
import InformersTesting
import Synchronization
import Testing

@testable import InformerExample

@Suite("Examples/Informer", .serialized)
struct InformerExampleTests {
    /// The example's informer, and what it knows, after each thing it was told.
    private final class Follower: Sendable {
        let informer: SharedInformer<Score>
        private let lines = Mutex<[String]>([])
        private let told = Wakeup()

        init(_ url: String, _ client: HTTPClient) throws {
            var configuration = SharedInformerConfiguration<Score>()
            // As in the example, but a hundred times as fast.
            configuration.reflector.backoff = Backoff(initial: .milliseconds(8), maximum: .milliseconds(300))
            configuration.reflector.rewatchJitter = .milliseconds(1)
            configuration.reflector.pageSize = 3
            self.informer = SharedInformer(HTTPSource<Score>(url, client: client), key: { $0.metadata.name }, configuration: configuration)
            try self.informer.addHandler { [self] event in
                self.lines.withLock { $0.append(InformerExample.line(for: event)) }
                self.told.signal()
            }
        }

        var view: [String: Int] {
            Dictionary(uniqueKeysWithValues: self.informer.store.list().map { ($0.metadata.name, $0.points) })
        }
        var printed: [String] { self.lines.withLock { $0 } }

        /// Waits until it knows what `expected` says. The last change of `expected` must be one that is told.
        func wait(for expected: () -> [String: Int]) async {
            while self.view != expected(), !Task.isCancelled { await self.told.wait() }
        }

        /// Waits until it has been told enough: what it knows is in the store before the handler is told of it, and an informer that is stopped tells no more.
        func waitUntilTold(_ isEnough: ([String]) -> Bool) async {
            while !isEnough(self.printed), !Task.isCancelled { await self.told.wait() }
        }
    }

    private static func score(_ name: String, _ points: Int) -> Score {
        Score(metadata: .init(name: name, resourceVersion: ""), points: points)
    }

    @Test(
        "Follows a real HTTP source through restarts, 410s and dropped connections; its view is right at the end",
        .timeLimit(.minutes(5))
    )
    func followsThroughEverything() async throws {
        let seed = UInt64.random(in: 0..<1 << 32)
        print("Examples/Informer: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let server = TinyHTTPSource()
        try await server.start()
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: HTTPSource<Score>.clientConfiguration)
        let follower = try Follower(server.url, client)
        var (restarts, drops, resets) = (0, 0, 0)
        var points = 0

        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await follower.informer.run() }
            for round in 0..<60 {
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    points += 1
                    let name = "player\(Int.random(in: 0..<8, using: &generator))"
                    if Int.random(in: 0..<4, using: &generator) == 0 {
                        server.source.delete(name)
                    } else {
                        server.source.add(Self.score(name, points))
                    }
                }
                // Each of them once at least.
                switch round < 3 ? round : Int.random(in: 0..<6, using: &generator) {
                case 0:
                    drops += 1
                    server.dropConnections()
                case 1:
                    restarts += 1
                    try await server.stop()
                    // What happens while it is down is in no history.
                    server.source.changeEpoch()
                    points += 1
                    server.source.add(Self.score("restart", points))
                    try await server.start()
                case 2:
                    resets += 1
                    server.source.resetWatch()
                case 3: server.source.bookmark()
                default: break
                }
                // Every now and then it may catch up: what breaks next is a watch at rest, not one that just begins.
                if round % 5 == 4 {
                    points += 1
                    server.source.add(Self.score("marker", points))
                    await follower.wait { server.source.objects.mapValues(\.points) }
                }
            }
            points += 1
            server.source.add(Self.score("last", points))
            await follower.wait { server.source.objects.mapValues(\.points) }
            let line = "there comes last with \(points) points"
            await follower.waitUntilTold { $0.contains(line) }
            group.cancelAll()
        }
        #expect(follower.view == server.source.objects.mapValues(\.points))
        #expect(follower.view["last"] == points)
        #expect(restarts > 0 && drops > 0 && resets > 0)
        #expect(follower.printed.contains("there comes last with \(points) points"))
        try await server.stop()
        try await client.shutdown()
    }

    @Test("A source that is not there yet is waited for; a version it forgot is answered with 410 and survived", .timeLimit(.minutes(5)))
    func startsBeforeServerAndSurvives410() async throws {
        let server = TinyHTTPSource()
        try await server.start()
        try await server.stop()
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: HTTPSource<Score>.clientConfiguration)
        let follower = try Follower(server.url, client)
        server.source.add(Self.score("Tom", 630))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await follower.informer.run() }
            try await server.start()
            await follower.wait { ["Tom": 630] }
            // This one comes by the watch: one that ends before it has told anything leads to a list, not to another watch.
            server.source.add(Self.score("Sam", 567))
            await follower.wait { ["Tom": 630, "Sam": 567] }
            server.source.add(Self.score("Tom", 631), silently: true)
            server.source.add(Self.score("Jack", 589), silently: true)
            server.source.resetWatch()
            await follower.wait { ["Tom": 631, "Sam": 567, "Jack": 589] }
            await follower.waitUntilTold { $0.count >= 4 }
            group.cancelAll()
        }
        #expect(server.answers[410] == 1)
        #expect(follower.printed.prefix(2) == ["there is Tom with 630 points", "there comes Sam with 567 points"])
        // There is no order across objects.
        #expect(Set(follower.printed.dropFirst(2)) == ["there comes Jack with 589 points", "Tom had 630 points and has 631"])
        try await server.stop()
        try await client.shutdown()
    }
}

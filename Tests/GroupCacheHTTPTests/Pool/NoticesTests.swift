// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// What a pool says: where it listens, who has gone and is back, that nobody runs it.
@Suite("What a pool says", .timeLimit(.minutes(5)))
struct NoticesTests {
    private final class Log: Sendable {
        private struct Handler: LogHandler {
            let lines: NIOLockedValueBox<[String]>
            var metadata: Logger.Metadata = [:]
            var logLevel = Logger.Level.notice
            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { self.metadata[key] }
                set { self.metadata[key] = newValue }
            }
            func log(event: LogEvent) {
                let more = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
                self.lines.withLockedValue { $0.append("\(event.level) \(event.message)\(more)") }
            }
        }

        private let box = NIOLockedValueBox<[String]>([])
        var logger: Logger { Logger(label: "test") { [box] _ in Handler(lines: box) } }
        var lines: [String] { self.box.withLockedValue { $0 } }
    }

    private let log = Log()

    private func configuration() -> HTTPPool.Configuration {
        HTTPPool.Configuration(listen: .init(host: "127.0.0.1", port: 0))
    }

    @Test("where it listens; that a peer is down, and that it is up again, each once")
    func peers() async throws {
        let pool = try HTTPPool(configuration: self.configuration(), logger: self.log.logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { try await pool.run() }
            let port = try #require(try await pool.boundAddress.port)
            #expect(self.log.lines == ["notice listening advertised=http://127.0.0.1:\(port) nodes=1 url=http://127.0.0.1:\(port)"])

            var other = self.configuration()
            let first = try HTTPPool(configuration: other)
            let running = Task { try await first.run() }
            let peer = try #require(try await first.boundAddress.port)
            let ids = ["http://127.0.0.1:\(port)", "http://127.0.0.1:\(peer)"]
            try pool.setPeers(ids.map { HTTPPool.Peer($0) })
            running.cancel()
            _ = await running.result

            let group = try Group<Int>("g", capacity: .mebibytes(1), peers: pool) { _, _ in 1 }
            let key = try #require((0..<1_000).map { Key("k\($0)") }.first { pool.pickOwner(of: $0) != nil })
            // The owner is gone: this node loads, and has found out.
            #expect(try await group.get(key) == 1)
            let log = self.log
            try await eventually { log.lines.contains { $0.hasPrefix("warning a peer is down") } }

            other.listen?.port = peer
            let second = try HTTPPool(configuration: other)
            tasks.addTask { try await second.run() }
            _ = try await second.boundAddress
            try await eventually { log.lines.contains { $0.hasPrefix("notice a peer is up again") } }
            let said = log.lines.filter { $0.contains("a peer is") }
            #expect(said.count == 2 && said.allSatisfy { $0.contains("peer.id=\(ids[1])") }, "\(said)")
        }
    }

    @Test("a pool that has groups and is never run says so, once; one that is run does not")
    func notRun() async throws {
        let pool = try HTTPPool(configuration: self.configuration(), logger: self.log.logger)
        pool.core.noteGroup(now: .now() - .seconds(6))
        let group = try Group<Int>("g", capacity: .mebibytes(1), peers: pool) { _, _ in 1 }
        for key in ["a", "b", "c"] { _ = try await group.get(key) }
        #expect(self.log.lines.count == 1 && self.log.lines[0].hasPrefix("warning the pool has groups and is not run"))

        // Not at once: a pool is made before it is run.
        let young = try HTTPPool(configuration: self.configuration(), logger: self.log.logger)
        let other = try Group<Int>("g", capacity: .mebibytes(1), peers: young) { _, _ in 1 }
        _ = try await other.get("a")
        #expect(self.log.lines.count == 1)
        #expect(young.core.isForgotten(now: .now() + .seconds(6)))
        #expect(!young.core.isForgotten(now: .now() + .seconds(60)))
    }

    @Test("a node that is not in its list is told of advertise, and how a list of peers is read from a text")
    func peersFromText() throws {
        let peers = HTTPPool.Peer.list("http://127.0.0.1:9080, http://127.0.0.1:9081\n http://127.0.0.1:9082 ,")
        #expect(peers == ["http://127.0.0.1:9080", "http://127.0.0.1:9081", "http://127.0.0.1:9082"])
        #expect(HTTPPool.Peer.list(" , ") == [])
        let configuration = HTTPPool.Configuration(listen: .init(host: "127.0.0.1", port: 9079), peers: peers)
        let error = #expect(throws: GroupCacheError.self) { try HTTPPool(configuration: configuration) }
        #expect(error?.message.contains("advertise") == true)
        let wrong = HTTPPool.Configuration(listen: .init(host: "127.0.0.1", port: 9080), peers: HTTPPool.Peer.list("127.0.0.1:9080"))
        #expect(throws: GroupCacheError.self) { try HTTPPool(configuration: wrong) }
    }
}

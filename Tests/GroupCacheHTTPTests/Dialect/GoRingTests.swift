// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import GroupCacheHTTP

/// What is different in a ring of Go's nodes.
@Suite("In a ring of Go's nodes", .timeLimit(.minutes(5))) struct GoRingTests {
    private static let urls = ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"]

    private func pool(_ dialect: Dialect, _ peers: [String], logger: Logger? = nil) throws -> HTTPPool {
        var configuration = HTTPPool.Configuration()
        configuration.dialect = dialect
        configuration.peers = peers.map { HTTPPool.Peer($0) }
        configuration.advertise = peers[0]
        return try HTTPPool(configuration: configuration, logger: logger)
    }

    // MARK: Whom to ask

    @Test("the next owner is asked among our own nodes only; in a ring of Go's this node loads what an owner that is down would have")
    func nextOwner() throws {
        for dialect in Dialect.all {
            let pool = try self.pool(dialect, Self.urls)
            let members = pool.core.members.withLockedValue { $0 }
            let foreign = (0..<500).map { Key("k-\($0)") }.filter { pool.pickOwner(of: $0) != nil }
            #expect(foreign.count > 100)
            #expect(foreign.contains { pool.pickPeer(for: $0).next != nil } == (dialect == .native), "\(dialect)")
            #expect(foreign.allSatisfy { pool.pickPeer(for: $0).owner?.id == pool.pickOwner(of: $0)?.id })
            for getter in members.getters { getter?.standing.health.lost() }
            #expect(foreign.allSatisfy { pool.pickPeer(for: $0).owner == nil })
            members.getters.forEach { $0?.close() }
        }
    }

    // MARK: Ids

    @Test("an id is the text as given, as Go hashes it, and our own are normal; a text that is not in its normal form is warned of")
    func ids() throws {
        let texts = ["http://Node-C:8080", "http://node/", "https://node:443", "http://[0:0::1]:80/x/"]
        for text in texts {
            let url = try PeerURL(text)
            for dialect in [Dialect.groupcache, .geecache, .geecacheProtobuf, .mailgun] { #expect(url.id(dialect) == text) }
            #expect(url.id(.native) == url.string)
        }
        #expect(try texts.map { try PeerURL($0).id(.groupcacheGo) } == ["Node-C:8080", "node:80", "node:443", "[0:0::1]:80"])

        let warnings = NIOLockedValueBox<[String]>([])
        let logger = Logger(label: "test") { _ in Recorder(lines: warnings) }
        // This node's own text differs from the one in the list, which is the one that counts.
        var configuration = HTTPPool.Configuration()
        configuration.dialect = .groupcache
        configuration.peers = ["http://Node-A:8080/", "http://node-b:8080"]
        configuration.advertise = "http://node-a:8080"
        let pool = try HTTPPool(configuration: configuration, logger: logger)
        #expect(Set(pool.ring.members.map(\.id)) == ["http://Node-A:8080/", "http://node-b:8080"])
        #expect(pool.core.members.withLockedValue { $0.getters }.compactMap { $0?.id } == ["http://node-b:8080"])
        #expect(warnings.withLockedValue { $0 } == ["http://Node-A:8080/"])
        try pool.setPeers(["http://node-a:8080", "http://NODE-b:8080"])
        #expect(warnings.withLockedValue { $0 } == ["http://Node-A:8080/", "http://NODE-b:8080"])
        #expect(throws: GroupCacheError.self) { try pool.setPeers(["http://node-a:8080", "http://node-b:8080", "http://NODE-b:8080/"]) }
        _ = try self.pool(.native, ["http://Node-A:8080/", "http://node-b:8080"], logger: logger)
        #expect(warnings.withLockedValue { $0 }.count == 2)
    }

    /// Keeps the ids that were warned of.
    private struct Recorder: LogHandler {
        let lines: NIOLockedValueBox<[String]>
        var metadata = Logger.Metadata()
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            if event.level == .warning, let id = event.metadata?["id"] { self.lines.withLockedValue { $0.append("\(id)") } }
        }
    }

    // MARK: Silence

    private func getter(_ server: ScriptedServer, _ dialect: Dialect, timeout: Duration? = nil) throws -> HTTPGetter {
        var client = HTTPPool.Configuration.Client()
        client.requestTimeout = timeout
        return try HTTPGetter(
            url: server.url,
            dialect: dialect,
            configuration: client,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton
        )
    }

    @Test("a silent peer leaves its caller time to load the value itself, unless a setting says how long it has")
    func timeLeft() async throws {
        var client = HTTPPool.Configuration.Client()
        #expect(client.requestTime(.groupcache) == nil && client.requestTime(.native) == .seconds(5))
        typealias Client = HTTPPool.Configuration.Client
        #expect(Client.requestTime(of: .seconds(30)) == .seconds(24) && Client.requestTime(of: nil) == .seconds(24))
        client.requestTimeout = .seconds(2)
        #expect(client.requestTime(.groupcache) == .seconds(2))

        let server = try await ScriptedServer { _, _ in .silence }
        let getter = try self.getter(server, .groupcache)
        let error = await #expect(throws: GroupCacheError.self) {
            try await getter.get(PeerRequest(group: "scores", key: "Tom", timeout: .milliseconds(500)))
        }
        #expect(error?.code == .peerFailed, "not the end of the caller's time, after which nobody could load")
        getter.close()
        try await server.close()
    }

    @Test("a peer whose getter hangs is down after some timeouts, and up when it has said something about a key that it was silent about")
    func silent() async throws {
        let talks = NIOLockedValueBox(false)
        // It answers everything but keys, as a server does whose getter hangs.
        let seen = NIOLockedValueBox<[String]>([])
        let server = try await RoutedServer { line in
            seen.withLockedValue { $0.append(line) }
            if !line.contains("/_groupcache/scores/") { return "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" }
            return talks.withLockedValue { $0 } ? "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n" : nil
        }
        var client = HTTPPool.Configuration.Client()
        client.requestTimeout = .milliseconds(150)
        let getter = try HTTPGetter(url: server.url, dialect: .groupcache, configuration: client)
        for _ in 0..<5 { _ = try? await getter.get(PeerRequest(group: "scores", key: "Tom", timeout: .seconds(30))) }
        #expect(!getter.standing.health.isUp)
        // Several probes, each of which is due when somebody asks.
        try await eventually { !getter.isUp && seen.withLockedValue { $0.count } >= 8 }
        #expect(!getter.standing.health.isUp)
        #expect(seen.withLockedValue { $0 }.allSatisfy { $0.hasPrefix("GET /_groupcache/scores/Tom ") })
        talks.withLockedValue { $0 = true }
        try await eventually { getter.isUp }
        getter.close()
        try await server.close()
    }

    @Test("a v3 node that hangs up on a group that it does not have is not dead; one of another kind that hangs up is")
    func unknownGroup() async throws {
        let server = try await ScriptedServer { _, _ in .close }
        for (dialect, isUp) in [(Dialect.groupcacheGo, true), (.mailgun, false)] {
            let getter = try self.getter(server, dialect)
            for _ in 0..<12 {
                let error = await #expect(throws: GroupCacheError.self) { try await getter.get(PeerRequest(group: "none", key: "Tom")) }
                #expect(error?.code == .peerFailed)
            }
            #expect(getter.standing.health.isUp == isUp, "\(dialect)")
            getter.close()
        }
        // One that is gone refuses the next connection.
        let getter = try self.getter(server, .groupcacheGo)
        try await server.close()
        _ = try? await getter.get(PeerRequest(group: "none", key: "Tom"))
        #expect(!getter.standing.health.isUp)
        getter.close()
    }

    // MARK: Times

    @Test("a stale value goes out with what is left of its stale window, and at least a second")
    func staleExpire() throws {
        func expire(_ ttl: Duration?, _ staleFor: Duration = .zero) throws -> Int64? {
            var entry = ServedEntry(value: "v", source: .stale, ttl: ttl)
            entry.staleFor = staleFor
            guard case .message(_, let expire) = Response.peerEntry(entry, .mailgun).body else { return nil }
            return expire
        }
        let now = HTTPDate.unixNanoseconds()
        for (staleFor, least) in [(Duration.seconds(60), Int64(60)), (.milliseconds(10), 1), (.zero, 1)] {
            let left = try #require(try expire(.seconds(-5), staleFor)) - now
            #expect(left >= least * 1_000_000_000 && left < (least + 30) * 1_000_000_000, "\(staleFor)")
        }
        #expect(try expire(nil) == 0)
        let fresh = try #require(try expire(.seconds(100), .seconds(500))) - now
        #expect(fresh >= 100_000_000_000 && fresh < 130_000_000_000)
    }

    @Test("a set that has expired on its way removes what was there before, and is no error", arguments: [1, -1, Int64.min])
    func expiredSet(_ expire: Int64) async throws {
        try await withPools(1, { $0.dialect = .mailgun }) { pools in
            let group = try Group<String>("scores", capacity: .mebibytes(1), peers: pools[0].pool) { _, _ in "new" }
            try await group.set("Tom", to: "old")
            var body = ByteBuffer()
            Protobuf.appendSetRequest(group: "scores", key: "Tom", value: "late", expire: expire, to: &body)
            let connection = try await RawConnection(port: pools[0].port)
            try await connection.send("PUT /_groupcache/scores/Tom HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.readableBytes)\r\n\r\n")
            try await connection.send(Array(body.readableBytesView))
            #expect(try await connection.response().head.hasPrefix("HTTP/1.1 200 "))
            #expect(group.cached("Tom") == nil)
            await connection.close()
        }
    }

    // MARK: Changes

    @Test("a set or remove is told to every node where there is a word for it", arguments: [Dialect.mailgun, .groupcacheGo])
    func told(_ dialect: Dialect) async throws {
        try await withPools(3, { $0.dialect = dialect }) { pools in
            let urls = pools.map { "http://127.0.0.1:\($0.port)" }
            let version = NIOLockedValueBox("old")
            let groups = try pools.map { node in
                try node.pool.setPeers(urls.map { HTTPPool.Peer($0) })
                return try Group<String>("scores", capacity: .mebibytes(1), peers: node.pool) { _, _ in version.withLockedValue { $0 } }
            }
            for key in (0..<12).map({ Key("k-\($0)") }) {
                version.withLockedValue { $0 = "old" }
                for group in groups { #expect(try await group.get(key) == "old") }
                version.withLockedValue { $0 = "new" }
                try await groups[0].set(key, to: "new")
                for group in groups { #expect(try await group.get(key) == "new") }
                version.withLockedValue { $0 = "newer" }
                try await groups[1].remove(key)
                for group in groups { #expect(try await group.get(key) == "newer") }
            }
        }
    }

    @Test(
        "a node that has not heard of a change is named, and where there is no word for it the error says so; the change is made all the same"
    )
    func notTold() async throws {
        for dialect in [Dialect.mailgun, .groupcache, .geecache] {
            try await withPools(1, { $0.dialect = dialect }) { pools in
                let (own, gone) = ("http://127.0.0.1:\(pools[0].port)", "http://127.0.0.1:1")
                try pools[0].pool.setPeers([HTTPPool.Peer(own), HTTPPool.Peer(gone)])
                let group = try Group<String>("scores", capacity: .mebibytes(1), peers: pools[0].pool) { _, _ in "loaded" }
                let key = try #require((0..<5_000).map { Key("\($0 &* 2_654_435_761)-k") }.first { pools[0].pool.pickOwner(of: $0) == nil })
                let set = await #expect(throws: GroupCacheError.self) { try await group.set(key, to: "set") }
                #expect(set?.code == (dialect == .mailgun ? .peerFailed : .unsupported))
                #expect(dialect != .mailgun || set?.message.contains(gone) == true)
                #expect(group.cached(key.string) == "set")
                await #expect(throws: GroupCacheError.self) { try await group.remove(key) }
                #expect(group.cached(key.string) == nil)
                // Alone there is nobody to be told.
                try pools[0].pool.setPeers([HTTPPool.Peer(own)])
                try await group.set(key, to: "set")
            }
        }
    }
}

/// A server that answers by the request line; `nil`: not at all.
private final class RoutedServer: Sendable {
    private let server: ScriptedServer

    init(_ answer: @escaping @Sendable (String) -> String?) async throws {
        let box = NIOLockedValueBox<ScriptedServer?>(nil)
        self.server = try await ScriptedServer { _, _ in
            guard let line = box.withLockedValue({ $0 })?.requests.last?.split(separator: "\r\n").first else { return .silence }
            return answer(String(line)).map { .reply($0) } ?? .silence
        }
        box.withLockedValue { $0 = self.server }
    }

    var url: String { self.server.url }
    func close() async throws { try await self.server.close() }
}

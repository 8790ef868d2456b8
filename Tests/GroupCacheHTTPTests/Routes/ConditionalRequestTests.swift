// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import GroupCacheTesting
import NIOCore
import Testing

/// What a real group answers to requests with conditions, ranges and lifetimes, asked at its owner and at another node.
@Suite("Routes: conditions, ranges and lifetimes", .timeLimit(.minutes(5))) struct ConditionalRequestTests {
    private func withNodes(
        _ count: Int = 1,
        links: HTTPPool.Configuration.Client.Links = .automatic,
        _ body: @Sendable ([RawConnection], [Group<ByteView>]) async throws -> Void
    ) async throws {
        try await withPools(count) {
            $0.client.links = links
        } _: { nodes in
            let peers = nodes.map { HTTPPool.Peer("http://127.0.0.1:\($0.port)") }
            var configuration = GroupConfiguration()
            configuration.freshness.jitter = 0
            let groups = try nodes.map { node in
                if count > 1 { try node.pool.setPeers(peers) }
                return try Group<ByteView>("g", capacity: .mebibytes(8), configuration: configuration, peers: node.pool) { key, _ in
                    switch key.string {
                    case "none": .notFound
                    case "once": .value("once", cacheable: false)
                    case "large": .value(ByteView([UInt8](repeating: 1, count: 9 << 20)))
                    default: .value(ByteView("loaded \(key.string)"), ttl: .seconds(60))
                    }
                }
            }
            // Who compares waits for the word of who may have owned the key, but not for long; after a beginning it takes a while until that one speaks.
            try await eventually { nodes.allSatisfy { $0.pool.isFollowingAll } }
            var connections: [RawConnection] = []
            for node in nodes { connections.append(try await RawConnection(port: node.port)) }
            try await body(connections, groups)
            for connection in connections { await connection.close() }
        }
    }

    private func ask(
        _ connection: RawConnection,
        _ method: String,
        _ path: String,
        _ fields: [String] = [],
        body: String = ""
    ) async throws -> (status: Int, head: String, body: String) {
        let length = body.isEmpty ? [] : ["Content-Length: \(body.utf8.count)"]
        let lines = ["\(method) \(path) HTTP/1.1", "Host: 127.0.0.1"] + fields + length
        try await connection.send(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
        let (head, bytes) = try await connection.response(hasBody: method != "HEAD")
        return (Int(head.dropFirst(9).prefix(3)) ?? 0, head, String(decoding: bytes, as: UTF8.self))
    }

    private static func field(_ name: String, _ head: String) -> String? {
        head.split(separator: "\r\n").first { $0.hasPrefix("\(name): ") }.map { String($0.dropFirst(name.utf8.count + 2)) }
    }

    @Test(
        "compare and set, and set if absent, at the owner and at another node",
        arguments: [
            (1, HTTPPool.Configuration.Client.Links.automatic), (2, .automatic), (2, .never),
        ]
    )
    func changes(nodes: Int, links: HTTPPool.Configuration.Client.Links) async throws {
        try await self.withNodes(nodes, links: links) { connections, groups in
            for number in 0..<12 {
                let (path, node) = ("/v1/groups/g/keys/k\(number)", connections[number % nodes])
                try await #expect(self.ask(node, "PUT", path, ["If-Match: *"], body: "x").status == 412)
                try await #expect(self.ask(node, "PUT", path, ["If-None-Match: *"], body: "one").status == 201)
                try await #expect(self.ask(node, "PUT", path, ["If-None-Match: *"], body: "two").status == 412)
                let got = try await self.ask(connections[0], "GET", path)
                #expect(got.body == "one")
                let tag = try #require(Self.field("ETag", got.head))
                #expect(tag == EntityTag(of: "one").description)
                // The same everywhere.
                let other = try await self.ask(connections[nodes - 1], "HEAD", path)
                #expect(Self.field("ETag", other.head) == tag)
                try await #expect(self.ask(node, "PUT", path, ["If-Match: \"x\", W/\(tag)"], body: "no").status == 412)
                try await #expect(self.ask(node, "PUT", path, ["If-Match: \"x\"", "If-Match: \(tag)"], body: "three").status == 204)
                try await #expect(self.ask(node, "PUT", path, ["If-Match: \(tag)"], body: "four").status == 412)
                try await #expect(self.ask(node, "DELETE", path, ["If-Match: \(tag)"]).status == 412)
                try await #expect(self.ask(node, "DELETE", path, ["If-Match: \(EntityTag(of: "three"))"]).status == 204)
                try await #expect(self.ask(node, "PUT", path, ["If-None-Match: \(tag)"], body: "five").status == 201)
                try await #expect(self.ask(node, "PUT", path, ["If-Match: nonsense"], body: "six").status == 400)
                try await #expect(self.ask(node, "PUT", path, body: "seven").status == 204)
                try await #expect(groups[0].get("k\(number)") == "seven")
            }
        }
    }

    @Test("of clients at different nodes that set the same key at the same time one wins", arguments: [false, true])
    func races(matching: Bool) async throws {
        try await self.withNodes(2) { _, groups in
            for round in 0..<8 {
                let key = Key("race\(round)")
                if matching { try await groups[0].set(key, to: "start") }
                let condition: ChangeCondition = matching ? .matching(EntityTag(of: "start")) : .absent
                let winners = await withTaskGroup(of: Bool.self) { tasks in
                    for number in 0..<16 {
                        tasks.addTask { (try? await groups[number % 2].set(key, to: ByteView("\(number)"), if: condition)) != nil }
                    }
                    return await tasks.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                }
                #expect(winners == 1)
            }
        }
    }

    @Test("GET and HEAD: 304, 412 and what is said with them")
    func reading() async throws {
        try await self.withNodes { connections, _ in
            let (node, path) = (connections[0], "/v1/groups/g/keys/a")
            // Also of what is loaded for it.
            let tag = EntityTag(of: "loaded a")
            try await #expect(self.ask(node, "GET", path, ["If-Match: \"x\""]).status == 412)
            for method in ["GET", "HEAD"] {
                let same = try await self.ask(node, method, path, ["If-None-Match: \"x\"", "If-None-Match: W/\(tag)"])
                #expect(same.status == 304 && Self.field("ETag", same.head) == tag.description && same.body.isEmpty)
                #expect(Self.field("Cache-Control", same.head) == "max-age=60")
                try await #expect(self.ask(node, method, path, ["If-Match: \(tag)"]).status == 200)
                try await #expect(self.ask(node, method, path, ["If-Match: W/\(tag)"]).status == 412)
            }
            // There is nothing to compare with.
            try await #expect(self.ask(node, "GET", "/v1/groups/g/keys/none", ["If-Match: *"]).status == 404)
            try await #expect(self.ask(node, "GET", "/v1/groups/g/keys/none", ["If-None-Match: *"]).status == 404)
        }
    }

    @Test("parts of a value")
    func ranges() async throws {
        try await self.withNodes { connections, _ in
            let (node, path) = (connections[0], "/v1/groups/g/keys/a")
            let tag = EntityTag(of: "loaded a")
            let whole = try await self.ask(node, "GET", path)
            #expect(Self.field("Accept-Ranges", whole.head) == "bytes")
            for (fields, status, body, range) in [
                (["Range: bytes=0-5"], 206, "loaded", "bytes 0-5/8"), (["Range: bytes=-1"], 206, "a", "bytes 7-7/8"),
                (["Range: bytes=7-"], 206, "a", "bytes 7-7/8"), (["Range: bytes=0-0,7-7"], 200, "loaded a", nil),
                (["Range: lines=0-5"], 200, "loaded a", nil), (["Range: bytes=0-5", "If-Range: \(tag)"], 206, "loaded", "bytes 0-5/8"),
                (["Range: bytes=0-5", "If-Range: \"x\""], 200, "loaded a", nil),
                (["Range: bytes=0-5", "If-Range: W/\(tag)"], 200, "loaded a", nil),
                (["Range: bytes=0-5", "If-Match: \(tag)"], 206, "loaded", "bytes 0-5/8"),
            ] as [([String], Int, String, String?)] {
                let answer = try await self.ask(node, "GET", path, fields)
                #expect(answer.status == status && answer.body == body && Self.field("Content-Range", answer.head) == range, "\(fields)")
                #expect(Self.field("ETag", answer.head) == tag.description)
            }
            let beyond = try await self.ask(node, "GET", path, ["Range: bytes=8-"])
            #expect(beyond.status == 416 && Self.field("Content-Range", beyond.head) == "bytes */8")
            // A range is for GET alone, and what has not changed is not sent in parts.
            try await #expect(self.ask(node, "HEAD", path, ["Range: bytes=0-5"]).status == 200)
            try await #expect(self.ask(node, "GET", path, ["Range: bytes=0-5", "If-None-Match: \(tag)"]).status == 304)
        }
    }

    @Test("what a PUT says of time: 400 for what is none, and the longest for what is longer")
    func lifetimes() async throws {
        try await self.withNodes { connections, groups in
            let (node, path) = (connections[0], "/v1/groups/g/keys/t")
            for text in [
                "max-age=-1", "max-age=\"60\"", "max-age=1.5", "max-age=abc", "max-age=12345678901234567890", "max-age", "s-maxage=x",
                "max-age=0",
            ] {
                try await #expect(self.ask(node, "PUT", path, ["Cache-Control: \(text)"], body: "v").status == 400, "\(text)")
            }
            try await #expect(
                self.ask(node, "PUT", path, ["Cache-Control: max-age=60", "Cache-Control: no-store"], body: "v").status == 400
            )
            try await #expect(self.ask(node, "PUT", path, ["Content-Range: bytes 0-0/8"], body: "v").status == 400)
            #expect(groups[0].cached("t") == nil)
            for text in ["max-age=2147483648", "max-age=999999999999999999", "max-age=9999999999999999999"] {
                try await #expect(
                    [201, 204].contains(self.ask(node, "PUT", path, ["Cache-Control: \(text)"], body: "v").status),
                    "\(text)"
                )
                let left = try #require(groups[0].entry("t")?.timeLeft)
                #expect(left > .seconds(30 * 365 * 86_400), "\(text)")
            }
            try await #expect(
                self.ask(node, "PUT", path, ["Cache-Control: max-age=600", "Cache-Control: max-age=30"], body: "v").status == 204
            )
            try #expect(#require(groups[0].entry("t")?.timeLeft) <= .seconds(30))
            let got = try await self.ask(node, "GET", path)
            #expect(Self.field("Cache-Control", got.head) == "max-age=30" || Self.field("Cache-Control", got.head) == "max-age=29")
        }
    }

    @Test("only-if-cached is answered without a load")
    func onlyIfCached() async throws {
        try await self.withNodes { connections, groups in
            for path in ["/v1/groups/g/keys/a", "/api?key=a"] {
                try await #expect(
                    self.ask(connections[0], "GET", path, ["Cache-Control: max-age=5", "Cache-Control: only-if-cached"]).status == 504
                )
            }
            #expect(groups[0].statistics.localLoads == 0)
            _ = try await groups[0].get("a")
            try await #expect(self.ask(connections[0], "GET", "/v1/groups/g/keys/a", ["Cache-Control: only-if-cached"]).status == 200)
        }
    }

    @Test("Cache-Status says stored only of what is stored")
    func cacheStatus() async throws {
        try await self.withNodes { connections, _ in
            func status(_ key: String) async throws -> String? {
                Self.field("Cache-Status", try await self.ask(connections[0], "GET", "/v1/groups/g/keys/\(key)").head)
            }
            try await #expect(status("a")?.hasPrefix("GroupCache; fwd=miss; stored; ttl=") == true)
            try await #expect(status("a")?.hasPrefix("GroupCache; hit; ttl=") == true)
            for _ in 0..<2 {
                try await #expect(status("once") == "GroupCache; fwd=miss; ttl=0")
                try await #expect(status("large") == "GroupCache; fwd=miss")
                try await #expect(status("none")?.hasPrefix("GroupCache; fwd=miss") == true)
                try await #expect(status("none")?.contains("stored") == false)
            }
        }
    }

    @Test("what was there too long ago: max-age counts from when it was made, not from now")
    func ages() async throws {
        let clock = ManualClock()
        try await withPools { nodes in
            var configuration = GroupConfiguration(freshness: Freshness(ttl: .seconds(10)))
            (configuration.clock, configuration.freshness.jitter, configuration.freshness.earlyRefresh) = (CacheClock(clock), 0, 0)
            configuration.freshness.staleIfError = .seconds(60)
            let group = try Group<ByteView>("g", capacity: .mebibytes(1), configuration: configuration, peers: nodes.pool0) { _, context in
                if context.previous != nil { throw GroupCacheError.peerFailed }
                return .value("v")
            }
            _ = try await group.get("a")
            let connection = try await RawConnection(port: nodes[0].port)
            clock.advance(by: .seconds(6))
            let old = try await self.ask(connection, "GET", "/v1/groups/g/keys/a")
            #expect(Self.field("Age", old.head) == "6" && Self.field("Cache-Control", old.head) == "max-age=10")
            #expect(Self.field("Cache-Status", old.head) == "GroupCache; hit; ttl=4")
            clock.advance(by: .seconds(6))
            // Its time is over, the load has failed, and the old value is served all the same.
            let stale = try await self.ask(connection, "GET", "/v1/groups/g/keys/a")
            #expect(stale.body == "v" && Self.field("Cache-Control", stale.head) == "max-age=10")
            #expect(Self.field("Cache-Status", stale.head) == "GroupCache; fwd=stale; ttl=-2")
            await connection.close()
        }
    }
}

extension [(pool: HTTPPool, port: Int)] {
    fileprivate var pool0: HTTPPool { self[0].pool }
}

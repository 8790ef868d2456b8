// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Who may change what is cached, by token.
@Suite(.timeLimit(.minutes(5))) struct AuthorizationTests {
    private static let token = "correct-horse-battery-staple"
    private static let next = "another-token-that-comes-next"

    private func withNode(
        _ dialect: Dialect = .native,
        token: String? = "\(token)\n\(next)\n",
        _ body: @Sendable (RawConnection, FakeGroup, HTTPPool, TestFiles) async throws -> Void
    ) async throws {
        let files = try TestFiles()
        let path = try token.map { try files.write("token", $0) }
        try await withPools {
            $0.dialect = dialect
            $0.tokenFile = path
        } _: { nodes in
            let group = FakeGroup { _ throws(GroupCacheError) in "loaded" }
            group["Tom"] = "630"
            try nodes[0].pool.register(group)
            let connection = try await RawConnection(port: nodes[0].port)
            try await body(connection, group, nodes[0].pool, files)
            await connection.close()
        }
    }

    private func ask(_ line: String, authorization: String?, body: String = "", _ connection: RawConnection) async throws -> String {
        let header = authorization.map { "Authorization: \($0)\r\n" } ?? ""
        try await connection.send("\(line) HTTP/1.1\r\nHost: x\r\n\(header)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        return try await connection.response(hasBody: true).head
    }

    static let changes = [
        "PUT /v1/groups/scores/keys/Tom", "DELETE /v1/groups/scores/keys/Tom", "DELETE /v1/groups/scores/keys",
        "DELETE /v1/groups/scores/tags/all",
        "PUT /_groupcache/scores/Tom",
        "DELETE /_groupcache/scores/Tom",
    ]

    @Test(
        "whoever shows no token, or a wrong one, changes nothing",
        arguments: changes,
        [
            nil, "Bearer wrong-horse-battery-staple", "Bearer correct-horse-battery-stapl", "Basic correct-horse-battery-staple", "Bearer",
            "",
        ]
    )
    func refused(line: String, authorization: String?) async throws {
        try await self.withNode { connection, group, pool, _ in
            let head = try await self.ask(line, authorization: authorization, body: line.hasPrefix("PUT") ? "1" : "", connection)
            #expect(head.hasPrefix("HTTP/1.1 401 ") && head.contains("\r\nWWW-Authenticate: Bearer\r\n"), "\(head)")
            #expect(head.contains("\r\nGroupCache-Error: unauthorized\r\n"))
            #expect(group["Tom"] == "630")
            #expect(pool.statistics.unauthorizedRequests == 1)
            // The connection goes on: a refusal is an answer.
            let after = try await self.ask("GET /v1/groups/scores/keys/Tom", authorization: nil, connection)
            #expect(after.hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test("each token of the file opens the door", arguments: changes, [token, next])
    func accepted(line: String, token: String) async throws {
        try await self.withNode { connection, group, pool, _ in
            let head = try await self.ask(line, authorization: "Bearer \(token)", body: line.hasPrefix("PUT") ? "1" : "", connection)
            #expect(head.hasPrefix("HTTP/1.1 20"), "\(head)")
            let left: ByteView? = line.hasPrefix("PUT") ? "1" : line.contains("/tags/") ? "630" : nil
            #expect(group["Tom"] == left && group.tags.count == (line.contains("/tags/") ? 1 : 0))
            #expect(pool.statistics.unauthorizedRequests == 0)
        }
    }

    @Test(
        "a large value of a stranger is refused before it is sent",
        arguments: ["/v1/groups/scores/keys/Tom", "/_groupcache/scores/Tom"],
        ["Content-Length: 8000000", "Content-Length: 1\r\nExpect: 100-continue", "Transfer-Encoding: chunked"]
    )
    func large(path: String, length: String) async throws {
        try await self.withNode { connection, group, pool, _ in
            let head = "PUT \(path) HTTP/1.1\r\nHost: x\r\n\(length)\r\n"
            try await connection.send("\(head)\r\n")
            let answer = try await connection.untilClosed()
            #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("WWW-Authenticate: Bearer"), "\(answer)")
            #expect(group["Tom"] == "630" && pool.statistics.unauthorizedRequests == 1)
            // Not so with a token, nor for the keys of a read.
            let port = connection.port
            let peer = try await RawConnection(port: port)
            let keys = #"{"keys":["Tom"]}"#
            try await peer.send(
                "POST /v1/groups/scores/keys:get HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            try await peer.send("\(String(keys.utf8.count, radix: 16))\r\n\(keys)\r\n0\r\n\r\n")
            let read = try await peer.untilClosed()
            #expect(read.hasPrefix("HTTP/1.1 200 "))
            let writer = try await RawConnection(port: port)
            let body = String(repeating: "v", count: 100_000)
            let proof = "Authorization: Bearer \(Self.token)\r\n"
            try await writer.send("PUT \(path) HTTP/1.1\r\nHost: x\r\n\(proof)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            let stored = try await writer.response().head
            #expect(stored.hasPrefix("HTTP/1.1 20") && group["Tom"]?.count == 100_000)
            await writer.close()
        }
    }

    @Test("removing many keys needs a token, too")
    func removeKeys() async throws {
        try await self.withNode(.groupcacheGo) { connection, group, _, _ in
            let body = #"{"group":"scores","keys":["Tom"]}"#
            let refused = try await self.ask("POST /_groupcache/scores/_remove-keys%2F", authorization: nil, body: body, connection)
            #expect(refused.hasPrefix("HTTP/1.1 401 ") && group["Tom"] == "630")
            let line = "POST /_groupcache/scores/_remove-keys%2F"
            let accepted = try await self.ask(line, authorization: "Bearer \(Self.token)", body: body, connection)
            #expect(accepted.hasPrefix("HTTP/1.1 200 ") && group["Tom"] == nil)
        }
    }

    @Test("reading needs no token, and without a token nobody makes a node load again what it holds")
    func reading() async throws {
        try await self.withNode { connection, group, _, _ in
            for line in [
                "GET /v1/groups/scores/keys/Tom", "GET /api?key=Tom", "GET /v1/groups", "GET /v1/ring", "GET /livez",
                "GET /_groupcache/scores/Tom",
            ] {
                let head = try await self.ask(line, authorization: nil, connection)
                #expect(head.hasPrefix("HTTP/1.1 200 "), "\(line)")
            }
            for (authorization, loads) in [("", 0), ("Authorization: Bearer \(Self.token)\r\n", 1)] {
                try await connection.send(
                    "GET /_groupcache/scores/Tom HTTP/1.1\r\nHost: x\r\nCache-Control: no-cache\r\n\(authorization)\r\n"
                )
                let head = try await connection.response().head
                #expect(head.hasPrefix("HTTP/1.1 200 ") && group.loads["Tom", default: 0] == loads)
            }
        }
    }

    @Test(
        "a link, whose requests prove nothing more, is opened only by who may change things",
        arguments: [
            (nil, 401), ("Bearer wrong-horse-battery-staple", 401), ("Bearer \(token)", 101),
        ] as [(String?, Int)]
    )
    func link(authorization: String?, status: Int) async throws {
        try await self.withNode { connection, _, pool, _ in
            let upgrade = LinkHandshake.request(
                path: "/_groupcache/",
                host: "x",
                key: WebSocketKey.make(),
                ring: nil,
                authorization: authorization
            )
            try await connection.send(Array(upgrade.readableBytesView))
            let head = try await connection.response().head
            #expect(head.hasPrefix("HTTP/1.1 \(status) "), "\(head)")
            #expect(pool.statistics.unauthorizedRequests == (status == 101 ? 0 : 1))
        }
    }

    @Test("two Authorization headers are none that two readers would read alike")
    func repeated() async throws {
        try await self.withNode { connection, group, _, _ in
            let header = "Authorization: Bearer \(Self.token)\r\n"
            try await connection.send("DELETE /v1/groups/scores/keys/Tom HTTP/1.1\r\nHost: x\r\n\(header)\(header)\r\n")
            let answer = try await connection.untilClosed()
            #expect(answer.hasPrefix("HTTP/1.1 400 ") && group["Tom"] == "630")
        }
    }

    @Test("without a token file anybody changes things, whatever header they send")
    func open() async throws {
        try await self.withNode(token: nil) { connection, group, _, _ in
            let head = try await self.ask("DELETE /v1/groups/scores/keys/Tom", authorization: "Bearer x", connection)
            #expect(head.hasPrefix("HTTP/1.1 204 ") && group["Tom"] == nil)
        }
    }

    @Test("peers show each other their tokens", arguments: [Dialect.native, .mailgun, .groupcacheGo])
    func peers(dialect: Dialect) async throws {
        let files = try TestFiles()
        let path = try files.write("token", Self.token)
        let wrong = try files.write("wrong", Self.next)
        try await withPools {
            $0.dialect = dialect
            $0.tokenFile = path
        } _: { nodes in
            let group = FakeGroup()
            try nodes[0].pool.register(group)
            let url = "http://127.0.0.1:\(nodes[0].port)"
            let request = PeerRequest(group: "scores", key: "Tom")
            for file in [nil, wrong] {
                let stranger = try HTTPGetter(url: url, dialect: dialect, tokenFile: file)
                for change in [{ try await stranger.set(request, to: PeerEntry(value: "1")) }, { try await stranger.remove(request) }] {
                    let error = await #expect(throws: GroupCacheError.self) { try await change() }
                    #expect(error?.code == .unauthorized)
                }
                stranger.close()
            }
            #expect(group["Tom"] == nil)
            let peer = try HTTPGetter(url: url, dialect: dialect, tokenFile: path)
            try await peer.set(request, to: PeerEntry(value: "1"))
            #expect(group["Tom"] == "1")
            try await peer.remove(request)
            #expect(group["Tom"] == nil)
            peer.close()
        }
    }

    @Test("a new token takes effect without a restart; a file of no use changes nothing")
    func reload() async throws {
        try await self.withNode { connection, _, pool, files in
            let line = "DELETE /v1/groups/scores/keys/Tom"
            try files.write("token", "a-token-that-replaces-all")
            try pool.reloadCredentials()
            let old = try await self.ask(line, authorization: "Bearer \(Self.token)", connection)
            #expect(old.hasPrefix("HTTP/1.1 401 "))
            let new = try await self.ask(line, authorization: "Bearer a-token-that-replaces-all", connection)
            #expect(new.hasPrefix("HTTP/1.1 204 "))
            try files.write("token", "short")
            let error = #expect(throws: GroupCacheError.self) { try pool.reloadCredentials() }
            #expect(error?.code == .invalidConfiguration && error?.message.contains("short") == false)
            let still = try await self.ask(line, authorization: "Bearer a-token-that-replaces-all", connection)
            #expect(still.hasPrefix("HTTP/1.1 204 "))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Under which names something may be changed, and what reading may need.
@Suite("Security: hosts, and tokens for reading", .timeLimit(.minutes(5))) struct HostTests {
    @Test("which hosts are allowed")
    func list() throws {
        let list = try HostList(["Cache.Example", "other"])
        func allows(_ text: String, own: String? = "node-1") -> Bool {
            let bytes = Array(text.utf8)
            return list.allows(0..<bytes.count, bytes.span, own: own)
        }
        for text in [
            "localhost", "LOCALHOST:8001", "a.localhost", "127.0.0.1", "127.0.0.1:80", "10.1.2.3:8001", "[::1]", "[fe80::1%25eth0]:1",
            "node-1:9",
            "cache.example", "cache.example.:8001", "OTHER", "",
        ] { #expect(allows(text), "\(text)") }
        for text in [
            "evil.example", "evil.example:8001", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "node-1.evil",
            "1.2.3.4.5", "256.1.1.1",
            "::1", "example", "xcache.example", ".", ":",
        ] { #expect(!allows(text), "\(text)") }
        for name in ["", "a:1", "http://a", "*", "a b", "[::1]"] {
            #expect(throws: GroupCacheError.self, "\(name)") { try HostList([name]) }
        }
    }

    private func head(_ request: String, _ fields: String..., port: Int) async throws -> String {
        let connection = try await RawConnection(port: port)
        let lines = ["\(request) HTTP/1.1"] + fields + ["Connection: close", "", ""]
        try await connection.send(lines.joined(separator: "\r\n"))
        return try await connection.untilClosed()
    }

    @Test("a page whose name was made to point here changes nothing; with names given nobody does under another one")
    func rebinding() async throws {
        for names in [nil, ["cache.example"]] {
            try await withPools(1) {
                $0.allowedHosts = names
            } _: { nodes in
                let group = FakeGroup()
                group["Tom"] = "630"
                try nodes[0].pool.register(group)
                let port = nodes[0].port
                for line in ["DELETE /v1/groups/scores/keys/Tom", "DELETE /v1/groups/scores/keys", "DELETE /v1/groups/scores/tags/a"] {
                    let page = try await self.head(line, "Host: evil.example:\(port)", "Origin: http://evil.example:\(port)", port: port)
                    #expect(page.hasPrefix("HTTP/1.1 403 ") && page.contains("--host"), "\(page)")
                    let program = try await self.head(line, "Host: evil.example", port: port)
                    #expect(program.hasPrefix(names == nil ? "HTTP/1.1 204 " : "HTTP/1.1 403 "))
                    if names != nil { #expect(group["Tom"] == "630") } else { group["Tom"] = "630" }
                }
                let read = try await self.head("GET /v1/groups/scores/keys/Tom", "Host: evil.example", port: port)
                #expect(read.hasPrefix("HTTP/1.1 200 "))
                for host in ["localhost:\(port)", "127.0.0.1", "[::1]:9"] + (names ?? []) {
                    let allowed = try await self.head(
                        "DELETE /v1/groups/scores/keys/Tom",
                        "Host: \(host)",
                        "Origin: http://\(host)",
                        port: port
                    )
                    #expect(allowed.hasPrefix("HTTP/1.1 204 "), "\(host)")
                }
            }
        }
    }

    @Test("who has a token is asked for no name; and reading can need one, of peers, too")
    func tokens() async throws {
        let files = try TestFiles()
        let path = try files.write("token", "correct-horse-battery-staple\n")
        try await withPools(2) {
            (($0.tokenFile), $0.tokenReads, $0.allowedHosts) = (path, true, [])
        } _: { nodes in
            for (pool, _) in nodes { try pool.setPeers(nodes.map { HTTPPool.Peer("http://127.0.0.1:\($0.port)") }) }
            let groups = try nodes.map { node in
                try Group<String>("scores", capacity: .mebibytes(1), peers: node.pool) { key, _ in "value of \(key.string)" }
            }
            let (port, token) = (nodes[0].port, "Authorization: Bearer correct-horse-battery-staple")
            for line in ["GET /v1/groups/scores/keys/a", "HEAD /v1/groups", "GET /v1/ring", "GET /api?key=a", "GET /_groupcache/scores/a"] {
                try await #expect(self.head(line, "Host: x", port: port).hasPrefix("HTTP/1.1 401 "), "\(line)")
                try await #expect(self.head(line, "Host: x", token, port: port).hasPrefix("HTTP/1.1 200 "), "\(line)")
            }
            try await #expect(self.head("GET /livez", "Host: x", port: port).hasPrefix("HTTP/1.1 200 "))
            try await #expect(
                self.head("DELETE /v1/groups/scores/keys/a", "Host: evil.example", token, port: port).hasPrefix("HTTP/1.1 204 ")
            )
            for number in 0..<20 { try await #expect(groups[number % 2].get("k\(number)") == "value of k\(number)") }
            #expect(groups.map(\.statistics.peerErrors) == [0, 0] && groups.map(\.statistics.peerLoads).contains { $0 > 0 })
            // The page of the cluster is put together of what each node says.
            let page = try await self.head("GET /v1/groups/scores/stats?scope=cluster", "Host: x", token, port: port)
            #expect(!page.contains("\"answered\":false") && page.contains("\"answered\":true"))
        }
        var configuration = HTTPPool.Configuration()
        configuration.tokenReads = true
        #expect(throws: GroupCacheError.self) { try HTTPPool(configuration: configuration) }
    }

    @Test("what an embedded pool holds is shown to nobody who did not ask for it to be")
    func embedded() async throws {
        try await withPools(1) {
            $0.publicRoutes = HTTPPool.Configuration().publicRoutes
        } _: { nodes in
            let group = FakeGroup()
            group["Tom"] = "630"
            try nodes[0].pool.register(group)
            for path in ["/v1/groups/scores/keys/Tom", "/v1/groups", "/v1/ring", "/api?key=Tom"] {
                try await #expect(self.head("GET \(path)", "Host: x", port: nodes[0].port).hasPrefix("HTTP/1.1 404 "), "\(path)")
            }
            try await #expect(self.head("GET /readyz", "Host: x", port: nodes[0].port).hasPrefix("HTTP/1.1 200 "))
            try await #expect(self.head("GET /_groupcache/scores/Tom", "Host: x", port: nodes[0].port).hasSuffix("630"))
        }
    }
}

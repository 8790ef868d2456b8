// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import Testing

@Suite struct PublicRoutesTests {
    private func withNode(_ body: @Sendable (RawConnection, FakeGroup, HTTPPool) async throws -> Void) async throws {
        try await withPools { nodes in
            let group = FakeGroup { key throws(GroupCacheError) in
                switch key.string {
                case "loaded": return "from the getter"
                case "broken": throw GroupCacheError(.getterFailed, "the getter failed")
                case "busy": throw GroupCacheError(.overloaded, "too much", retryAfter: .seconds(3))
                case "slow": throw .deadlineExceeded
                default: throw .notFound
                }
            }
            group["Tom"] = "630"
            group["a/b c+d%é"] = "odd"
            try nodes[0].pool.register(group)
            let connection = try await RawConnection(port: nodes[0].port)
            try await body(connection, group, nodes[0].pool)
            await connection.close()
        }
    }

    private func get(_ path: String, _ connection: RawConnection, method: String = "GET", headers: String = "") async throws -> (
        head: String, body: String
    ) {
        try await connection.send("\(method) \(path) HTTP/1.1\r\nHost: x\r\n\(headers)\r\n")
        let (head, body) = try await connection.response(hasBody: method != "HEAD")
        return (head, String(decoding: body, as: UTF8.self))
    }

    @Test func aHitHasEverythingThatCachesWant() async throws {
        try await self.withNode { connection, group, _ in
            group.put("Sam", "567", ttl: .seconds(30))
            let (head, body) = try await self.get("/v1/groups/scores/keys/Sam", connection)
            #expect(body == "567")
            #expect(head.hasPrefix("HTTP/1.1 200 OK\r\nDate: "))
            for line in [
                "Cache-Status: GroupCache; hit; ttl=30", "Cache-Control: max-age=37", "Age: 7", "X-Content-Type-Options: nosniff",
                "Content-Length: 3",
            ] { #expect(head.contains("\r\n\(line)\r\n"), "\(line)") }
        }
    }

    @Test func aLargeAnswerIsSentOnce() async throws {
        try await self.withNode { connection, group, _ in
            group["large"] = ByteView([UInt8](repeating: 7, count: 300_000))
            let request = "GET /v1/groups/scores/keys/large HTTP/1.1\r\nHost: x\r\n\r\n"
            try await connection.send(request + request)
            for _ in 0..<2 {
                let (_, body) = try await connection.response(hasBody: true)
                #expect(body.count == 300_000)
            }
            let (_, last) = try await self.get("/v1/groups/scores/keys/Tom", connection)
            #expect(last == "630")
        }
    }

    @Test func headIsGetWithoutTheBody() async throws {
        try await self.withNode { connection, _, _ in
            let (head, _) = try await self.get("/v1/groups/scores/keys/Tom", connection, method: "HEAD")
            #expect(head.contains("Content-Length: 3"))
            // Had a body come, it would be taken for the beginning of the next response.
            let (next, body) = try await self.get("/v1/groups/scores/keys/Tom", connection)
            #expect(next.hasPrefix("HTTP/1.1 200"))
            #expect(body == "630")
            try await #expect(self.get("/v1/groups/scores/keys/nobody", connection, method: "HEAD").head.hasPrefix("HTTP/1.1 404"))
        }
    }

    @Test func anUnchangedValueIsNotSentAgain() async throws {
        try await self.withNode { connection, group, _ in
            let (head, _) = try await self.get("/v1/groups/scores/keys/Tom", connection)
            let tag = try #require(head.split(separator: "\r\n").first { $0.hasPrefix("ETag: ") }).dropFirst(6)
            for list in [String(tag), "W/\(tag)", "\"x\", \(tag)", "*"] {
                let (again, body) = try await self.get("/v1/groups/scores/keys/Tom", connection, headers: "If-None-Match: \(list)\r\n")
                #expect(again.hasPrefix("HTTP/1.1 304 Not Modified"), "\(list)")
                #expect(body.isEmpty)
            }
            group["Tom"] = "631"
            let (changed, body) = try await self.get("/v1/groups/scores/keys/Tom", connection, headers: "If-None-Match: \(tag)\r\n")
            #expect(changed.hasPrefix("HTTP/1.1 200"))
            #expect(body == "631")
        }
    }

    @Test func missesAreLoadedAndErrorsAreStatusObjects() async throws {
        try await self.withNode { connection, _, _ in
            let (loaded, value) = try await self.get("/v1/groups/scores/keys/loaded", connection)
            #expect(loaded.contains("Cache-Status: GroupCache; fwd=miss; stored"))
            #expect(value == "from the getter")
            for (path, code, fragment) in [
                ("/v1/groups/scores/keys/nobody", 404, "\"details\":{\"kind\":\"key\",\"error\":\"notFound\"}"),
                ("/v1/groups/nothing/keys/Tom", 404, "\"details\":{\"kind\":\"group\",\"error\":\"noSuchGroup\"}"),
                ("/v1/nothing", 404, "\"kind\":\"path\""), ("/v1/groups/scores/keys/a/b", 404, "%2F"),
                ("/v1/groups/scores/keys/", 400, "\"error\":\"emptyKey\""), ("/v1/groups/scores/keys/%zz", 400, "\"kind\":\"path\""),
                ("/v1/groups/scores/keys/\(String(repeating: "k", count: 4097))", 400, "keyTooLong"),
                ("/v1/groups/scores/keys/broken", 502, "getterFailed"), ("/v1/groups/scores/keys/busy", 503, "\"retryAfterSeconds\":3"),
                ("/v1/groups/scores/keys/slow", 504, "\"reason\":\"Timeout\""),
            ] {
                let (head, body) = try await self.get(path, connection)
                #expect(head.hasPrefix("HTTP/1.1 \(code) "), "\(path.prefix(40)): \(head.prefix(20))")
                #expect(body.hasPrefix("{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":\(code),"))
                #expect(body.contains(fragment), "\(body)")
                #expect(!body.contains("nobody"))
            }
        }
    }

    @Test func keysAreBytes() async throws {
        try await self.withNode { connection, group, _ in
            try await #expect(self.get("/v1/groups/scores/keys/a%2Fb%20c+d%25%C3%A9", connection).body == "odd")
            group[Key(bytes: [0xFF, 0x00])] = "not text"
            try await #expect(self.get("/v1/groups/scores/keys/%ff%00", connection).body == "not text")
        }
    }

    @Test func setAndRemove() async throws {
        try await self.withNode { connection, group, _ in
            try await connection.send(
                "PUT /v1/groups/scores/keys/new%20one HTTP/1.1\r\nHost: x\r\nCache-Control: max-age=5\r\nContent-Length: 5\r\n\r\nva"
            )
            try await connection.send("lue")
            try await #expect(connection.response().head.hasPrefix("HTTP/1.1 204"))
            #expect(group["new one"] == "value")
            #expect(group.ttl("new one") == .seconds(5))
            for _ in 0..<2 {
                try await #expect(self.get("/v1/groups/scores/keys/new%20one", connection, method: "DELETE").head.hasPrefix("HTTP/1.1 204"))
            }
            #expect(group["new one"] == nil)
            try await #expect(self.get("/v1/groups/scores/keys", connection, method: "DELETE").head.hasPrefix("HTTP/1.1 204"))
            #expect(group["Tom"] == nil)
        }
    }

    @Test func pagesOfOtherOriginsCannotWrite() async throws {
        try await self.withNode { connection, group, _ in
            for origin in ["http://evil.example", "null", "http://x.evil", "https://y"] {
                let (head, _) = try await self.get(
                    "/v1/groups/scores/keys/Tom",
                    connection,
                    method: "DELETE",
                    headers: "Origin: \(origin)\r\n"
                )
                #expect(head.hasPrefix("HTTP/1.1 403"), "\(origin)")
            }
            #expect(group["Tom"] == "630")
            // A page of a name that its owner has made to point here is no page of ours.
            let (same, _) = try await self.get("/v1/groups/scores/keys/Tom", connection, method: "DELETE", headers: "Origin: http://X\r\n")
            #expect(same.hasPrefix("HTTP/1.1 403"))
            try await connection.send(
                "DELETE /v1/groups/scores/keys/Tom HTTP/1.1\r\nHost: LOCALHOST:1\r\nOrigin: http://localhost:1\r\n\r\n"
            )
            try await #expect(connection.response().head.hasPrefix("HTTP/1.1 204"))
        }
    }

    @Test func otherMethodsAreToldWhatIsAllowed() async throws {
        try await self.withNode { connection, _, _ in
            for (method, path, allow) in [
                ("POST", "/v1/groups/scores/keys/Tom", "GET, HEAD, PUT, DELETE"),
                ("PATCH", "/v1/groups/scores/keys/Tom", "GET, HEAD, PUT, DELETE"),
                ("PUT", "/v1/groups/scores/keys", "GET, HEAD, DELETE"), ("DELETE", "/v1/groups", "GET, HEAD"),
                ("PUT", "/livez", "GET, HEAD"),
                ("GET", "/v1/groups/scores/keys:get", "POST"), ("POST", "/_groupcache/scores/x", "GET, HEAD, PUT, DELETE"),
            ] {
                let (head, _) = try await self.get(path, connection, method: method)
                #expect(head.hasPrefix("HTTP/1.1 405"), "\(method) \(path)")
                #expect(head.contains("\r\nAllow: \(allow)\r\n"), "\(method) \(path)")
            }
        }
    }

    @Test func manyKeysInOneRequest() async throws {
        try await self.withNode { connection, group, _ in
            group["bytes"] = ByteView([0xFF, 0xFE, 0xFD])
            let body = #"{"keys":["Tom","nobody","bytes","loaded","é\n"]}"#
            try await connection.send(
                "POST /v1/groups/scores/keys:get HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            let answer = try await connection.untilClosed()
            for line in [
                "Content-Type: application/jsonl", #"{"key":"Tom","value":"630"}"#, #"{"key":"bytes","valueBase64":"//79"}"#,
                #"{"key":"nobody","status":{"kind":"Status","status":"Failure","code":404"#, #"{"key":"loaded","value":"from the getter"}"#,
                #"{"key":"é\n","status""#,
            ] { #expect(answer.contains(line), "\(line)") }
            #expect(answer.hasSuffix("\r\n0\r\n\r\n"))
        }
    }

    @Test func theListOfKeysIsChecked() async throws {
        try await self.withNode { connection, _, _ in
            let many = "{\"keys\":[\(Array(repeating: "\"k\"", count: 1001).joined(separator: ","))]}"
            for (body, code) in [("{}", 400), ("nonsense", 400), (many, 413), (#"{"keys":[""]}"#, 400)] {
                try await connection.send(
                    "POST /v1/groups/scores/keys:get HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                try await #expect(connection.response().head.hasPrefix("HTTP/1.1 \(code) "))
            }
        }
    }

    @Test func pagesAboutTheNode() async throws {
        try await self.withNode { connection, _, pool in
            try await #expect(self.get("/livez", connection).body == "ok\n")
            try await #expect(self.get("/readyz", connection).body == "ok\n")
            try await #expect(
                self.get("/v1/groups", connection).body.contains(#""items":[{"name":"scores","capacity":1048576,"eviction":"lru"}]"#)
            )
            try await #expect(self.get("/v1/groups/scores", connection).body.contains("\"kind\":\"Group\""))
            let statistics = try await self.get("/v1/groups/scores/stats", connection).body
            #expect(statistics.contains(#""gets":0,"cacheHits":0,"hotHits":0,"loads":0"#))
            #expect(statistics.contains(#""main":{"items":2"#))
            try await #expect(self.get("/v1/ring", connection).body.contains("\"members\":[]"))
            let url = try #require(pool.url)
            try pool.setPeers([.init(url), "http://127.0.0.1:1"])
            let ring = try await self.get("/v1/ring", connection).body
            #expect(ring.contains("\"id\":\"\(url)\",\"weight\":1,\"share\":0."))
            let members = try await self.get("/v1/members", connection).body
            #expect(members.contains(#""kind":"MemberList","source":"static""#))
            let own = #"{"id":"\#(url)","url":"\#(url)","zone":null,"weight":1,"state":"ready","epoch":null,"self":true}"#
            #expect(members.contains(own))
            // With ids of their own, the ring goes by them, and addresses are where they belong.
            try pool.setPeers([.init(url, id: "n1"), .init("http://127.0.0.1:1", id: "n2", weight: 3)])
            let named = try await self.get("/v1/ring", connection).body
            #expect(named.contains(#""self":"n1""#))
            #expect(named.contains(#""id":"n2","weight":3"#))
            #expect(named.contains("\"url\":\"http://127.0.0.1:1\""))
            let page = try await self.get("/v1/members", connection).body
            #expect(
                page.contains(#"{"id":"n2","url":"http://127.0.0.1:1","zone":null,"weight":3,"state":"ready","epoch":null,"self":false}"#)
            )
            #expect(throws: GroupCacheError.self) { try pool.setPeers([.init(url, id: "n1"), .init("http://127.0.0.1:1", id: "n1")]) }
            #expect(throws: GroupCacheError.self) { try pool.setPeers([.init(url, id: "n1"), .init(url, id: "n2")]) }
            #expect(pool.ring.members.map(\.id) == ["n1", "n2"])
            try pool.setPeers([.init(url), "http://127.0.0.1:1"])
            try await #expect(self.get("/v1/ring/scores/Tom", connection).body.contains("\"owner\":\"http://127.0.0.1:"))
            try await #expect(self.get("/api?key=Tom", connection).body == "630")
            try await #expect(self.get("/api?x=1&key=a/b+c%2Bd%25%C3%A9&group=scores", connection).body == "odd")
            try await #expect(self.get("/api", connection).head.hasPrefix("HTTP/1.1 400"))
        }
    }
}

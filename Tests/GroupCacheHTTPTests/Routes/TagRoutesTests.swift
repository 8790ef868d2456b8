// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Tags over HTTP: what gives a value some, and what removes all that have one.
@Suite("Routes: tags and clear", .timeLimit(.minutes(5))) struct TagRoutesTests {
    private func withNode(_ body: @Sendable (RawConnection, FakeGroup) async throws -> Void) async throws {
        try await withPools(1) { nodes in
            let group = FakeGroup(peers: nodes[0].pool)
            group["Tom"] = "630"
            try nodes[0].pool.register(group)
            let connection = try await RawConnection(port: nodes[0].port)
            try await body(connection, group)
            await connection.close()
        }
    }

    private func ask(_ line: String, headers: String = "", body: String = "", _ connection: RawConnection) async throws -> (
        status: Int, head: String, body: String
    ) {
        try await connection.send("\(line) HTTP/1.1\r\nHost: x\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        let (head, body) = try await connection.response(hasBody: true)
        return (Int(head.dropFirst(9).prefix(3)) ?? 0, head, String(decoding: body, as: UTF8.self))
    }

    @Test("PUT with Cache-Tag, in one line or in several; DELETE of a tag removes what has it, whatever bytes it has")
    func tags() async throws {
        try await self.withNode { connection, group in
            for (key, headers, tags) in [
                ("one", "Cache-Tag: a\r\n", ["a"]), ("two", "cache-tag: a , b/c,,\tgröße \r\nCACHE-TAG:d\r\n", ["a", "b/c", "größe", "d"]),
                ("none", "", []), ("empty", "Cache-Tag: ,\r\n", []), ("same", "Cache-Tag: a,a,a,a,a,a,a,a,a\r\n", ["a"]),
                ("other", "Surrogate-Key: a\r\nCache-Tags: a\r\n", []),
            ] {
                let status = try await self.ask("PUT /v1/groups/scores/keys/\(key)", headers: headers, body: "v", connection).status
                #expect(status == 204)
                #expect(group.entry(Key(key))?.attributes.tags == tags, "\(key)")
            }
            for tag in ["b%2Fc", "gr%C3%B6%C3%9Fe?soft=true&wait=applied&timeoutSeconds=7", "a?soft=false&wait=owner&timeoutSeconds=x"] {
                #expect(group["one"] == "v")
                let status = try await self.ask("DELETE /v1/groups/scores/tags/\(tag)", connection).status
                #expect(status == 204)
                #expect(group["two"] == nil)
            }
            #expect(group["one"] == nil && group["same"] == nil && group["none"] == "v" && group["Tom"] == "630")
            #expect(group.tags.map(\.tag) == ["b/c", "größe", "a"] && group.tags.map(\.soft) == [false, true, false])
            #expect(group.waits == [.owner, .applied(within: .seconds(7)), .owner])
        }
    }

    @Test(
        "what cannot be meant is a 400 that says why, and changes nothing",
        arguments: [
            ("DELETE /v1/groups/scores/tags/", "", 400), ("DELETE /v1/groups/scores/tags/%FF", "", 400),
            ("DELETE /v1/groups/scores/tags/%4", "", 400), ("DELETE /v1/groups/scores/tags/\(String(repeating: "t", count: 129))", "", 400),
            ("DELETE /v1/groups/scores/tags/a?soft=yes", "", 400), ("DELETE /v1/groups/scores/tags/a?wait=forever", "", 400),
            ("DELETE /v1/groups/scores/keys?wait=", "", 400), ("DELETE /v1/groups/scores/keys?wait", "", 400),
            ("DELETE /v1/groups/scores/keys?wait=applied&timeoutSeconds", "", 400),
            ("DELETE /v1/groups/scores/tags/a?wait=applied&timeoutSeconds=1s", "", 400),
            ("PUT /v1/groups/scores/keys/new?wait=applied&timeoutSeconds=-1", "", 400),
            ("DELETE /v1/groups/scores/keys/Tom?wait=applied&timeoutSeconds=86401", "", 400), ("DELETE /v1/groups/nothing/tags/a", "", 404),
            ("DELETE /v1/groups/nothing/keys", "", 404), ("DELETE /v1/groups/scores/tags/a/b", "", 404),
            ("GET /v1/groups/scores/tags/a", "", 405),
            ("PUT /v1/groups/scores/keys/new", "Cache-Tag: 1,2,3,4,5,6,7,8,9\r\n", 400),
            ("PUT /v1/groups/scores/keys/new", "Cache-Tag: \(String(repeating: "t", count: 129))\r\n", 400),
            ("PUT /v1/groups/scores/keys/new", "If-Match: \"0000000000000000\"\r\nCache-Tag: 1,2,3,4,5,6,7,8,9\r\n", 400),
        ]
    )
    func refused(line: String, headers: String, status: Int) async throws {
        try await self.withNode { connection, group in
            let answer = try await self.ask(line, headers: headers, connection)
            #expect(answer.status == status && answer.body.contains(#""kind":"Status","status":"Failure""#), "\(answer)")
            #expect(group["Tom"] == "630" && group["new"] == nil && group.tags.isEmpty && group.waits.isEmpty)
            let next = try await self.ask("GET /v1/groups/scores/keys/Tom", connection).status
            #expect(next == 200, "the connection goes on")
        }
    }

    @Test(
        "a change of which not all nodes have heard is accepted, and the answer names them",
        arguments: ["tags/a", "tags/a?wait=applied", "keys", "keys?wait=applied"],
        [GroupCacheError.notDelivered, .cannotFollow]
    )
    func pending(path: String, error: GroupCacheError) async throws {
        try await self.withNode { connection, group in
            group.failure = error.about(["http://b:1", "http://a:1\"\n"])
            let (status, head, body) = try await self.ask("DELETE /v1/groups/scores/\(path)", connection)
            #expect(status == 202 && head.contains("\r\nContent-Type: application/json\r\n"))
            #expect(head.contains("\r\nGroupCache-Error: \(error.code)\r\n") && !head.contains("Retry-After"))
            #expect(body.hasPrefix(#"{"kind":"Status","status":"Success","code":202,"message":"the change is made"#), "\(body)")
            let nodes = #""details":{"kind":"node","error":"\#(error.code)","nodes":["http://a:1\"\n","http://b:1"]}}"#
            #expect(body.hasSuffix(nodes + "\n"), "\(body)")
        }
    }

    @Test("another error of such a change is one")
    func failed() async throws {
        try await self.withNode { connection, group in
            group.failure = .unsupported
            for path in ["tags/a", "keys"] {
                let status = try await self.ask("DELETE /v1/groups/scores/\(path)", connection).status
                #expect(status == 501)
            }
        }
    }
}

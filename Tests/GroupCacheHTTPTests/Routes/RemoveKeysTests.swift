// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import Testing

/// groupcache-go v3 removes many keys at once with `POST …/_remove-keys/`.
@Suite(.timeLimit(.minutes(5))) struct RemoveKeysTests {
    private func withNode(_ dialect: Dialect = .groupcacheGo, _ body: @Sendable (RawConnection, FakeGroup) async throws -> Void)
        async throws
    {
        try await withPools {
            $0.dialect = dialect
        } _: { nodes in
            let group = FakeGroup()
            for key: Key in ["Tom", "Jack", "Sam", "_remove-keys/"] { group[key] = "v" }
            try nodes[0].pool.register(group)
            let connection = try await RawConnection(port: nodes[0].port)
            try await body(connection, group)
            await connection.close()
        }
    }

    private func post(_ body: String, path: String = "_remove-keys%2F", method: String = "POST", _ connection: RawConnection) async throws
        -> Int
    {
        try await connection.send(
            "\(method) /_groupcache/scores/\(path) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        )
        let status = try await connection.response().head.split(separator: " ")[1]
        return try #require(Int(status))
    }

    @Test("removes the keys that are named, whether or not they exist", arguments: ["_remove-keys/", "_remove-keys%2F"])
    func removes(path: String) async throws {
        try await self.withNode { connection, group in
            let status = try await self.post(#"{"group":"scores","keys":["Tom","nobody","Sam"]}"#, path: path, connection)
            #expect(status == 200)
            #expect(group["Tom"] == nil && group["Sam"] == nil && group["Jack"] == "v" && group["_remove-keys/"] == "v")
            let none = try await self.post(#"{"group":"scores","keys":[]}"#, path: path, connection)
            #expect(none == 200 && group["Jack"] == "v")
        }
    }

    @Test(
        "removes nothing when it is no list of keys of this group",
        arguments: [
            "", "nonsense", "{}", #"{"group":"scores"}"#, #"{"keys":["Tom"]}"#, #"{"group":"other","keys":["Tom"]}"#,
            #"{"group":"scores","keys":["Tom",7]}"#,
        ]
    )
    func refuses(body: String) async throws {
        try await self.withNode { connection, group in
            let status = try await self.post(body, connection)
            #expect(status == 400 && group["Tom"] == "v")
        }
    }

    @Test("removes what can be removed, and names the rest by its places")
    func someOfThem() async throws {
        try await self.withNode { connection, group in
            let long = String(repeating: "k", count: 4_097)
            let body = #"{"group":"scores","keys":["","Tom","\#(long)","Sam"]}"#
            try await connection.send(
                "POST /_groupcache/scores/_remove-keys/ HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            let answer = try await connection.response()
            let text = String(decoding: answer.body, as: UTF8.self)
            #expect(answer.head.hasPrefix("HTTP/1.1 400 ") && group["Tom"] == nil && group["Sam"] == nil && group["Jack"] == "v")
            #expect(text.hasPrefix("removed 2 keys; not number 0 (") && text.contains("number 2 (") && !text.contains("Tom"))
            let many = "{\"group\":\"scores\",\"keys\":[\(String(repeating: "\"k\",", count: 50_000))\"Jack\"]}"
            let status = try await self.post(many, path: "_remove-keys/", connection)
            #expect(status == 200 && group["Jack"] == nil)
        }
    }

    @Test("only POST of exactly this path removes keys, and only in this dialect")
    func elsewhere() async throws {
        let body = #"{"group":"scores","keys":["Tom"]}"#
        try await self.withNode { connection, group in
            for path in ["_remove-keys", "_remove-keys%2Fx", "Tom"] {
                let status = try await self.post(body, path: path, connection)
                #expect(status == 405 && group["Tom"] == "v", "\(path)")
            }
        }
        for dialect in Dialect.all where dialect != .groupcacheGo && dialect.basePath == "/_groupcache/" {
            try await self.withNode(dialect) { connection, group in
                let status = try await self.post(body, connection)
                #expect(status == 405 && group["Tom"] == "v", "\(dialect)")
            }
        }
    }
}

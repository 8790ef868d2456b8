// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// A node takes no longer keys than it is told to, by whatever way they come.
@Suite("A limit on keys", .timeLimit(.minutes(5))) struct KeySizeTests {
    private static let long = String(repeating: "k", count: 9)

    private func withNode(_ body: @Sendable (RawConnection, FakeGroup, Int) async throws -> Void) async throws {
        try await withPools(1) {
            $0.limits.keySize = 8
        } _: { pools in
            let group = FakeGroup { key throws(GroupCacheError) in ByteView("value of " + key.string) }
            try pools[0].pool.register(group)
            let connection = try await RawConnection(port: pools[0].port)
            try await body(connection, group, pools[0].port)
            await connection.close()
        }
    }

    private func ask(_ connection: RawConnection, _ method: String, _ target: String, body: String = "") async throws -> (
        head: String, body: String
    ) {
        let length = body.isEmpty ? "" : "Content-Length: \(body.utf8.count)\r\n"
        try await connection.send("\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(length)\r\n\(body)")
        let (head, bytes) = try await connection.response(hasBody: method != "HEAD")
        return (head, String(decoding: bytes, as: UTF8.self))
    }

    @Test("every route refuses a longer one with the limit in force, and goes on; the longest that is allowed passes")
    func routes() async throws {
        try await self.withNode { connection, group, _ in
            // One that is held all the same, as of an embedding program that sets what it likes.
            group[Key(Self.long)] = "held"
            for (method, target, body) in [
                ("GET", "/v1/groups/scores/keys/\(Self.long)", ""), ("HEAD", "/v1/groups/scores/keys/\(Self.long)", ""),
                ("GET", "/v1/groups/scores/keys/%6B\(Self.long.dropFirst())", ""), ("PUT", "/v1/groups/scores/keys/\(Self.long)", "v"),
                ("DELETE", "/v1/groups/scores/keys/\(Self.long)", ""), ("GET", "/v1/ring/scores/\(Self.long)", ""),
                ("GET", "/api?key=\(Self.long)", ""), ("POST", "/v1/groups/scores/keys:get", #"{"keys":["a","\#(Self.long)"]}"#),
            ] {
                let answer = try await self.ask(connection, method, target, body: body)
                #expect(answer.head.hasPrefix("HTTP/1.1 400 "), "\(method) \(target)")
                #expect(answer.head.contains("GroupCache-Error: keyTooLong\r\n"))
                if method != "HEAD" { #expect(answer.body.contains("a key has at most 8 bytes here")) }
            }
            for (method, body) in [("GET", ""), ("PUT", "v"), ("DELETE", "")] {
                let answer = try await self.ask(connection, method, "/_groupcache/scores/\(Self.long)", body: body)
                #expect(answer.head.hasPrefix("HTTP/1.1 400 ") && answer.head.contains("GroupCache-Error: keyTooLong\r\n"), "\(method)")
            }
            #expect(group[Key(Self.long)] == "held" && group.loads.isEmpty)
            let longest = String(repeating: "k", count: 8)
            try await #expect(self.ask(connection, "GET", "/v1/groups/scores/keys/\(longest)").body == "value of \(longest)")
            // Bytes count, and not how they are written.
            try await #expect(
                self.ask(connection, "GET", "/v1/groups/scores/keys/" + String(repeating: "%6B", count: 8)).body == "value of \(longest)"
            )
        }
    }

    @Test("over a link the request is refused and the others of its message are answered, alone and among many keys")
    func links() async throws {
        try await self.withNode { _, group, port in
            group[Key(Self.long)] = "held"
            let getter = try HTTPGetter(url: "http://127.0.0.1:\(port)")
            for reload in [false, true] {
                var request = PeerRequest(group: "scores", key: Key(Self.long))
                request.reload = reload
                let error = await #expect(throws: GroupCacheError.self) { try await getter.get(request) }
                #expect(error?.code == .badRequest || error?.code == .keyTooLong)
            }
            await #expect(throws: GroupCacheError.self) {
                try await getter.set(PeerRequest(group: "scores", key: Key(Self.long)), to: PeerEntry(value: "v"))
            }
            await #expect(throws: GroupCacheError.self) { try await getter.remove(PeerRequest(group: "scores", key: Key(Self.long))) }
            let answers = Answers()
            let ticket = getter.start(["a", Key(Self.long), "b"], of: PeerBatch(group: "scores"), for: answers)
            try await eventually { answers.count == 3 }
            withExtendedLifetime(ticket) {}
            #expect(group.loads == ["a": 1, "b": 1] && group[Key(Self.long)] == "held")
            #expect(getter.hasLinks && getter.standing.links.load(ordering: .relaxed) > 0, "the link is open still")
            getter.close()
        }
    }

    @Test("a limit that no group can keep is refused")
    func bounds() {
        for size in [0, -1, Key.maximumLength + 1] {
            var configuration = HTTPPool.Configuration()
            configuration.limits.keySize = size
            #expect(throws: GroupCacheError.self) { try configuration.validate() }
        }
        #expect(Key.error(length: 0, limit: 8)?.code == .emptyKey && Key.error(length: 8, limit: 8) == nil)
        #expect(Key.error(length: 4_097, limit: 4_096)?.message == GroupCacheError.keyTooLong.message)
    }
}

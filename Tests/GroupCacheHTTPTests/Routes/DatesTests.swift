// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import NIOCore
import Testing

/// What clients are told of when a value was made, at its owner and at another node.
@Suite("Routes: dates, ages and media types", .timeLimit(.minutes(5))) struct DatesTests {
    private static let sent = "Sun, 06 Nov 1994 08:49:37 GMT"
    private static let modified = "Sat, 29 Oct 1994 19:43:31 GMT"

    private func withNodes(
        links: HTTPPool.Configuration.Client.Links = .automatic,
        _ body: @Sendable ([RawConnection]) async throws -> Void
    ) async throws {
        try await withPools(2) {
            $0.client.links = links
        } _: { nodes in
            for node in nodes {
                try node.pool.setPeers(nodes.map { HTTPPool.Peer("http://127.0.0.1:\($0.port)") })
                _ = try Group<ByteView>("g", capacity: .mebibytes(8), peers: node.pool) { key, _ in
                    var loaded = Loaded<ByteView>.value(ByteView("loaded \(key.string)"), ttl: .seconds(6_000))
                    loaded.age = .seconds(3_000)
                    loaded.attributes = try EntryAttributes(
                        contentType: "text/plain",
                        directives: "public",
                        lastModified: key.string.hasPrefix("silent") ? nil : Self.modified,
                        date: 784_111_777
                    )
                    return loaded
                }
            }
            var connections: [RawConnection] = []
            for node in nodes { connections.append(try await RawConnection(port: node.port)) }
            try await body(connections)
            for connection in connections { await connection.close() }
        }
    }

    private func ask(
        _ connection: RawConnection,
        _ method: String,
        _ key: String,
        _ fields: [String] = [],
        body: String = ""
    ) async throws -> (status: Int, fields: [String: [String]], body: String) {
        let lines = ["\(method) /v1/groups/g/keys/\(key) HTTP/1.1", "Host: 127.0.0.1"] + fields
        let length = body.isEmpty ? [] : ["Content-Length: \(body.utf8.count)"]
        try await connection.send((lines + length).joined(separator: "\r\n") + "\r\n\r\n" + body)
        let (head, bytes) = try await connection.response(hasBody: method != "HEAD")
        var all: [String: [String]] = [:]
        for line in head.split(separator: "\r\n").dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            all[String(line[..<colon]), default: []].append(String(line[line.index(colon, offsetBy: 2)...]))
        }
        return (Int(head.dropFirst(9).prefix(3)) ?? 0, all, String(decoding: bytes, as: UTF8.self))
    }

    @Test(
        "every answer about a value has its date, its last modification and its age, whoever answers",
        arguments: [HTTPPool.Configuration.Client.Links.automatic, .never]
    )
    func everywhere(links: HTTPPool.Configuration.Client.Links) async throws {
        try await self.withNodes(links: links) { nodes in
            // Often enough for a copy of it to be kept where it is not at home; of one of the keys each of them is the owner.
            for round in 0..<12 {
                for (node, key) in [(nodes[0], "a"), (nodes[1], "a"), (nodes[0], "b"), (nodes[1], "b"), (nodes[0], "c"), (nodes[1], "c")] {
                    let tag = EntityTag(of: ByteView("loaded \(key)")).description
                    let (method, fields, status) =
                        [
                            ("GET", [], 200), ("HEAD", [], 200), ("GET", ["If-None-Match: \(tag)"], 304),
                            ("GET", ["Range: bytes=0-2"], 206),
                            ("GET", ["Range: bytes=99-"], 416), ("GET", ["If-Modified-Since: \(Self.modified)"], 304),
                        ][round % 6]
                    let answer = try await self.ask(node, method, key, fields)
                    #expect(answer.status == status)
                    #expect(answer.fields["Date"] == [Self.sent] && answer.fields["Last-Modified"] == [Self.modified])
                    #expect(answer.fields["ETag"] == [tag])
                    let age = try #require(answer.fields["Age"]?.first.flatMap { Int($0) })
                    #expect((3_000...3_100).contains(age))
                    let control = try #require(answer.fields["Cache-Control"])
                    if status == 416 {
                        #expect(control == ["no-store"])
                    } else {
                        // What is left of its time is the same wherever it is asked for, but for what a copy lives less.
                        #expect(control.count == 1 && control[0].hasPrefix("public, max-age="))
                        #expect(Int(control[0].dropFirst(16)).map { $0 >= age && $0 <= 9_000 } == true)
                    }
                }
            }
        }
    }

    @Test("If-Modified-Since, where there are no tags: RFC 9110 §13.1.3, and where no modification is spoken of, RFC 9111 §4.3.2")
    func modified() async throws {
        try await self.withNodes { nodes in
            for (key, since, status) in [
                ("a", "Sat, 29 Oct 1994 19:43:31 GMT", 304), ("a", "Sat, 29 Oct 1994 19:43:30 GMT", 200),
                ("a", "Sat Oct 29 19:43:31 1994", 304),
                ("a", "Saturday, 29-Oct-94 19:43:32 GMT", 304), ("a", "whenever", 200), ("a", "", 200),
                ("a", "Sat, 29 Oct 99999 19:43:31 GMT", 200), ("a", String(repeating: "9", count: 4_000), 200),
                ("silent", "Sun, 06 Nov 1994 08:49:36 GMT", 200), ("silent", "Sun, 06 Nov 1994 08:49:37 GMT", 304),
            ] {
                for node in nodes {
                    let answer = try await self.ask(node, "GET", key, ["If-Modified-Since: \(since)"])
                    #expect(answer.status == status && answer.body == (status == 200 ? "loaded \(key)" : ""), "\(key) \(since)")
                }
            }
            let other = ["If-None-Match: \"x\"", "If-Modified-Since: \(Self.modified)"]
            try await #expect(self.ask(nodes[0], "GET", "a", other).status == 200)
            try await #expect(self.ask(nodes[0], "GET", "a", ["If-Unmodified-Since: Sat, 29 Oct 1994 19:43:30 GMT"]).status == 412)
            try await #expect(self.ask(nodes[0], "GET", "silent", ["If-Unmodified-Since: Sat, 29 Oct 1994 19:43:30 GMT"]).status == 200)
            // The date of the value is a week after its modification: what was changed in between would have another.
            for (range, status) in [(Self.modified, 206), (Self.sent, 200)] {
                try await #expect(self.ask(nodes[1], "GET", "a", ["Range: bytes=0-2", "If-Range: \(range)"]).status == status)
            }
        }
    }

    @Test("the media type of a PUT is kept with the value and given back by every node; what is none is refused, and nothing is set")
    func mediaTypes() async throws {
        try await self.withNodes { nodes in
            for key in ["p", "q", "r"] {
                try await #expect(self.ask(nodes[0], "PUT", key, ["Content-Type: text/html; charset=utf-8"], body: "v").status / 10 == 20)
                for node in nodes {
                    let answer = try await self.ask(node, "GET", key)
                    #expect(answer.fields["Content-Type"] == ["text/html; charset=utf-8"] && answer.body == "v")
                    // It was made here, now.
                    #expect(answer.fields["Last-Modified"] == nil && answer.fields["Date"]?.first?.hasSuffix("1994 08:49:37 GMT") == false)
                }
                for fields in [
                    ["Content-Type: a/b", "Content-Type: c/d"], ["Content-Type: " + String(repeating: "a", count: 257)],
                    ["Content-Type: text/\u{E9}"],
                ] {
                    try await #expect(self.ask(nodes[0], "PUT", key, fields, body: "w").status == 400)
                }
                try await #expect(self.ask(nodes[1], "GET", key).body == "v")
                try await #expect(self.ask(nodes[1], "PUT", key, ["Content-Type: application/octet-stream"], body: "x").status == 204)
                for node in nodes {
                    try await #expect(self.ask(node, "GET", key).fields["Content-Type"] == ["application/octet-stream"])
                }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import NIOHTTP1
import Testing

@testable import GroupCacheHTTP
@testable import GroupCacheNode

/// Origins that are wrong, slow, gone, or mean harm.
@Suite("Hostile origins", .timeLimit(.minutes(5)))
struct HostileOriginTests {
    private static let lasting = Freshness(ttl: .seconds(10), staleIfError: .seconds(600))

    // MARK: Memory of failure

    @Test("a failing origin is asked once for a pause, while the old value is served", arguments: [500, 502, 503, 504, 0])
    func onceForAPause(_ status: Int) async throws {
        try await OriginRig.run(freshness: Self.lasting) { rig async throws -> Void in
            rig.origin.answer(.response(200, [], "good"))
            #expect(try await rig.get("k").text == "good")
            rig.origin.answer(status == 0 ? .reset : .response(status, [], "bad"))
            rig.wait(11)
            for _ in 0..<20 { #expect(try await rig.get("k").text == "good") }
            let asked = rig.origin.requests.count
            // A reset of a connection that was used before is tried once more.
            #expect(status == 0 ? (2...3).contains(asked) : asked == 2)
            rig.wait(1)
            for _ in 0..<20 { #expect(try await rig.get("k").text == "good") }
            #expect(rig.origin.requests.count - asked <= (status == 0 ? 2 : 1))
            // The next pause is twice as long; after it all is well.
            rig.wait(2)
            rig.origin.answer(.response(200, ["Cache-Control: max-age=60"], "better"))
            #expect(try await rig.get("k").text == "better")
        }
    }

    @Test("with nothing to serve, callers may try again once before the pauses begin")
    func nothingToServe() async throws {
        try await OriginRig.run { rig async throws -> Void in
            rig.origin.answer(.response(503))
            for _ in 0..<20 { #expect(try await rig.get("k").status == 502) }
            #expect(rig.origin.requests.count == 2)
        }
    }

    @Test("Retry-After is heeded, for half a minute at the most")
    func retryAfter() async throws {
        try await OriginRig.run(freshness: Self.lasting) { rig async throws -> Void in
            rig.origin.answer(.response(200, [], "good"))
            _ = try await rig.get("k")
            rig.origin.answer(.response(503, ["Retry-After: 99999999"]))
            rig.wait(11)
            for _ in 0..<3 {
                #expect(try await rig.get("k").text == "good")
                rig.wait(9)
            }
            #expect(rig.origin.requests.count == 2)
            rig.wait(4)
            #expect(try await rig.get("k").text == "good")
            #expect(rig.origin.requests.count == 3)
        }
    }

    @Test("an origin that hangs keeps nobody waiting who can have the old value")
    func hanging() async throws {
        try await OriginRig.run(freshness: Self.lasting) { rig async throws -> Void in
            rig.origin.answer(.response(200, [], "good"))
            _ = try await rig.get("k")
            rig.origin.answer(.silence)
            rig.wait(11)
            async let first = rig.get("k")
            while rig.origin.requests.count < 2 { await Task.yield() }
            rig.wait(1.1)
            #expect(try await first.text == "good")
            // Nor who comes later, while the load goes on.
            for _ in 0..<10 { #expect(try await rig.get("k").text == "good") }
            #expect(rig.origin.requests.count == 2)
        }
    }

    @Test(
        "what is an answer is not hidden behind the old value",
        arguments: [201, 204, 206, 300, 304, 400, 401, 403, 404, 410, 429, 501, 505, 599]
    )
    func answers(_ status: Int) async throws {
        try await OriginRig.run(freshness: Self.lasting) { rig async throws -> Void in
            rig.origin.answer(.response(200, [], "good"))
            _ = try await rig.get("k")
            rig.origin.answer(.response(status, [], "no"))
            rig.wait(11)
            let got = try await rig.get("k")
            #expect(got.text != "good" && got.status == (status == 204 ? 200 : [404, 410].contains(status) ? 404 : 502))
            if status == 204 { #expect(got.body.isEmpty) }
        }
    }

    @Test("what the origin forbids, the group cannot allow", arguments: ["must-revalidate", "proxy-revalidate", "s-maxage=1", "no-cache"])
    func forbidden(_ word: String) async throws {
        let freshness = Freshness(ttl: .seconds(10), staleWhileRevalidate: .seconds(600), staleIfError: .seconds(600))
        try await OriginRig.run(freshness: freshness) { rig async throws -> Void in
            rig.origin.answer(.response(200, ["Cache-Control: max-age=1, stale-if-error=600, \(word)", "ETag: \"a\""], "good"))
            _ = try await rig.get("k")
            rig.wait(2)
            rig.origin.answer(.response(503))
            #expect(try await rig.get("k").status == 502)
        }
    }

    @Test("a set ends an absence that was remembered, and a remove ends a value")
    func absenceEnds() async throws {
        try await OriginRig.run { rig async throws -> Void in
            rig.origin.answer(.response(404, ["Cache-Control: max-age=600"]))
            for _ in 0..<3 { #expect(try await rig.get("k").status == 404) }
            #expect(rig.origin.requests.count == 1)
            #expect(try await fetch("\(rig.node)/v1/groups/pages/keys/k", method: .PUT, body: "mine").status < 300)
            #expect(try await rig.get("k").text == "mine")
            #expect(try await fetch("\(rig.node)/v1/groups/pages/keys/k", method: .DELETE).status == 204)
            #expect(try await rig.get("k").status == 404)
            #expect(rig.origin.requests.count == 2)
        }
    }

    // MARK: Connections

    @Test("a connection that ends when it is used again is not a failure of the origin", arguments: [true, false])
    func hangsUp(_ resets: Bool) async throws {
        try await OriginRig.run { rig async throws -> Void in
            rig.origin.answer { $0.number == 1 ? .response(200, ["Cache-Control: max-age=60"], $0.target) : resets ? .reset : .close }
            for number in 0..<6 { #expect(try await rig.get("k\(number)").text == "/v/k\(number)") }
            #expect(rig.origin.requests.count <= 12)
        }
    }

    @Test(
        "a new connection that ends unanswered, and an answer that breaks off, are failures",
        arguments: [
            "", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n12345",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n12345",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
            "HTTP/1.1 99999 Odd\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "\0\0\0\0",
            "HTTP/1.1 200 OK\r\nA b: c\r\nContent-Length: 0\r\n\r\n",
        ]
    )
    func broken(_ text: String) async throws {
        try await OriginRig.run { rig async throws -> Void in
            rig.origin.answer(.bytesAndClose(ByteBuffer(string: text)))
            #expect(await rig.code("k") == .getterFailed)
            rig.origin.answer(.response(200, [], "good"))
            rig.wait(2)
            #expect(try await rig.get("k").text == "good")
        }
    }

    @Test("a body that ends with its connection is whole") func untilTheEnd() async throws {
        try await OriginRig.run { rig async throws -> Void in
            rig.origin.answer(.bytesAndClose(ByteBuffer(string: "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nbody")))
            #expect(try await rig.get("k").text == "body")
        }
    }

    @Test("what does not end is ended", arguments: ["interim", "fields", "body", "chunks"])
    func endless(_ kind: String) async throws {
        try await OriginRig.run { rig async throws -> Void in
            let (head, repeated) =
                switch kind {
                case "interim": ("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
                case "fields": ("HTTP/1.1 200 OK\r\n", "X-A: \(String(repeating: "a", count: 1_000))\r\n")
                case "body": ("HTTP/1.1 200 OK\r\n\r\n", String(repeating: "a", count: 65_536))
                default: ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1000\r\n\(String(repeating: "a", count: 4_096))\r\n")
                }
            rig.origin.answer(.endless(ByteBuffer(string: head), repeated: ByteBuffer(string: repeated)))
            let code = await rig.code("k")
            #expect(code == (["body", "chunks"].contains(kind) ? .valueTooLarge : .getterFailed))
            // Little more was taken than what may be held.
            #expect(rig.origin.taken * repeated.utf8.count < 64 << 20)
            rig.origin.answer(.response(200, [], "good"))
            rig.wait(2)
            #expect(try await rig.get("k").text == "good")
        }
    }

    @Test("interim responses, if they are few, are passed over") func interim() async throws {
        try await OriginRig.run { rig async throws -> Void in
            let hint = "HTTP/1.1 103 Early Hints\r\nCache-Control: no-store\r\n\r\n"
            let final = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nv"
            rig.origin.answer(.text(hint + "HTTP/1.1 102 Processing\r\n\r\n" + hint + final))
            for _ in 0..<2 { #expect(try await rig.get("k").text == "v") }
            #expect(rig.origin.requests.count == 1)
        }
    }

    @Test("a load has one time, however slowly the origin speaks") func slow() async throws {
        try await OriginRig.run(loadTimeout: .milliseconds(300)) { rig async throws -> Void in
            rig.origin.answer(.text("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1"))
            async let code = rig.code("k")
            while rig.origin.requests.isEmpty { await Task.yield() }
            rig.wait(0.5)
            #expect([.getterFailed, .deadlineExceeded].contains(await code))
        }
    }

    // MARK: What the bytes mean

    /// `hello hello hello hello`, by zlib.
    private static let zlib: [UInt8] = [
        0x78, 0xDA, 0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0x57, 0xC8, 0x40, 0x27, 0x01, 0x68, 0x03, 0x08, 0xB1,
    ]

    @Test("an encoding is not asked for, is undone if it comes all the same, and refused if that cannot be") func encodings() async throws {
        try await OriginRig.run { rig async throws -> Void in
            func answer(_ coding: String, _ body: [UInt8]) {
                var bytes = ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Encoding: \(coding)\r\nContent-Length: \(body.count)\r\n\r\n")
                bytes.writeBytes(body)
                rig.origin.answer(.bytes(bytes))
            }
            answer("identity", Array("plain".utf8))
            #expect(try await rig.get("a").text == "plain")
            #expect(rig.origin.requests[0].fields["accept-encoding"] == "identity")
            answer("deflate", Self.zlib)
            #expect(try await rig.get("b").text == "hello hello hello hello")
            answer("GZIP", Self.zlib)
            #expect(try await rig.get("c").text == "hello hello hello hello")
            for (number, coding) in ["br", "gzip, br", "gzip, gzip", "x-gzip", "zstd", "identity, deflate", "é"].enumerated() {
                answer(coding, Self.zlib)
                #expect(try await rig.get("d\(number)").status == 502, "\(coding)")
            }
            answer("gzip", Array("this is no gzip".utf8))
            #expect(try await rig.get("e").status == 502)
            answer("deflate", Array(Self.zlib.dropLast(3)))
            #expect(try await rig.get("f").status == 502)
        }
    }

    @Test("a key is asked for byte for byte, UTF-8 or not") func bytes() async throws {
        try await OriginRig.run(path: "/v/{key}?k={key}&x=%2F") { rig async throws -> Void in
            rig.origin.answer { .response(200, ["Cache-Control: max-age=60"], $0.target) }
            // In Swift: clients, too, ask for "/" when a path is not UTF-8.
            for (bytes, target) in [
                ([0xFF], "%FF"), ([0x61, 0xFF, 0x00, 0x2F, 0x62], "a%FF%00%2Fb"), ([0xC3, 0xA9], "%C3%A9"), ([0xE2, 0x82], "%E2%82"),
                (Array("\r\nX: y".utf8), "%0D%0AX%3A%20y"), (Array("%".utf8), "%25"), (Array("a b+c".utf8), "a%20b%2Bc"),
            ] as [([UInt8], String)] {
                let got = try await rig.group.get(Key(bytes: bytes)).bytes.string
                #expect(got == "/v/\(target)?k=\(target)&x=%2F")
                #expect(rig.origin.requests.last?.fields["groupcache-target"] == nil)
            }
            let count = rig.origin.requests.count
            _ = try await rig.group.get(Key(bytes: [0xFF]))
            #expect(rig.origin.requests.count == count)
            // Where a redirect leads to, too.
            rig.origin.answer { $0.target.hasPrefix("/v/") ? .response(302, ["Location: /%FE/x?y=%FD"]) : .response(200, [], $0.target) }
            let led = try await rig.group.get("redirected").bytes.string
            #expect(led == "/%FE/x?y=%FD")
        }
    }

    @Test("a key that would lead out of the origin's path is not asked for") func containment() async throws {
        try await OriginRig.run(path: "/public/{key}") { rig async throws -> Void in
            rig.origin.answer(.response(200, [], "secret"))
            for key in ["..%2Fprivate%2Fsecret.txt", "%2E%2E", "..%5Cx", "a%2F..%2F..%2Fx", "%252e%252e%252fx", "..%3B%2Fx"] {
                #expect(try await rig.get(key).status == 404, "\(key)")
            }
            #expect(rig.origin.requests.isEmpty)
        }
    }

    // MARK: Redirects

    @Test("redirects are followed five times, and to the same origin") func redirects() async throws {
        try await OriginRig.run { rig async throws -> Void in
            let there = try await RawOrigin { _ in .response(200, ["Cache-Control: max-age=60"], "elsewhere") }
            rig.origin.answer { request in
                guard let left = Int(request.target.split(separator: "/").last ?? "") else {
                    return .response(308, ["Location: \(there.url)/x"])
                }
                return left == 0 ? .response(200, ["Cache-Control: max-age=60"], "end") : .response(301, ["Location: /v/\(left - 1)"])
            }
            #expect(try await rig.get("5").text == "end")
            #expect(rig.origin.requests.count == 6)
            #expect(try await rig.get("6").status == 502)
            #expect(try await rig.get("away").status == 502)
            #expect(there.requests.isEmpty)
            for (number, location) in [
                "", "//127.0.0.1:\(there.port)/", "http://127.0.0.1:\(there.port)", "ftp://127.0.0.1/",
                "http://user@127.0.0.1:\(rig.origin.port)/v/0", "\\x",
                "http://localhost:\(rig.origin.port)/v/0", "javascript:0", String(repeating: "a", count: 10_000),
            ].enumerated() {
                rig.origin.answer { $0.target.hasPrefix("/v/l") ? .response(302, ["Location: \(location)"]) : .response(500) }
                #expect(try await rig.get("l\(number)").status == 502, "\(location)")
            }
            #expect(there.requests.isEmpty)
            rig.origin.answer { .response(302, ["Location: \($0.target)"]) }
            #expect(try await rig.get("circle").status == 502)
            try await there.close()
        }
    }

    @Test("redirects lead elsewhere where that is allowed, and bound the time of what they lead to") func elsewhere() async throws {
        try await OriginRig.run(followsElsewhere: true) { rig async throws -> Void in
            let there = try await RawOrigin { _ in .response(200, ["Cache-Control: max-age=600"], "elsewhere") }
            rig.origin.answer(.response(302, ["Location: \(there.url)/x", "Cache-Control: max-age=5"]))
            #expect(try await rig.get("k").text == "elsewhere")
            rig.wait(4)
            #expect(try await rig.get("k").text == "elsewhere")
            #expect(there.requests.count == 1)
            rig.wait(2)
            #expect(try await rig.get("k").text == "elsewhere")
            #expect(there.requests.count == 2)
            rig.origin.answer(.response(301, ["Location: \(there.url)/x", "Cache-Control: no-store"]))
            for _ in 0..<2 { _ = try await rig.get("other") }
            #expect(there.requests.count == 4)
            try await there.close()
        }
    }

    // MARK: Confirmations

    @Test("a 304 about another response is no confirmation: the value is loaded anew") func otherTag() async throws {
        try await OriginRig.run { rig async throws -> Void in
            rig.origin.answer(.response(200, ["Cache-Control: max-age=1", "ETag: \"a\""], "old"))
            _ = try await rig.get("k")
            rig.wait(2)
            rig.origin.answer { request in
                request.fields["if-none-match"] == nil
                    ? .response(200, ["Cache-Control: max-age=60"], "new") : .response(304, ["ETag: \"b\""])
            }
            #expect(try await rig.get("k").text == "new")
            #expect(rig.origin.requests.count == 3)
        }
    }

    @Test("a 304 that was not asked for is refused") func unasked() async throws {
        try await OriginRig.run { rig async throws -> Void in
            rig.origin.answer(.response(304, ["Cache-Control: max-age=60"]))
            for _ in 0..<2 { #expect(try await rig.get("k").status == 502) }
        }
    }
}

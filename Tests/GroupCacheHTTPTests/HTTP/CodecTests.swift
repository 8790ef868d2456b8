// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

@Suite struct CodecTests {
    static func parse(_ text: String, limits: RequestParser.Limits = .init()) -> Result<RequestHead?, Refusal> {
        var parser = RequestParser(limits: limits)
        let bytes = Array(text.utf8)
        do throws(Refusal) { return .success(try parser.parse(bytes.span)) } catch { return .failure(error) }
    }

    /// Shapes that smuggle requests, or that two readers could understand differently.
    static let refused: [(String, Int)] = [
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\nb: c\r\n\r\n", 400), ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nb: c\rd\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nb: \u{0}\r\n\r\n", 400), ("GET /\u{0} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400), ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400), (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400), ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505), ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /# HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: a pony\r\n\r\n", 417), ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\(String(repeating: "k", count: 14_000)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: a\r\nb: \(String(repeating: "k", count: 17_000))\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: a\r\n\(String(repeating: "b: c\r\n", count: 100))\r\n", 431),
    ]

    @Test(arguments: CodecTests.refused)
    func ambiguousHeadsAreRefused(text: String, status: Int) {
        switch Self.parse(text) {
        case .success(let head): Issue.record("accepted \(text.prefix(80)) as \(String(describing: head))")
        case .failure(let refusal): #expect(refusal.status == status, "\(text.prefix(80)): \(refusal.message)")
        }
    }

    @Test func aHeadIsRead() throws {
        let text =
            "\r\nPUT http://Node:80/v1/a?b=c?d HTTP/1.1\r\nHOST: other\r\nConnection: x, Close\r\ncontent-length: 007\r\nContent-Length: 7\r\n"
            + "Expect: 100-Continue\r\nGroupCache-Timeout: 250\r\nGroupCache-Ring: 00ff\r\nOrigin:   http://x  \r\n\r\nrest"
        let bytes = Array(text.utf8)
        let head = try #require(try Self.parse(text).get())
        #expect(head.method == .put)
        #expect(bytes.span.string(head.path) == "/v1/a")
        #expect(bytes.span.string(head.query) == "b=c?d")
        #expect(bytes.span.string(head.host) == "Node:80")
        #expect(bytes.span.string(try #require(head.origin)) == "http://x")
        #expect(head.closes && head.expectsContinue)
        #expect(head.body == .length(7))
        #expect(head.timeout == 250)
        #expect(head.ring == 255)
        #expect(head.length == bytes.count - 4)
        let old = try #require(try Self.parse("GET / HTTP/1.0\r\n\r\n").get())
        #expect(old.closes && old.minorVersion == 0)
    }

    /// Valid, broken and mutated streams give the same events however they are cut, and never more than that: no crash, no hang.
    @Test func theResultDoesNotDependOnTheSplit() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of theResultDoesNotDependOnTheSplit: \(seed)")
        var random = SeededGenerator(seed)
        let starts = [
            "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n", "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: t\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nGroupCache-Error: notFound\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nuntil the end",
        ]
        let spice = Array("\r\n :;,0123456789abcdefGET/HTTP.\u{0}\t%".utf8)
        for _ in 0..<3_000 {
            var stream: [UInt8] = []
            for _ in 0..<Int.random(in: 1...4, using: &random) { stream += starts.randomElement(using: &random)?.utf8.map { $0 } ?? [] }
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let index = Int.random(in: 0..<stream.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: stream[index] = spice.randomElement(using: &random) ?? 0
                case 1: stream.insert(spice.randomElement(using: &random) ?? 0, at: index)
                default: stream.remove(at: index)
                }
            }
            var pieces: [[UInt8]] = []
            var rest = stream[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...min(rest.count, 40), using: &random)
                pieces.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            let bytewise = stream.map { [$0] }
            #expect(HTTPEvents.requests([stream]) == HTTPEvents.requests(pieces), "seed \(seed)")
            #expect(HTTPEvents.requests([stream]) == HTTPEvents.requests(bytewise), "seed \(seed)")
            #expect(HTTPEvents.responses([stream]) == HTTPEvents.responses(pieces), "seed \(seed)")
            #expect(HTTPEvents.responses([stream]) == HTTPEvents.responses(bytewise), "seed \(seed)")
        }
    }

    @Test(arguments: [
        "x\r\n", "-1\r\n", "0x1\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "\r\n", "123456789\r\n", "1\r\nab", "1\r\na\n", "1\na\r\n", "200\r\n",
        "1;\(String(repeating: "x", count: 300))\r\na\r\n", "0\r\n bad\r\n\r\n",
    ])
    func malformedChunksAreRefused(text: String) {
        var input = ByteBuffer(string: text)
        var body = ByteBuffer()
        #expect(throws: Refusal.self) {
            var decoder = try BodyDecoder(.chunked, limit: 300)
            while try !decoder.decode(&input, into: &body), input.readableBytes > 0 {}
        }
    }

    @Test(
        "a trailer that would delimit, route or end something is refused, in any case of its letters, on both sides; another is dropped",
        arguments: [
            "Content-Length: 3", "transfer-encoding: chunked", "HOST: b", "Connection: close", "Proxy-Connection: close", "Upgrade: a",
            "Keep-Alive: 1", "TE: a",
            "Trailer: T",
        ]
    )
    func forbiddenTrailers(trailer: String) throws {
        for text in ["0\r\n\(trailer)\r\n\r\n", "1\r\na\r\n0\r\nT: t\r\n\(trailer)\r\nU: u\r\n\r\n"] {
            var input = ByteBuffer(string: text)
            var body = ByteBuffer()
            var decoder = try BodyDecoder(.chunked, limit: 300)
            #expect(throws: Refusal.trailer) { _ = try decoder.decode(&input, into: &body) }
            input = ByteBuffer(string: text.replacing(trailer, with: "X-\(trailer)"))
            decoder = try BodyDecoder(.chunked, limit: 300)
            #expect(try decoder.decode(&input, into: &body))
        }
    }

    @Test func everyByteOfAKeySurvivesThePath() {
        for plusIsSpace in [true, false] {
            for byte in UInt8.min...UInt8.max {
                for key in [[byte], [byte, byte], [65, byte, 66]] {
                    var buffer = ByteBuffer()
                    PercentEncoding.append(key.span, to: &buffer)
                    let bytes = Array(buffer.readableBytesView)
                    var decoded: [UInt8] = []
                    #expect(PercentEncoding.decode(0..<bytes.count, bytes.span, plusIsSpace: plusIsSpace, into: &decoded))
                    #expect(decoded == key)
                    #expect(!bytes.contains(UInt8(ascii: "+")) && !bytes.contains(UInt8(ascii: "/")))
                }
            }
        }
    }

    @Test func classesHoldWhatTheySay() {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        let token = ByteClass("!#$%&'*+-.^_`|~" + letters)
        let unreserved = ByteClass("-._~" + letters)
        let host = ByteClass("-._~!$&'()*+,;=:[]%" + letters)
        let target = ByteClass(String(decoding: (UInt8(0x21)..<0x7F).filter { !"\"#<>\\^`{|}".utf8.contains($0) }, as: UTF8.self))
        for byte in UInt8.min...UInt8.max {
            #expect(ByteClass.token.contains(byte) == token.contains(byte))
            #expect(ByteClass.unreserved.contains(byte) == unreserved.contains(byte))
            #expect(ByteClass.host.contains(byte) == host.contains(byte))
            #expect(ByteClass.target.contains(byte) == target.contains(byte))
        }
    }

    @Test func protocolBuffers() throws {
        var buffer = ByteBuffer()
        Protobuf.appendGetResponse(value: "630", expire: -1, to: &buffer)
        #expect(Array(buffer.readableBytesView) == [0x0A, 3, 0x36, 0x33, 0x30, 0x18] + Array(repeating: 0xFF, count: 9) + [1])
        #expect(buffer.readableBytes == Protobuf.getResponseLength(valueCount: 3, expire: -1))
        try #expect(Protobuf.getResponse(buffer.readableBytesUInt8Span).expire == -1)
        // minute_qps and unknown fields of every wire type are skipped; the last of a repeated field counts.
        let mixed: [UInt8] =
            [0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0x0A, 1, 1, 0x25, 1, 2, 3, 4, 0x32, 2, 9, 9, 0x38, 0x80, 1, 0x0A, 2, 7, 8, 0x18, 5]
        let message = try Protobuf.getResponse(mixed.span)
        #expect(Array(mixed[message.value]) == [7, 8])
        #expect(message.expire == 5)
        try #expect(Protobuf.getResponse([UInt8]().span).value.isEmpty)
        for end in 1..<mixed.count where ![9, 12, 17, 21, 24, 28].contains(end) {
            let cut = Array(mixed[..<end])
            #expect(throws: Protobuf.Malformed.self) { try Protobuf.getResponse(cut.span) }
        }
        for bad: [UInt8] in [
            [0x0B], [0x0C], [0x07], [0x00, 0], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            [0x18] + Array(repeating: 0x80, count: 11),
        ] {
            #expect(throws: Protobuf.Malformed.self, "\(bad)") { try Protobuf.getResponse(bad.span) }
        }
        var set = ByteBuffer()
        Protobuf.appendSetRequest(group: "g", key: "k", value: "v", expire: 300, to: &set)
        #expect(Array(set.readableBytesView) == [0x0A, 1, 0x67, 0x12, 1, 0x6B, 0x1A, 1, 0x76, 0x20, 0xAC, 2])
    }

    @Test func smallCodecs() {
        #expect(HTTPDate.format(unixSeconds: 784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.format(unixSeconds: 951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            #expect(Base64.encode(ByteView(text)) == encoded)
        }
        var json = JSONWriter()
        json.object { json in
            json.string("a\"\\\u{1}\n", "é\u{1F}")
            json.array("b") { $0.number(nil, -1) }
            json.string("c", nil)
        }
        #expect(String(buffer: json.buffer) == #"{"a\"\\\u0001\n":"é\u001f","b":[-1],"c":null}"#)
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { self.state = seed }
    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

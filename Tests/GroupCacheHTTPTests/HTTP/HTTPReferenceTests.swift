// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import Testing

@testable import GroupCacheHTTP

@Suite("HTTP: what our parsers accept, llhttp accepts with the same meaning")
struct HTTPReferenceTests {
    private static let requests = [
        "GET /a?b=c?d HTTP/1.1\r\nHost: a:80\r\nAccept:\t*/* \r\nEmpty:\r\n\r\n",
        "\r\nPUT /a HTTP/1.1\r\nhOST: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: t\r\n\r\nHEAD / HTTP/1.1\r\nHost: b\r\n\r\n",
        "POST http://a.b:8001/c%2Fd?e HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloDELETE /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nContent-Length: 2\r\n\r\nok",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nGET /_groupcache/g/k HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    ]
    private static let responses = [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 204 \r\n\r\nHTTP/1.1 200\r\nETag: \"a\"\r\n\r\nrest",
        "HTTP/1.0 200 OK\r\n\r\nto the end",
    ]

    @Test("the usual messages are whole for both, and the same", arguments: zip(requests + responses, [1, 2, 2, 1, 2, 3, 3, 1]))
    func samples(_ text: String, _ count: Int) {
        let bytes = Array(text.utf8)
        let isRequest = Self.requests.contains(text)
        let theirs = isRequest ? HTTPReference.theirRequests(bytes) : HTTPReference.theirResponses(bytes)
        let ours = isRequest ? HTTPReference.requests([bytes[...]]) : HTTPReference.responses([bytes[...]])
        #expect(ours.messages.count == count && theirs == ours.messages)
        for cut in 0...bytes.count {
            let difference =
                isRequest
                ? HTTPReference.differenceOfRequests(bytes, cutAt: [cut, cut + 1])
                : HTTPReference.differenceOfResponses(bytes, cutAt: [cut, cut + 1])
            #expect(difference == nil)
        }
    }

    @Test("what has no body by its status has none, whatever it says of one", arguments: [100, 103, 199, 204, 304])
    func bodiless(_ status: Int) {
        for field in ["Transfer-Encoding: chunked", "Content-Length: 5"] {
            let bytes = Array("HTTP/1.1 \(status) x\r\n\(field)\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8)
            #expect(HTTPReference.responses([bytes[...]]).messages.count == 2)
            #expect(HTTPReference.differenceOfResponses(bytes, cutAt: []) == nil)
        }
    }

    @Test("every difference on the list is one: ours accepts, llhttp does not, and without the excuse it is found")
    func excuses() {
        let samples: [HTTPReference.Excuse: String] = [
            .method: "BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
            .lengths: "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            .chunkExtension: "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;[\r\nx\r\n0\r\n\r\n",
            .form: "OPTIONS a_b HTTP/1.1\r\nHost: a\r\n\r\n",
            .targetBytes: "GET /\u{80} HTTP/1.1\r\nHost: a\r\n\r\n",
        ]
        for (excuse, text) in samples {
            let bytes = Array(text.utf8)
            var ours = HTTPReference.requests([bytes[...]])
            #expect(ours.messages.count == 1 && ours.excuses == [0: excuse], "\(excuse)")
            #expect(HTTPReference.theirRequests(bytes).isEmpty, "\(excuse)")
            #expect(HTTPReference.differenceOfRequests(bytes) == nil, "\(excuse)")
            ours.excuses = [:]
            #expect(HTTPReference.difference(ours, HTTPReference.theirRequests(bytes)) != nil, "\(excuse)")
        }
        #expect(Set(samples.keys).union([.upgrade]) == Set(HTTPReference.Excuse.allCases))
    }

    @Test(
        "a message whose trailers or proxy's fields could be read otherwise is not understood otherwise",
        arguments: [
            "Transfer-Encoding: chunked", "Content-Length: 5", "Connection: close", "Proxy-Connection: close",
            "Upgrade: a\r\nConnection: upgrade", "T: t",
        ]
    )
    func elsewhere(_ field: String) {
        let next = "GET /b HTTP/1.1\r\nHost: a\r\n\r\n"
        for text in [
            "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\(field)\r\n\r\n" + next,
            "PUT /a HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + next,
            "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\(field)\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + next,
            "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + next,
            "GET /a HTTP/1.1\r\nHost: a\r\nProxy-\(field)\r\n\r\n" + next,
        ] {
            #expect(HTTPReference.differenceOfRequests(Array(text.utf8)) == nil)
        }
    }

    @Test("another method, target, field or body is a difference, excuse or not")
    func differences() {
        let message = HTTPMessage("GET /a", fields: [("Host", "a")])
        var others = Array(repeating: message, count: 4)
        others[0].start = "PUT /a"
        others[1].start = "GET /b"
        others[2].fields = ["host: b"]
        others[3].body = [1]
        for other in others {
            #expect(HTTPReference.difference(.init(messages: [message], excuses: [0: .lengths]), [other]) != nil)
        }
        #expect(HTTPReference.difference(.init(messages: [message]), [message, message]) == nil)
        #expect(HTTPReference.difference(.init(messages: [message]), []) != nil)
    }

    /// The fuzzer of Tests/Fuzz goes further; this is what every run of the tests tries.
    @Test("messages with some bytes changed", arguments: [1, 2, 3, 4] as [UInt64])
    func mutations(seed: UInt64) {
        var generator = SeededGenerator(seed)
        let pieces = [
            "\r\n", "\n", " ", ":", ";", "0", "chunked", "Content-Length: 3\r\n", "\u{0}", "\u{80}", ",", "Transfer-Encoding",
            "GET / HTTP/1.1\r\n",
        ]
        for round in 0..<1_500 {
            let isRequest = round % 2 == 0
            var bytes = Array((isRequest ? Self.requests : Self.responses).randomElement(using: &generator)?.utf8 ?? "".utf8)
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.insert(contentsOf: pieces.randomElement(using: &generator)?.utf8 ?? "".utf8, at: place)
                default: bytes.remove(at: place)
                }
            }
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            let difference =
                isRequest
                ? HTTPReference.differenceOfRequests(bytes, cutAt: [cut]) : HTTPReference.differenceOfResponses(bytes, cutAt: [cut])
            if let difference { Issue.record("seed \(seed), round \(round): \(String(decoding: bytes, as: UTF8.self)): \(difference)") }
        }
    }
}

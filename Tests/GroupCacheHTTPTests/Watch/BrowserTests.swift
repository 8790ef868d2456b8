// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Informers
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// The forms in which browsers watch: a WebSocket, and a stream of events; and whose pages may.
@Suite("Watch: browsers", .timeLimit(.minutes(5))) struct BrowserTests {
    private static let upgrade =
        "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

    /// The messages behind the head of an upgraded connection.
    private static func messages(_ received: [UInt8]) -> [WebSocketReader.Message] {
        let end = Array("\r\n\r\n".utf8)
        guard received.count >= 4, let index = (0...received.count - 4).first(where: { received[$0..<$0 + 4].elementsEqual(end) }) else {
            return []
        }
        var input = ByteBuffer(bytes: received[(index + 4)...])
        var reader = WebSocketReader(expectsMask: false, limit: 1 << 20)
        var messages: [WebSocketReader.Message] = []
        while let message = try? reader.next(&input) { messages.append(message) }
        return messages
    }

    @Test(
        "a WebSocket has the same bytes as text, one message an event; what it says is not heeded, pings are answered, and its end is the end"
    )
    func socket() async throws {
        try await withWatchedNode { group, port, pool in
            let lines = try await WatchReader(port, "/v1/watch/groups/g?sendInitialEvents=false")
            let socket = try await WatchReader(port, "/v1/watch/groups/g?sendInitialEvents=false", headers: Self.upgrade)
            #expect(socket.head.hasPrefix("HTTP/1.1 101 Switching Protocols"))
            #expect(
                socket.head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") && !socket.head.contains("Transfer-Encoding")
            )
            let connection = socket.connection
            var said = WebSocketWriter.control(.text, ByteBuffer(string: "hello"), mask: 0x01020304)
            said.writeImmutableBuffer(WebSocketWriter.control(.ping, ByteBuffer(string: "are you there"), mask: 0x05060708))
            try await connection.send(Array(said.readableBytesView))
            try await connection.wait { received, _ in Self.messages(received).contains { $0.opcode == .pong } }
            try await group.set("a", to: "1")
            try await group.set(Key(String(repeating: "k", count: 300)), to: "2")
            try await group.clear()
            #expect(try await lines.events(3).count == 3)
            try await connection.wait { received, _ in Self.messages(received).count(where: { $0.opcode == .text }) == 3 }
            let messages = Self.messages(connection.received)
            #expect(messages.first == .init(opcode: .pong, payload: ByteBuffer(string: "are you there")))
            let texts = messages.filter { $0.opcode == .text }.map { String(buffer: $0.payload) }
            #expect(texts.map { $0 + "\n" }.joined() == String(decoding: WatchReader.body(lines.connection.received).bytes, as: UTF8.self))
            try await connection.send(Array(WebSocketWriter.control(.close, WebSocketCloseCode.normal.payload, mask: 1).readableBytesView))
            try await connection.wait { _, isClosed in isClosed }
            #expect(Self.messages(connection.received).last == .init(opcode: .close, payload: WebSocketCloseCode.normal.payload))
            await connection.close()
            await lines.connection.close()
            try await eventually { pool.statistics.watchers == 0 }
        }
    }

    @Test("a message of any size that is allowed is read to its end, and what comes after it is answered; a larger one is refused")
    func largeMessages() async throws {
        let largest = ServerConnection.readAhead - WebSocketReader.headLimit
        try await withWatchedNode { _, port, _ in
            for size in [largest - 1, largest, largest + 1] {
                let socket = try await WatchReader(port, "/v1/watch/groups/g?sendInitialEvents=false", headers: Self.upgrade)
                var said = WebSocketWriter.control(.text, ByteBuffer(repeating: 0x61, count: size), mask: 0x01020304)
                said.writeImmutableBuffer(WebSocketWriter.control(.ping, ByteBuffer(string: "there"), mask: 0x05060708))
                try await socket.connection.send(Array(said.readableBytesView))
                try await socket.connection.wait { received, _ in
                    Self.messages(received).contains { $0.opcode == (size > largest ? .close : .pong) }
                }
                await socket.connection.close()
            }
        }
    }

    @Test("the end of a watch closes its socket; frames that cannot be are an error of its own; so are upgrades without a key")
    func socketEnds() async throws {
        try await withWatchedNode { _, port, pool in
            let short = try await WatchReader(port, "/v1/watch/groups/g?timeoutSeconds=1", headers: Self.upgrade)
            try await short.connection.wait { _, isClosed in isClosed }
            #expect(Self.messages(short.connection.received).last == .init(opcode: .close, payload: WebSocketCloseCode.normal.payload))
            await short.connection.close()
            for (bytes, code) in [
                ([0x81, 0x01, 0x41], WebSocketCloseCode.protocolError), ([0x82, 0xFF, 0, 0, 0, 0, 0xFF, 0, 0, 0], .tooLarge),
            ]
                as [([UInt8], WebSocketCloseCode)]
            {
                let bad = try await WatchReader(port, "/v1/watch/groups/g", headers: Self.upgrade)
                try await bad.connection.send(bytes)
                try await bad.connection.wait { _, isClosed in isClosed }
                #expect(Self.messages(bad.connection.received).last == .init(opcode: .close, payload: code.payload))
                await bad.connection.close()
            }
            let stopped = try await WatchReader(port, "/v1/watch/members?sendInitialEvents=false", headers: Self.upgrade)
            pool.core.memberLog.log.close()
            try await stopped.connection.wait { _, isClosed in isClosed }
            #expect(Self.messages(stopped.connection.received).last?.opcode == .close)
            await stopped.connection.close()
            let plain = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            #expect(try await answer(port, "GET /v1/watch/groups/g", headers: plain + "Sec-WebSocket-Version: 13\r\n").status == 400)
            let version = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n"
            #expect(try await answer(port, "GET /v1/watch/groups/g", headers: plain + version).status == 426)
            #expect(try await answer(port, "GET /v1/watch/groups/g?resourceVersion=1.1", headers: Self.upgrade).status == 410)
            try await eventually { pool.statistics.watchers == 0 }
        }
    }

    @Test("a browser's stream has versions as ids, and goes on from the last one; what there was first has none")
    func eventStream() async throws {
        try await withWatchedNode { group, port, pool in
            try await group.set("a", to: "1")
            let accept = "Accept: text/event-stream\r\n"
            let reader = try await WatchReader(port, "/v1/watch/groups/g", headers: accept)
            #expect(reader.head.contains("Content-Type: text/event-stream"))
            let version = "\(try #require(pool.core.feed).log.version)"
            try await reader.connection.wait { received, _ in
                WatchReader.body(received).bytes.suffix(4).elementsEqual("\(version.suffix(2))\n\n".utf8)
            }
            let first = String(decoding: WatchReader.body(reader.connection.received).bytes, as: UTF8.self)
            #expect(first.hasPrefix(#"data: {"type":"ADDED""#) && first.hasSuffix("}}\n\nid: \(version)\n\n"))
            await reader.connection.close()
            try await group.remove("a")
            let again = try await WatchReader(port, "/v1/watch/groups/g", headers: accept + "Last-Event-ID: \(version)\r\n")
            try await again.connection.wait { received, _ in WatchReader.body(received).bytes.suffix(2).elementsEqual("\n\n".utf8) }
            let second = String(decoding: WatchReader.body(again.connection.received).bytes, as: UTF8.self)
            let removed = try #require(pool.core.feed).log.version
            #expect(second.hasPrefix("id: \(removed)\ndata: {\"type\":\"DELETED\""))
            await again.connection.close()
            // A browser gives up for ever upon anything but 200: that its place is gone is told within, and that it is to forget it.
            let lost = try await WatchReader(port, "/v1/watch/groups/g", headers: accept + "Last-Event-ID: 1.5\r\n")
            try await lost.connection.wait { received, _ in WatchReader.body(received).isWhole }
            let told = String(decoding: WatchReader.body(lost.connection.received).bytes, as: UTF8.self)
            #expect(lost.head.hasPrefix("HTTP/1.1 200 OK") && told.hasPrefix(#"id\#ndata: {"type":"ERROR","object":{"kind":"Status""#))
            #expect(told.contains(#""code":410"#) && told.hasSuffix("}}\n\n"))
            await lost.connection.close()
            #expect(try await answer(port, "GET /v1/watch/groups/g?resourceVersion=1.5", headers: accept).status == 410)
            #expect(try await answer(port, "GET /v1/watch/groups/g", headers: accept + "Last-Event-ID: x\r\n").status == 400)
        }
    }

    @Test("pages of other origins read nothing, unless they are named; they change nothing even then, and open no WebSocket")
    func origins() async throws {
        let origin = "Origin: https://shop.example.org\r\n"
        let ask = "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n"
        try await withWatchedNode { _, port, _ in
            for line in ["GET /v1/groups/g/keys", "GET /v1/groups/g/keys/Tom", "OPTIONS /v1/groups/g/keys"] {
                let closed = try await answer(port, line, headers: origin + ask)
                #expect(!closed.head.contains("Access-Control") && (closed.status == 405 || closed.status == 403 || line.hasPrefix("GET")))
            }
            #expect(try await answer(port, "GET /v1/watch/groups/g", headers: Self.upgrade + origin).status == 403)
            let own = try await WatchReader(port, "/v1/watch/groups/g", headers: Self.upgrade + "Origin: http://localhost\r\n")
            #expect(own.head.hasPrefix("HTTP/1.1 101"))
            await own.connection.close()
        }
        try await withWatchedNode({ $0.corsOrigins = ["https://shop.example.org", "http://localhost:3000"] }) { _, port, _ in
            for line in [
                "GET /v1/groups/g/keys", "GET /v1/groups/g/keys/Tom", "GET /v1/groups/g/keys/nobody", "GET /v1/groups/g", "GET /nothing",
            ] {
                let open = try await answer(port, line, headers: origin)
                #expect(open.head.contains("\r\nVary: Origin\r\nAccess-Control-Allow-Origin: https://shop.example.org\r\n"), "\(line)")
                for headers in ["Origin: https://other.example.org\r\n", ""] {
                    let closed = try await answer(port, line, headers: headers)
                    #expect(!closed.head.contains("Access-Control"))
                }
            }
            let asked = try await answer(port, "OPTIONS /v1/watch/groups/g", headers: origin + ask)
            #expect(
                asked.status == 204 && asked.head.contains("Access-Control-Allow-Methods: GET, HEAD")
                    && asked.head.contains("Authorization")
            )
            #expect(try await answer(port, "DELETE /v1/groups/g/keys/Tom", headers: origin).status == 403)
            let socket = try await WatchReader(port, "/v1/watch/groups/g", headers: Self.upgrade + origin)
            #expect(socket.head.hasPrefix("HTTP/1.1 101"))
            await socket.connection.close()
            let stream = try await WatchReader(port, "/v1/watch/groups/g", headers: "Accept: text/event-stream\r\n" + origin)
            #expect(stream.head.contains("Access-Control-Allow-Origin: https://shop.example.org"))
            await stream.connection.close()
        }
        for wrong in ["shop.example.org", "https://", "https://a/b", "null", "https://a b", "ftp://a"] {
            var configuration = HTTPPool.Configuration()
            configuration.corsOrigins = [wrong]
            #expect(throws: GroupCacheError.self) { try HTTPPool(configuration: configuration) }
        }
    }
}

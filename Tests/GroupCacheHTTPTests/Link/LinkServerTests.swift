// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// The answering side, over real sockets, with a client whose bytes the test writes.
@Suite("Link: the side that answers", .timeLimit(.minutes(5)), .serialized) struct LinkServerTests {
    private func withNode(
        _ configure: @Sendable (inout HTTPPool.Configuration) -> Void = { _ in },
        loader: @escaping FakeGroup.Loader = { key throws(GroupCacheError) in ByteView("value of " + key.string) },
        _ body: @Sendable (HTTPPool, FakeGroup, Int) async throws -> Void
    ) async throws {
        try await withPools(1, configure) { pools in
            let group = FakeGroup(loader: loader)
            try pools[0].pool.register(group)
            try await body(pools[0].pool, group, pools[0].port)
            // Whatever happened: nothing is left of it.
            try await eventually { pools[0].pool.statistics.connections == 0 }
        }
    }

    // MARK: Upgrade

    @Test("what is not a proper request for a link is not upgraded, and is answered as HTTP")
    func notUpgraded() async throws {
        try await self.withNode { pool, _, port in
            let handshake = RawLink.handshake
            func without(_ name: String) -> String {
                handshake.split(separator: "\r\n").filter { !$0.hasPrefix(name) }.joined(separator: "\r\n") + "\r\n"
            }
            let requests = [
                "origin": handshake + "Origin: https://evil.example\r\n",
                "version": handshake.replacing("Version: 13", with: "Version: 12"),
                "subprotocol": handshake.replacing("link.v1", with: "link.v9"),
                "no subprotocol": without("Sec-WebSocket-Protocol"),
                "no key": without("Sec-WebSocket-Key"),
                "short key": handshake.replacing("dGhlIHNhbXBsZSBub25jZQ==", with: "dGhlIHNhbXBs"),
                "no upgrade": without("Upgrade"),
                "no connection": without("Connection"),
                "other upgrade": handshake.replacing("Upgrade: websocket", with: "Upgrade: h2c"),
                "path": handshake.replacing("/_groupcache/ ", with: "/_groupcache/scores/Tom "),
                "HTTP/1.0": handshake.replacing("HTTP/1.1", with: "HTTP/1.0"),
                "method": handshake.replacing("GET ", with: "DELETE "),
                "body": handshake + "Content-Length: 2\r\n",
            ]
            for (what, head) in requests {
                let connection = try await RawConnection(port: port)
                try await connection.send(head + "\r\n" + (what == "body" ? "ab" : ""))
                let response = try await connection.response()
                #expect(!response.head.hasPrefix("HTTP/1.1 101"), "\(what)")
                #expect(response.head.contains("HTTP/1.1 "), "\(what)")
                let saysVersion =
                    response.head.contains("\r\nSec-WebSocket-Version: 13\r\n") && response.head.contains("\r\nUpgrade: websocket\r\n")
                #expect((what == "version") == (response.head.hasPrefix("HTTP/1.1 426 ") && saysVersion), "\(what)")
                await connection.close()
            }
        }
    }

    @Test("a link after other requests, with the first message right behind the handshake, in one piece and byte by byte")
    func leftover() async throws {
        try await self.withNode { _, group, port in
            group["Tom"] = "630"
            let link = try await RawLink(port: port, rest: RawLink.gets(["Tom", "Jack"]))
            let received = try await link.received { $0.replies.count == 2 }
            #expect(received.values(1) == ["630"] && received.values(2) == ["value of Jack"])
            await link.close()

            let connection = try await RawConnection(port: port)
            try await connection.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" + RawLink.handshake + "\r\n")
            #expect(try await connection.response().head.hasPrefix("HTTP/1.1 200 "))
            #expect(try await connection.response(hasBody: false).head.hasPrefix("HTTP/1.1 101 "))
            for byte in RawLink.gets(["Tom"]) { try await connection.send([byte]) }
            try await connection.wait { bytes, _ in RawLink.Received(bytes, isClosed: false).replies.count == 1 }
            await connection.close()
        }
    }

    // MARK: Bad peers

    @Test("every bad frame ends the link with its code, and the node goes on")
    func badFrames() async throws {
        try await self.withNode { pool, group, port in
            group["Tom"] = "630"
            func frame(_ write: (inout ByteBuffer) -> Void) -> [UInt8] { RawLink.frame(.binary, write) }
            let cases: [(String, [UInt8], UInt16)] = [
                ("reserved bits", [0xC2, 0x80, 0, 0, 0, 0], 1002),
                ("opcode", [0x83, 0x80, 0, 0, 0, 0], 1002),
                ("not masked", [0x82, 0x00], 1002),
                ("continuation of nothing", [0x80, 0x80, 0, 0, 0, 0], 1002),
                ("text", [0x81, 0x81, 0, 0, 0, 0, 0x41], 1003),
                ("long ping", [0x89, 0xFE, 0x10, 0x00], 1002),
                ("17 MiB announced", [0x82, 0xFF, 0, 0, 0, 0, 1, 0x10, 0, 0], 1009),
                ("2⁶³ announced", [0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),
                ("2⁶² announced", [0x82, 0xFF, 0x40, 0, 0, 0, 0, 0, 0, 0], 1009),
                ("125 bytes announced in two bytes more than it takes", [0x82, 0xFE, 0, 125, 0, 0, 0, 0], 1002),
                ("half of a ping", [0x09, 0x80, 0, 0, 0, 0], 1002),
                ("a close of one byte", [0x88, 0x81, 0, 0, 0, 0, 3], 1002),
                ("a close with 999", [0x88, 0x82, 0, 0, 0, 0, 3, 0xE7], 1002),
                ("a close with 1005", [0x88, 0x82, 0, 0, 0, 0, 3, 0xED], 1002),
                ("a close with a reason that is no text", [0x88, 0x83, 0, 0, 0, 0, 3, 0xE8, 0xFF], 1007),
                ("unknown wire type", frame { $0.writeBytes([0x0F]) }, 1002),
                ("truncated", frame { $0.writeBytes([0x12, 0x05, 0x08]) }, 1002),
                ("a group that was not named", frame { $0.writeLinkRequest(id: 1, group: 3, key: Array("k".utf8).span) }, 1002),
                ("a reply", frame { $0.writeLinkReply(id: 1) }, 1002),
                (
                    "a key of 4,097 bytes",
                    frame {
                        $0.writeLinkGroup("scores")
                        $0.writeLinkRequest(id: 1, group: 0, key: LinkSamples.bytes(4_097).span)
                    }, 1009
                ),
                (
                    "1,001 keys",
                    frame {
                        $0.writeLinkGroup("scores")
                        $0.writeLinkRequest(id: 1, group: 0, keys: (0..<1_001).map { Key("\($0)") })
                    }, 1009
                ),
            ]
            for (what, bytes, code) in cases {
                let link = try await RawLink(port: port)
                // What comes behind it is not answered any more.
                try await link.send(bytes + RawLink.gets(["Tom"]))
                let received = try await link.received { $0.isClosed }
                #expect(received.closeCodes == [code], "\(what)")
                #expect(received.replies.isEmpty && received.isClosed && !received.isMalformed, "\(what)")
                await link.close()
            }
            #expect(pool.statistics.refusedRequests == cases.count)
            let link = try await RawLink(port: port, rest: RawLink.gets(["Tom"]))
            #expect(try await link.received { !$0.replies.isEmpty }.values(1) == ["630"])
            await link.close()
        }
    }

    @Test("what was asked before a fault in the same message is answered, and an id in use twice is such a fault")
    func reusedID() async throws {
        let gate = Gate()
        let loader: FakeGroup.Loader = { key throws(GroupCacheError) in
            try? await gate.pass()
            return "late"
        }
        try await self.withNode(loader: loader) { _, group, port in
            group["Tom"] = "630"
            let link = try await RawLink(port: port)
            try await link.send(RawLink.gets(["slow"], first: 7))
            await gate.waitForArrivals()
            try await link.send(
                RawLink.frame {
                    $0.writeLinkGroup("scores")
                    $0.writeLinkRequest(id: 1, group: 0, key: Array("Tom".utf8).span)
                    $0.writeLinkRequest(id: 7, group: 0, key: Array("other".utf8).span)
                }
            )
            let received = try await link.received { $0.isClosed }
            #expect(received.values(1) == ["630"])
            #expect(received.closeCodes == [1002])
            gate.open()
        }
    }

    @Test("an id may be used again once its request was cancelled, and never gets the answer to the other one")
    func idAfterCancel() async throws {
        let (first, second) = (Gate(), Gate())
        // A getter that does not heed its cancellation.
        let loader: FakeGroup.Loader = { key throws(GroupCacheError) in
            let gate = key == "first" ? first : second
            await Task { try? await gate.pass() }.value
            return ByteView("value of " + key.string)
        }
        try await self.withNode(loader: loader) { _, group, port in
            let link = try await RawLink(port: port)
            try await link.send(RawLink.gets(["first"]))
            await first.waitForArrivals()
            try await link.send(RawLink.frame { $0.writeLinkCancel(1) } + RawLink.gets(["second"]))
            await second.waitForArrivals()
            first.open()
            try await eventually { group["first"] != nil }
            // Once the answer to this is there, an answer to the first would be, too.
            group["Tom"] = "630"
            try await link.send(RawLink.gets(["Tom"], first: 2))
            try await link.received { $0.replies.contains { $0.id == 2 } }
            second.open()
            let received = try await link.received { $0.replies.contains { $0.id == 1 } }
            #expect(received.values(1) == ["value of second"])
            await link.close()
        }
    }

    @Test("a peer that asks for much and reads nothing: what it asks for waits; when it reads, it gets everything")
    func slowReader() async throws {
        try await withPools { pools in
            let group = try Group<String>("scores", capacity: .mebibytes(16), peers: pools[0].pool) { _, _ in
                String(repeating: "x", count: 262_144)
            }
            _ = try await group.get("large")
            let link = try await RawLink(port: pools[0].port)
            try await link.connection.channel.setOption(.autoRead, value: false).get()
            // 256 MiB of answers to one message.
            try await link.send(RawLink.gets(Array(repeating: "large", count: 1_000)))
            try await eventually { group.statistics.serverRequests > 0 }
            // Until nothing moves any more, however often the loops go round.
            let other = try await RawConnection(port: pools[0].port)
            var (before, same) = (0, 0)
            while same < 50 {
                try await other.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try await other.response()
                same = group.statistics.serverRequests == before ? same + 1 : 0
                before = group.statistics.serverRequests
            }
            await other.close()
            #expect(before < 200, "no more is made ready than the sockets and one message hold")
            let bytes = NIOLockedValueBox(0)
            try await link.connection.channel.setOption(.autoRead, value: true).get()
            try await link.connection.wait { received, isClosed in
                bytes.withLockedValue { $0 = received.count }
                return isClosed || received.count > 1_000 * 262_144
            }
            #expect(bytes.withLockedValue { $0 } > 1_000 * 262_144)
            #expect(group.statistics.serverRequests == 1_000)
            await link.close()
            try await eventually { pools[0].pool.statistics.connections == 0 }
        }
    }

    @Test(
        "of a peer that asks for ever more keys, 65,536 at most are loaded at a time; the others are refused at once, and room is given back"
    )
    func manyRunning() async throws {
        let gate = Gate()
        let loader: FakeGroup.Loader = { key throws(GroupCacheError) in
            try? await gate.pass()
            return "late"
        }
        try await self.withNode(loader: loader) { _, _, port in
            let link = try await RawLink(port: port)
            func ask(_ id: UInt32) async throws {
                try await link.send(
                    RawLink.frame {
                        $0.writeLinkGroup("scores")
                        $0.writeLinkRequest(id: id, group: 0, keys: (0..<1_000).map { Key("\(id)-\($0)") })
                    }
                )
            }
            for id in 1...67 as ClosedRange<UInt32> { try await ask(id) }
            let refused = try await link.received { $0.replies.count == 2_000 }.replies
            #expect(refused.allSatisfy { $0.status == .overloaded && $0.retryAfter == 1_000 })
            #expect(refused.map(\.id).min() == 66)
            try await link.send(RawLink.frame { $0.writeLinkCancel(7) })
            try await ask(68)
            try await ask(69)
            let more = try await link.received { $0.replies.count == 3_000 }.replies
            #expect(Set(more.map(\.id)) == [66, 67, 69])
            await link.close()
            gate.open()
        }
    }

    @Test("a peer that never reads is cut")
    func cut() async throws {
        try await self.withNode({ $0.server.writeTimeout = .milliseconds(100) }) { pool, group, port in
            group["large"] = ByteView(LinkSamples.bytes(262_144))
            let link = try await RawLink(port: port)
            try await link.connection.channel.setOption(.autoRead, value: false).get()
            try await link.send(RawLink.gets(Array(repeating: "large", count: 200)))
            try await eventually { pool.statistics.timeouts == 1 }
            try await eventually { pool.statistics.connections == 0 }
            await link.close()
        }
    }

    // MARK: Good peers

    @Test("10,000 requests in one message are all answered, in few messages")
    func manyRequests() async throws {
        try await self.withNode { _, group, port in
            for number in 0..<10_000 where number % 10 != 0 { group[Key("k\(number)")] = ByteView("v\(number)") }
            let link = try await RawLink(port: port)
            try await link.send(RawLink.gets((0..<10_000).map { "k\($0)" }, first: 0))
            let received = try await link.received { $0.replies.count == 10_000 }
            #expect(!received.isMalformed && received.replies.count == 10_000)
            #expect(Set(received.replies.map(\.id)).count == 10_000)
            for reply in received.replies {
                let expected = reply.id % 10 == 0 ? "value of k\(reply.id)" : "v\(reply.id)"
                #expect(String(decoding: reply.value, as: UTF8.self) == expected)
            }
            await link.close()
        }
    }

    @Test("pings are answered with their payload, a close with its code")
    func controls() async throws {
        try await self.withNode { _, _, port in
            let link = try await RawLink(port: port)
            try await link.send(RawLink.frame(.ping) { $0.writeString("hello") } + RawLink.frame(.pong) { _ in })
            try await link.send(RawLink.frame(.ping) { _ in })
            let pongs = try await link.received { $0.controls.count == 2 }.controls
            #expect(pongs.map(\.opcode) == [.pong, .pong])
            #expect(pongs.map { String(buffer: $0.payload) } == ["hello", ""])
            try await link.send(RawLink.frame(.close) { $0.writeInteger(UInt16(1000)) })
            let end = try await link.received { $0.isClosed }
            #expect(end.closeCodes == [1000] && end.isClosed)
        }
    }

    @Test("a peer with another ring is counted, one with the same is not")
    func ring() async throws {
        try await self.withNode { pool, group, port in
            group["Tom"] = "630"
            let link = try await RawLink(port: port)
            func ask(_ ring: UInt64, _ id: UInt32) async throws {
                try await link.send(RawLink.frame { $0.writeLinkRing(ring) } + RawLink.gets(["Tom"], first: id))
                try await link.received { $0.replies.contains { $0.id == id } }
            }
            try await ask(pool.ring.version, 1)
            #expect(pool.statistics.ringDisagreements == 0)
            try await ask(pool.ring.version &+ 1, 2)
            #expect(pool.statistics.ringDisagreements == 1)
            await link.close()
        }
    }

    @Test("a cancel, the end of the connection and half of it each reach the getter", arguments: ["cancel", "close", "half"])
    func cancelled(_ way: String) async throws {
        let (gate, cancelled) = (Gate(), NIOLockedValueBox(0))
        let loader: FakeGroup.Loader = { _ throws(GroupCacheError) in
            do {
                try await gate.pass()
                return "late"
            } catch {
                cancelled.withLockedValue { $0 += 1 }
                throw .cancelled
            }
        }
        try await self.withNode(loader: loader) { _, _, port in
            let link = try await RawLink(port: port, halfClosure: true)
            try await link.send(RawLink.gets(["a", "b", "c"]))
            await gate.waitForArrivals(3)
            switch way {
            case "cancel": try await link.send(RawLink.frame { for id in [3, 1, 2, 9] { $0.writeLinkCancel(UInt32(id)) } })
            case "half": try await link.connection.closeOutput()
            default: await link.close()
            }
            try await eventually { cancelled.withLockedValue { $0 } == 3 }
            await link.close()
        }
    }

    @Test("frames that never end where a read ends do not make the input grow")
    func input() {
        var input = ByteBuffer()
        var read = 0
        for _ in 0..<2_000 {
            var incoming = ByteBuffer(repeating: 1, count: 65_536)
            input.append(&incoming)
            // All but a few bytes are taken.
            let count = input.readableBytes - 7
            input.moveReaderIndex(forwardBy: count)
            read += count
        }
        #expect(read == 2_000 * 65_536 - 7)
        #expect(input.readableBytes == 7 && input.capacity <= 262_144)
    }
}

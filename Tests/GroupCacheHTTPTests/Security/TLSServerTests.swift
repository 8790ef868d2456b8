// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import NIOCore
import NIOSSL
import Testing

/// Who gets in through TLS.
@Suite(.timeLimit(.minutes(5))) struct TLSServerTests {
    private static let get = "GET /v1/groups/scores/keys/Tom HTTP/1.1\r\nHost: x\r\n\r\n"
    private static let put = "PUT /v1/groups/scores/keys/Tom HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"

    struct Node: Sendable {
        var port: Int
        var pool: HTTPPool
        var group: FakeGroup
        var authority: TestAuthority
    }

    private func withNode(
        _ verification: HTTPPool.Configuration.TLS.ClientVerification,
        _ configure: @Sendable (inout HTTPPool.Configuration) -> Void = { _ in },
        _ body: @Sendable (Node) async throws -> Void
    ) async throws {
        let (files, authority) = (try TestFiles(), try TestAuthority())
        let tls = try files.tls(authority.issue(), trusting: authority, verification: verification)
        try await withPools {
            $0.tls = tls
            configure(&$0)
        } _: { nodes in
            let group = FakeGroup { key throws(GroupCacheError) in ByteView("loaded \(key.string)") }
            group["Tom"] = "630"
            try nodes[0].pool.register(group)
            try await body(Node(port: nodes[0].port, pool: nodes[0].pool, group: group, authority: authority))
        }
    }

    /// Asks over a connection of its own; `nil`: there was no answer.
    private func ask(_ text: String, _ node: Node, _ context: NIOSSLContext?) async throws -> String? {
        let connection = try await RawConnection(port: node.port, tls: context)
        do {
            try await connection.send(text)
            let (head, body) = try await connection.response()
            await connection.close()
            return head + String(decoding: body, as: UTF8.self)
        } catch {
            await connection.close()
            return nil
        }
    }

    /// Nothing of the node is seen, and the node counts it.
    private func expectRefused(_ node: Node, _ context: NIOSSLContext?) async throws {
        let answer = try await self.ask(Self.get, node, context)
        #expect(answer == nil)
        try await eventually { node.pool.statistics.failedHandshakes == 1 && node.pool.statistics.connections == 0 }
    }

    @Test("with required verification a client without a certificate is not served")
    func noCertificate() async throws {
        try await self.withNode(.required) { node in try await self.expectRefused(node, try node.authority.client()) }
    }

    @Test("a certificate of another authority is none", arguments: [HTTPPool.Configuration.TLS.ClientVerification.required, .optional])
    func wrongAuthority(verification: HTTPPool.Configuration.TLS.ClientVerification) async throws {
        try await self.withNode(verification) { node in
            // Of the same name, so that only the signature tells.
            try await self.expectRefused(node, try node.authority.client(TestAuthority().issue()))
        }
    }

    @Test("a certificate that has expired, or is not valid yet, is none", arguments: [-7_200.0...(-3_600), 3_600...7_200])
    func expired(validity: ClosedRange<Double>) async throws {
        try await self.withNode(.required) { node in
            try await self.expectRefused(node, try node.authority.client(node.authority.issue(validity: validity)))
        }
    }

    @Test("plain HTTP on a TLS port is not answered", arguments: [HTTPPool.Configuration.TLS.ClientVerification.none, .required])
    func plain(verification: HTTPPool.Configuration.TLS.ClientVerification) async throws {
        try await self.withNode(verification) { node in
            let connection = try await RawConnection(port: node.port)
            try await connection.send(Self.get)
            let answer = try await connection.untilClosed()
            #expect(!answer.contains("HTTP") && !answer.contains("630"))
            try await eventually { node.pool.statistics.failedHandshakes == 1 }
        }
    }

    @Test("TLS before 1.2 is not spoken")
    func old() async throws {
        try await self.withNode(.none) { node in
            let context = try node.authority.client {
                $0.minimumTLSVersion = .tlsv1
                $0.maximumTLSVersion = .tlsv11
            }
            try await self.expectRefused(node, context)
        }
    }

    @Test("TLS 1.2 and 1.3 are", arguments: [TLSVersion.tlsv12, .tlsv13])
    func versions(version: TLSVersion) async throws {
        try await self.withNode(.required) { node in
            let context = try node.authority.client(node.authority.issue()) {
                $0.minimumTLSVersion = version
                $0.maximumTLSVersion = version
            }
            let answer = try await self.ask(Self.get, node, context)
            #expect(answer?.hasSuffix("630") == true)
            #expect(node.pool.statistics.failedHandshakes == 0)
        }
    }

    @Test("with a certificate that is vouched for a client reads and changes")
    func certificate() async throws {
        for verification in [HTTPPool.Configuration.TLS.ClientVerification.required, .optional] {
            try await self.withNode(verification) { node in
                let context = try node.authority.client(node.authority.issue())
                let read = try await self.ask(Self.get, node, context)
                #expect(read?.hasSuffix("630") == true)
                let changed = try await self.ask(Self.put, node, context)
                #expect(changed?.hasPrefix("HTTP/1.1 204 ") == true && node.group["Tom"] == "1")
            }
        }
    }

    @Test(
        "with optional verification a client without a certificate reads, but changes nothing",
        arguments: [
            put, "DELETE /v1/groups/scores/keys/Tom HTTP/1.1\r\nHost: x\r\n\r\n",
            "DELETE /v1/groups/scores/keys HTTP/1.1\r\nHost: x\r\n\r\n",
            "PUT /_groupcache/scores/Tom HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1",
            "DELETE /_groupcache/scores/Tom HTTP/1.1\r\nHost: x\r\n\r\n",
        ]
    )
    func optional(change: String) async throws {
        try await self.withNode(.optional) { node in
            let context = try node.authority.client()
            let read = try await self.ask(Self.get, node, context)
            #expect(read?.hasSuffix("630") == true)
            let refused = try await self.ask(change, node, context)
            #expect(refused?.hasPrefix("HTTP/1.1 403 ") == true && refused?.contains("GroupCache-Error: unauthorized") == true)
            #expect(node.group["Tom"] == "630" && node.pool.statistics.unauthorizedRequests == 1)
        }
    }

    @Test("TLS alone keeps nobody from changing things; a token beside it does")
    func withoutVerification() async throws {
        try await self.withNode(.none) { node in
            let changed = try await self.ask(Self.put, node, try node.authority.client())
            #expect(changed?.hasPrefix("HTTP/1.1 204 ") == true)
        }
        let files = try TestFiles()
        let token = try files.write("token", "correct-horse-battery-staple")
        try await self.withNode(.none, { $0.tokenFile = token }) { node in
            let context = try node.authority.client()
            let refused = try await self.ask(Self.put, node, context)
            #expect(refused?.hasPrefix("HTTP/1.1 401 ") == true)
            let header = "Authorization: Bearer correct-horse-battery-staple\r\n"
            let changed = try await self.ask(Self.put.replacing("Host: x\r\n", with: "Host: x\r\n\(header)"), node, context)
            #expect(changed?.hasPrefix("HTTP/1.1 204 ") == true)
            // A certificate that nobody asks for proves nothing.
            let other = try await self.ask(Self.put, node, try node.authority.client(node.authority.issue()))
            #expect(other?.hasPrefix("HTTP/1.1 401 ") == true)
        }
    }

    @Test("HTTP/1.1 is what is agreed on")
    func protocolNegotiation() async throws {
        try await self.withNode(.none) { node in
            let connection = try await RawConnection(port: node.port, tls: try node.authority.client())
            try await connection.send(Self.get)
            _ = try await connection.response()
            #expect(connection.agreedProtocol == "http/1.1")
            await connection.close()
        }
    }

    @Test("large values, pipelining, refusals and farewells are the same over TLS")
    func sameAsPlain() async throws {
        try await self.withNode(.none) { node in
            let context = try node.authority.client()
            let connection = try await RawConnection(port: node.port, tls: context)
            let value = [UInt8]((0..<8 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            let head = "PUT /v1/groups/scores/keys/big HTTP/1.1\r\nHost: x\r\nContent-Length: \(value.count)\r\n\r\n"
            try await connection.send(Array(head.utf8) + value)
            let stored = try await connection.response()
            #expect(stored.head.hasPrefix("HTTP/1.1 204 ") && node.group["big"] == ByteView(value))
            try await connection.send(String(repeating: Self.get, count: 50))
            for _ in 0..<50 {
                let (_, body) = try await connection.response()
                #expect(body == Array("630".utf8))
            }
            await connection.close()
            let reader = try await RawConnection(port: node.port, tls: context)
            try await reader.send("GET /v1/groups/scores/keys/big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let whole = try await reader.untilClosedBytes()
            #expect(whole.suffix(value.count).elementsEqual(value))
            let refused = try await RawConnection(port: node.port, tls: context)
            try await refused.send("PUT /v1/groups/scores/keys/a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + Self.get)
            let answer = try await refused.untilClosed()
            #expect(answer.hasPrefix("HTTP/1.1 413 ") && answer.hasSuffix("}\n"))
            try await eventually { node.pool.statistics.connections == 0 }
            #expect(node.pool.statistics.timeouts == 0 && node.pool.statistics.failedHandshakes == 0)
        }
    }

    @Test("a client that never agrees on TLS, or then asks nothing, is cut, also when it sends something now and then")
    func slowHandshake() async throws {
        try await self.withNode(.none, { $0.server.headTimeout = .milliseconds(200) }) { node in
            let silent = try await RawConnection(port: node.port)
            // The head of a record with a handshake of 512 bytes, whose rest never comes.
            let slow = try await RawConnection(port: node.port)
            // A busy machine may cut it before it has said anything, which is as good.
            try? await slow.send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC])
            let dribble = slow.channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(50)) { _ in
                slow.channel.writeAndFlush(ByteBuffer(bytes: [0]), promise: nil)
            }
            // TLS buys no time: the first request is due from the beginning of the connection, and not from the handshake.
            let shaken = try await RawConnection(port: node.port, tls: try node.authority.client())
            for connection in [silent, slow, shaken] { _ = try await connection.untilClosed() }
            dribble.cancel()
            try await eventually { node.pool.statistics.connections == 0 }
            #expect(node.pool.statistics.timeouts == 3 && node.pool.statistics.failedHandshakes >= 2)
        }
    }
}

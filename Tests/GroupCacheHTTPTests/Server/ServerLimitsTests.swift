// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import Logging
import NIOCore
import ServiceLifecycle
import Testing

@Suite struct ServerLimitsTests {
    private let get = "GET /v1/groups/scores/keys/Tom HTTP/1.1\r\nHost: x\r\n\r\n"

    private func withNode(
        _ configure: @Sendable (inout HTTPPool.Configuration) -> Void = { _ in },
        _ body: @Sendable (Int, FakeGroup, HTTPPool) async throws -> Void
    ) async throws {
        try await withPools(1, configure) { nodes in
            let group = FakeGroup { key throws(GroupCacheError) in ByteView("loaded \(key.string)") }
            group["Tom"] = "630"
            try nodes[0].pool.register(group)
            try await body(nodes[0].port, group, nodes[0].pool)
        }
    }

    @Test func aRefusedRequestIsAnsweredAndItsConnectionClosed() async throws {
        try await self.withNode { port, _, pool in
            for (text, status) in CodecTests.refused {
                let connection = try await RawConnection(port: port)
                // Nothing that follows a refused head may be answered: it could be the smuggled request.
                try? await connection.send(text + self.get)
                let answer = try await connection.untilClosed()
                #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(text.prefix(60))")
                #expect(answer.contains("Connection: close") && answer.contains("\"kind\":\"Status\""))
                #expect(!answer.contains("630"))
            }
            #expect(pool.statistics.refusedRequests == CodecTests.refused.count)
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await self.withNode { port, group, _ in
            let connection = try await RawConnection(port: port)
            var text = ""
            for number in 0..<200 {
                if number % 3 == 0 { group[Key("k\(number)")] = ByteView("cached k\(number)") }
                text += "GET /v1/groups/scores/keys/k\(number) HTTP/1.1\r\nHost: x\r\n\r\n"
            }
            try await connection.send(text)
            for number in 0..<200 {
                let (_, body) = try await connection.response()
                #expect(String(decoding: body, as: UTF8.self) == (number % 3 == 0 ? "cached" : "loaded") + " k\(number)")
            }
            await connection.close()
        }
    }

    @Test func aRequestMayComeByteByByte() async throws {
        try await self.withNode { port, _, _ in
            let connection = try await RawConnection(port: port)
            for byte in self.get.utf8 { try await connection.send([byte]) }
            try await #expect(connection.response().body == Array("630".utf8))
            await connection.close()
        }
    }

    @Test func aLargeValueGoesInAndOut() async throws {
        try await self.withNode { port, group, _ in
            let connection = try await RawConnection(port: port)
            let value = [UInt8]((0..<8 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            try await connection.send(
                "PUT /v1/groups/scores/keys/big HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: \(value.count)\r\n\r\n"
            )
            try await #expect(connection.response().head.hasPrefix("HTTP/1.1 100 "))
            try await connection.send(value)
            try await #expect(connection.response().head.hasPrefix("HTTP/1.1 204 "))
            #expect(group["big"] == ByteView(value))
            await connection.close()
            let reader = try await RawConnection(port: port)
            try await reader.send("GET /v1/groups/scores/keys/big HTTP/1.0\r\n\r\n")
            try await reader.wait { received, isClosed in isClosed }
            let tooLarge = try await RawConnection(port: port)
            try await tooLarge.send("PUT /v1/groups/scores/keys/big HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
            try await #expect(tooLarge.untilClosed().hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test func aChunkedBodyIsRead() async throws {
        try await self.withNode { port, group, _ in
            let connection = try await RawConnection(port: port)
            try await connection.send("PUT /v1/groups/scores/keys/c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            try await connection.send("2;x\r\nde\r\n0\r\n\r\n" + self.get)
            try await #expect(connection.response().head.hasPrefix("HTTP/1.1 204 "))
            try await #expect(connection.response().body == Array("630".utf8))
            #expect(group["c"] == "abcde")
            await connection.close()
        }
    }

    @Test(
        "a body that nobody wants is read when it is small, so that the connection can go on, and refused at once when it is large",
        arguments: [
            ("GET", "/v1/groups/scores/keys/Tom", 200), ("DELETE", "/v1/groups/scores/keys/Tom", 204), ("POST", "/nowhere", 404),
            ("PUT", "/livez", 405), ("DELETE", "/_groupcache/scores/Tom", 200),
        ]
    )
    func unwantedBodies(method: String, path: String, status: Int) async throws {
        try await self.withNode { port, _, pool in
            let small = try await RawConnection(port: port)
            try await small.send("\(method) \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab" + self.get)
            try await #expect(small.response().head.hasPrefix("HTTP/1.1 \(status) "))
            try await #expect(small.response().head.hasPrefix("HTTP/1.1 200 "))
            await small.close()
            let large = try await RawConnection(port: port)
            try await large.send("\(method) \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n")
            try await #expect(large.untilClosed().hasPrefix("HTTP/1.1 413 "))
            #expect(pool.statistics.refusedRequests == 1)
        }
    }

    @Test func slowClientsAreCut() async throws {
        try await self.withNode { configuration in
            configuration.server.headTimeout = .milliseconds(100)
            configuration.server.bodyTimeout = .milliseconds(100)
            configuration.server.minimumRate = 1 << 20
        } _: { port, _, pool in
            let silent = try await RawConnection(port: port)
            let head = try await RawConnection(port: port)
            // A busy machine may cut them before they have said anything, which is as good.
            try? await head.send("GET / HTTP/1.1\r\nHost: x\r\nX-a: b\r\n")
            let second = try await RawConnection(port: port)
            try? await second.send(self.get + "GET / HT")
            let body = try await RawConnection(port: port)
            try? await body.send("PUT /v1/groups/scores/keys/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
            for connection in [silent, head, second, body] { _ = try await connection.untilClosed() }
            #expect(pool.statistics.timeouts == 4)
        }
    }

    @Test func aClientThatDoesNotReadIsCut() async throws {
        try await self.withNode { configuration in
            configuration.server.writeTimeout = .milliseconds(100)
            configuration.server.minimumRate = 1 << 30
        } _: { port, group, pool in
            group["big"] = ByteView([UInt8](repeating: 1, count: 8 << 20))
            let connection = try await RawConnection(port: port, autoRead: false)
            try await connection.send(String(repeating: "GET /v1/groups/scores/keys/big HTTP/1.1\r\nHost: x\r\n\r\n", count: 8))
            try await eventually { pool.statistics.timeouts > 0 && pool.statistics.connections == 0 }
            #expect(pool.statistics.timeouts == 1)
            await connection.close()
        }
    }

    @Test func idleConnectionsAreClosed() async throws {
        try await self.withNode {
            $0.server.idleTimeout = .milliseconds(100)
        } _: { port, _, pool in
            let connection = try await RawConnection(port: port)
            try await connection.send(self.get)
            _ = try await connection.untilClosed()
            #expect(pool.statistics.timeouts == 0)
        }
    }

    @Test func tooManyConnectionsAreClosedAtOnce() async throws {
        try await self.withNode {
            $0.limits.connections = 2
        } _: { port, _, pool in
            let first = try await RawConnection(port: port)
            let second = try await RawConnection(port: port)
            for connection in [first, second] {
                // With the beginning of one more request: one that is idle for a while would make room.
                try await connection.send(self.get + "GET ")
                _ = try await connection.response()
            }
            let third = try await RawConnection(port: port)
            _ = try await third.untilClosed()
            #expect(pool.statistics.refusedConnections == 1)
            await first.close()
            try await eventually { pool.statistics.connections <= 1 }
            let fourth = try await RawConnection(port: port)
            try await fourth.send(self.get)
            try await #expect(fourth.response().body == Array("630".utf8))
            await second.close()
            await fourth.close()
        }
    }

    @Test func oldClientsGetTheirAnswer() async throws {
        try await self.withNode { port, _, _ in
            let old = try await RawConnection(port: port)
            try await old.send("GET /v1/groups/scores/keys/new HTTP/1.0\r\n\r\n")
            try await #expect(old.untilClosed().hasSuffix("loaded new"))
        }
    }

    @Test func drainingFinishesWhatRuns() async throws {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: 0)
        configuration.publicRoutes = true
        configuration.server.drainDelay = .milliseconds(1)
        let pool = try HTTPPool(configuration: configuration)
        let gate = AsyncStream<Void>.makeStream()
        let entered = AsyncStream<Void>.makeStream()
        let group = FakeGroup { _ throws(GroupCacheError) in
            entered.continuation.finish()
            for await _ in gate.stream {}
            return "late"
        }
        try pool.register(group)
        let services = ServiceGroup(services: [pool], logger: .init(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await services.run() }
            let port = try await pool.boundAddress.port ?? 0
            let idle = try await RawConnection(port: port)
            try await idle.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try await idle.response()
            let busy = try await RawConnection(port: port)
            try await busy.send("GET /v1/groups/scores/keys/a HTTP/1.1\r\nHost: x\r\n\r\n")
            for await _ in entered.stream {}
            await services.triggerGracefulShutdown()
            _ = try await idle.untilClosed()
            #expect(pool.isDraining)
            gate.continuation.finish()
            let answer = try await busy.untilClosed()
            #expect(answer.hasSuffix("late"))
            #expect(answer.contains("Connection: close"))
            try await tasks.waitForAll()
            await #expect(throws: (any Error).self) { try await RawConnection(port: port) }
            await #expect(throws: GroupCacheError.self) { try await pool.run() }
        }
    }
}

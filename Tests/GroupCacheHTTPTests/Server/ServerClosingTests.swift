// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import NIOCore
import Testing

/// How connections end: each side may say that it will send no more, and neither may lose what the other still sends.
@Suite(.timeLimit(.minutes(5))) struct ServerClosingTests {
    private func withNode(
        lingering: Duration = .seconds(2),
        _ loader: @escaping FakeGroup.Loader = { key throws(GroupCacheError) in ByteView("loaded \(key.string)") },
        _ body: @Sendable (Int, FakeGroup, HTTPPool) async throws -> Void
    ) async throws {
        try await withPools(1) {
            $0.server.lingerTimeout = lingering
        } _: { nodes in
            let group = FakeGroup(loader: loader)
            try nodes[0].pool.register(group)
            try await body(nodes[0].port, group, nodes[0].pool)
        }
    }

    @Test("a client that has sent everything gets its answers, also those that take time")
    func halfClosed() async throws {
        let (gate, entered) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        try await self.withNode({ key throws(GroupCacheError) in
            if key == "slow" {
                entered.continuation.finish()
                for await _ in gate.stream {}
            }
            return ByteView("loaded \(key.string)")
        }) { port, _, pool in
            let connection = try await RawConnection(port: port)
            try await connection.send(
                "GET /v1/groups/scores/keys/slow HTTP/1.1\r\nHost: x\r\n\r\nGET /api?key=next HTTP/1.1\r\nHost: x\r\n\r\n"
            )
            try await connection.closeOutput()
            for await _ in entered.stream {}
            gate.continuation.finish()
            let answer = try await connection.untilClosed()
            #expect(answer.contains("loaded slow") && answer.hasSuffix("loaded next"))
            try await eventually { pool.statistics.connections == 0 }
        }
    }

    @Test("many keys are streamed to a client that has sent everything")
    func halfClosedStream() async throws {
        try await self.withNode { port, _, _ in
            let connection = try await RawConnection(port: port)
            let body = #"{"keys":["a","b"]}"#
            try await connection.send(
                "POST /v1/groups/scores/keys:get HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            try await connection.closeOutput()
            let answer = try await connection.untilClosed()
            #expect(answer.contains("loaded a") && answer.contains("loaded b") && answer.hasSuffix("0\r\n\r\n"))
        }
    }

    @Test(
        "a request that will never be complete is not answered, and its connection not kept",
        arguments: [
            "", "GET /v1/groups/scores/keys/a HT", "PUT /v1/groups/scores/keys/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        ]
    )
    func incomplete(text: String) async throws {
        try await self.withNode { port, group, pool in
            let connection = try await RawConnection(port: port)
            if !text.isEmpty { try await connection.send(text) }
            try await connection.closeOutput()
            let answer = try await connection.untilClosed()
            #expect(answer.isEmpty && group["a"] == nil)
            try await eventually { pool.statistics.connections == 0 }
            #expect(pool.statistics.timeouts == 0)
        }
    }

    @Test("a refusal reaches a client that is still sending, and what it sends is taken until it is done")
    func lingering() async throws {
        try await self.withNode(lingering: .seconds(60)) { port, group, pool in
            let connection = try await RawConnection(port: port, halfClosure: true)
            let size = 9 << 20
            try await connection.send("PUT /v1/groups/scores/keys/a HTTP/1.1\r\nHost: x\r\nContent-Length: \(size)\r\n\r\n")
            let answer = try await connection.untilClosed()
            #expect(answer.hasPrefix("HTTP/1.1 413 ") && answer.hasSuffix("}\n"))
            // A server that had closed instead would reset the connection at the first of these bytes.
            for _ in 0..<9 { try await connection.send([UInt8](repeating: 7, count: 1 << 20)) }
            #expect(connection.channel.isActive && group["a"] == nil)
            await connection.close()
            try await eventually { pool.statistics.connections == 0 }
            #expect(pool.statistics.refusedRequests == 1 && pool.statistics.timeouts == 0)
        }
    }

    @Test("a client that never says goodbye is not waited for")
    func lingeringEnds() async throws {
        try await self.withNode(lingering: .milliseconds(100)) { port, _, pool in
            let connection = try await RawConnection(port: port, halfClosure: true)
            try await connection.send("GET /api?key=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let answer = try await connection.untilClosed()
            #expect(answer.hasSuffix("loaded a") && connection.channel.isActive)
            try await eventually { pool.statistics.connections == 0 }
            // It was slow to leave, not slow to be served.
            #expect(pool.statistics.timeouts == 0)
            await connection.close()
        }
    }
}

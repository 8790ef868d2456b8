// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import GroupCacheTesting
import Logging
import NIOCore
import ServiceLifecycle
import Testing

/// What strangers send must not keep others from being served.
@Suite("Server: nobody starves", .timeLimit(.minutes(5))) struct ServerStarvationTests {
    private let get = "GET /v1/groups/g/keys/Tom HTTP/1.1\r\nHost: x\r\n\r\n"

    private func withNode(
        _ configure: @Sendable (inout HTTPPool.Configuration) -> Void = { _ in },
        _ body: @Sendable (Int, Group<String>, Gate, HTTPPool) async throws -> Void
    ) async throws {
        let gate = Gate()
        try await withPools(1, configure) { nodes in
            var configuration = GroupConfiguration()
            configuration.unwantedLoads = .cancel
            let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, peers: nodes[0].pool) { _, _ in
                try await gate.pass()
                return "late"
            }
            try await group.set("Tom", to: "630")
            try await body(nodes[0].port, group, gate, nodes[0].pool)
        }
    }

    @Test("a client that gives up waits no more, and the load that was for nobody else ends")
    func givingUp() async throws {
        try await self.withNode { port, group, _, pool in
            var connections: [RawConnection] = []
            for number in 0..<20 {
                let connection = try await RawConnection(port: port)
                let body = #"{"keys":["k\#(number)","l\#(number)"]}"#
                try await connection.send(
                    number % 2 == 0
                        ? "GET /v1/groups/g/keys/k\(number) HTTP/1.1\r\nHost: x\r\n\r\n"
                        : "POST /v1/groups/g/keys:get HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                connections.append(connection)
            }
            try await eventually { group.statistics.waiters == 20 && pool.statistics.working == 20 }
            for connection in connections { try await connection.closeOutput() }
            try await eventually { group.statistics.waiters == 0 && group.statistics.runningLoads == 0 }
            try await eventually { pool.statistics.connections == 0 && pool.statistics.working == 0 }
            // It was not slow.
            #expect(pool.statistics.timeouts == 0)
        }
    }

    @Test("a change is made also when its client has left")
    func changesGoOn() async throws {
        try await self.withNode { port, group, _, _ in
            let connection = try await RawConnection(port: port)
            try await connection.send("PUT /v1/groups/g/keys/new HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1")
            try await connection.closeOutput()
            try await #expect(connection.untilClosed().hasPrefix("HTTP/1.1 201 "))
            #expect(group.cached("new") == "1")
        }
    }

    @Test("loads take only so many connections: the rest answers hits, health, and 503 to further loads")
    func reserve() async throws {
        try await self.withNode {
            $0.limits.connections = 16
        } _: { port, group, gate, pool in
            var waiting: [RawConnection] = []
            for number in 0..<14 {
                let connection = try await RawConnection(port: port)
                try await connection.send("GET /v1/groups/g/keys/k\(number) HTTP/1.1\r\nHost: x\r\n\r\n")
                waiting.append(connection)
            }
            try await eventually { pool.statistics.working == 14 }
            let other = try await RawConnection(port: port)
            try await other.send("GET /v1/groups/g/keys/more HTTP/1.1\r\nHost: x\r\n\r\n")
            let refused = try await other.response().head
            #expect(
                refused.hasPrefix("HTTP/1.1 503 ") && refused.contains("\r\nRetry-After: 1\r\n") && !refused.contains("Connection: close")
            )
            for (path, body) in [("/livez", "ok\n"), ("/readyz", "ok\n"), ("/v1/groups/g/keys/Tom", "630")] {
                try await other.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
                try await #expect(other.response().body == Array(body.utf8))
            }
            // A body is work, too, as long as it comes.
            try await other.send("PUT /v1/groups/g/keys/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1")
            try await #expect(other.untilClosed().hasPrefix("HTTP/1.1 503 "))
            gate.open()
            for connection in waiting {
                try await #expect(connection.response().body == Array("late".utf8))
                await connection.close()
            }
            #expect(group.statistics.waiters == 0 && pool.statistics.working == 0)
        }
    }

    @Test("at the limit the connection that has been idle for longest makes room; where none has, newcomers are told 503")
    func newcomers() async throws {
        try await self.withNode {
            $0.limits.connections = 8
        } _: { port, _, _, pool in
            var idle: [RawConnection] = []
            for _ in 0..<8 {
                let connection = try await RawConnection(port: port)
                // With the beginning of one more request: of which something is asked makes no room, however long it takes to open all of them.
                try await connection.send(self.get + "GET ")
                _ = try await connection.response()
                idle.append(connection)
            }
            let refused = try await RawConnection(port: port)
            let answer = try await refused.untilClosed()
            #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("Connection: close") && answer.contains("\r\nRetry-After: 1\r\n"))
            #expect(pool.statistics.refusedConnections == 1)
            await refused.close()
            try await eventually { pool.statistics.connections <= 8 }
            for connection in idle {
                try await connection.send(String(self.get.dropFirst(4)))
                _ = try await connection.response()
            }
            // Nobody asks them anything any more: after a while the idle ones have to make room, on this loop or on another.
            var served = 0
            let end = ContinuousClock.now + .seconds(180)
            while served < 4, ContinuousClock.now < end {
                let newcomer = try await RawConnection(port: port)
                try? await newcomer.send(self.get)
                if let answer = try? await newcomer.response(), answer.head.hasPrefix("HTTP/1.1 200 ") { served += 1 }
                await newcomer.close()
            }
            #expect(served == 4 && pool.statistics.connections <= 8 + 64)
            for connection in idle { await connection.close() }
        }
    }

    @Test("from SIGTERM on each answer is the last of its connection, and no request on a kept one is lost")
    func stopping() async throws {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: 0)
        configuration.publicRoutes = true
        configuration.server.drainDelay = .milliseconds(600)
        // For as long as this machine may need; those that are asked close sooner.
        configuration.server.closingGrace = .seconds(30)
        configuration.server.drainTimeout = .seconds(30)
        let pool = try HTTPPool(configuration: configuration)
        let group = try Group<String>("g", capacity: .mebibytes(1), peers: pool) { _, _ in "v" }
        try await group.set("Tom", to: "630")
        let services = ServiceGroup(services: [pool], logger: .init(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await services.run() }
            let port = try await pool.boundAddress.port ?? 0
            var kept: [RawConnection] = []
            for _ in 0..<16 {
                let connection = try await RawConnection(port: port)
                try await connection.send(self.get)
                try await #expect(!connection.response().head.contains("Connection: close"))
                kept.append(connection)
            }
            await services.triggerGracefulShutdown()
            try await eventually { pool.isDraining }
            // During the delay, and after it, when the socket that listens has gone.
            for (index, connection) in kept.enumerated() {
                if index == 8 {
                    while let late = try? await RawConnection(port: port) { await late.close() }
                }
                try await connection.send(self.get)
                let answer = try await connection.untilClosed()
                #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.contains("\r\nConnection: close\r\n") && answer.hasSuffix("630"))
                await connection.close()
            }
            try await tasks.waitForAll()
        }
    }

    @Test("a list of two million keys is refused long before its end, and other bodies are held to what is expected")
    func largeLists() async throws {
        try await self.withNode { port, _, _, pool in
            let body = Array((#"{"keys":["# + String(repeating: "\"k\",", count: 2_000_000)).utf8)
            let connection = try await RawConnection(port: port, halfClosure: true)
            try await connection.send("POST /v1/groups/g/keys:get HTTP/1.1\r\nHost: x\r\nContent-Length: 8000011\r\n\r\n")
            try? await connection.send(Array(body.prefix(200_000)))
            try await #expect(connection.untilClosed().hasPrefix("HTTP/1.1 413 "))
            await connection.close()
            let other = try await RawConnection(port: port)
            try await other.send("GET /v1/groups/g/keys/Tom HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n")
            try await #expect(other.untilClosed().hasPrefix("HTTP/1.1 413 "))
            #expect(pool.statistics.working == 0)
        }
    }

    @Test("HTTP/1.0 with keep-alive")
    func keepAlive() async throws {
        try await self.withNode { port, _, _, _ in
            let connection = try await RawConnection(port: port)
            for _ in 0..<3 {
                try await connection.send("GET /v1/groups/g/keys/Tom HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                let (head, body) = try await connection.response()
                #expect(head.contains("\r\nConnection: keep-alive\r\n") && body == Array("630".utf8))
            }
            try await connection.send("GET /v1/groups/g/keys/Tom HTTP/1.0\r\n\r\n")
            try await #expect(connection.untilClosed().contains("\r\nConnection: close\r\n"))
        }
    }
}

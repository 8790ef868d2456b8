// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHTTP
import NIOCore
import NIOPosix
import Testing

/// What many or slow clients may make a node hold.
@Suite(.timeLimit(.minutes(5))) struct ServerPressureTests {
    @Test("bodies under way have a limit together; beyond it a client is told to come back, and its share is free again")
    func bodies() async throws {
        try await withPools {
            $0.limits.valueSize = 65_536
            $0.limits.bodies = 131_072
        } _: { nodes in
            let group = FakeGroup()
            try nodes[0].pool.register(group)
            let port = nodes[0].port
            let head = "PUT /v1/groups/scores/keys/a HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
            // Each alone is within the limit on values, and any two are within the limit on bodies.
            var connections: [RawConnection] = []
            for _ in 0..<3 {
                let connection = try await RawConnection(port: port)
                try await connection.send(Array(head.utf8) + [UInt8](repeating: 1, count: 50_000))
                connections.append(connection)
            }
            let refused = try await withThrowingTaskGroup(of: Int?.self) { tasks in
                for (index, connection) in connections.enumerated() {
                    tasks.addTask {
                        guard let answer = try? await connection.response() else { return nil }
                        #expect(answer.head.hasPrefix("HTTP/1.1 503 ") && answer.head.contains("\r\nRetry-After: 1\r\n"))
                        return index
                    }
                }
                let first = try await tasks.next() ?? nil
                // The others wait for the rest of their bodies; closing them ends that.
                for (index, connection) in connections.enumerated() where index != first { await connection.close() }
                return first
            }
            #expect(refused != nil && nodes[0].pool.statistics.refusedRequests == 1)
            for connection in connections { await connection.close() }
            try await eventually { nodes[0].pool.statistics.connections == 0 }
            // All of it is free: two bodies at once fit again.
            let (one, two) = (try await RawConnection(port: port), try await RawConnection(port: port))
            for connection in [one, two] { try await connection.send(Array(head.utf8) + [UInt8](repeating: 1, count: 59_999)) }
            for connection in [one, two] {
                try await connection.send([1])
                try await #expect(connection.response().head.hasPrefix("HTTP/1.1 204 "))
                await connection.close()
            }
            #expect(nodes[0].pool.statistics.refusedRequests == 1)
        }
    }

    @Test(
        "a client that reads many keys byte by byte is cut, and no more is loaded than the network takes and a bounded number",
        arguments: [false, true]
    )
    func slowReader(isCached: Bool) async throws {
        let value = ByteView([UInt8](repeating: UInt8(ascii: "v"), count: 65_536))
        try await withPools {
            $0.server.writeTimeout = .milliseconds(500)
            $0.server.minimumRate = 1 << 20
        } _: { nodes in
            let pool = nodes[0].pool
            let keys = (0..<1_000).map { "k\($0)" }
            let group = try Group<ByteView>("scores", capacity: .mebibytes(256), peers: pool, codec: .raw) { _, _ in value }
            if isCached { for key in keys { try await group.set(key, to: value) } }
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOption(.autoRead, value: false)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 1))
                .channelOption(.maxMessagesPerRead, value: 1)
                // Little room in the kernel, so that what the client does not take is soon felt.
                .channelOption(.socketOption(.so_rcvbuf), value: 4_096)
                .connect(host: "127.0.0.1", port: nodes[0].port).get()
            let reads = channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(20)) { _ in channel.read() }
            let body = "{\"keys\":[\(keys.map { "\"\($0)\"" }.joined(separator: ","))]}"
            let head = "POST /v1/groups/scores/keys:get HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
            try await channel.writeAndFlush(ByteBuffer(string: head + body))
            try await eventually { pool.statistics.timeouts == 1 && pool.statistics.connections == 0 }
            reads.cancel()
            // 64 keys are asked for at once, the kernel holds a few megabytes; 1,000 values would be 64 MiB.
            let loads = group.statistics.localLoads
            #expect(isCached ? loads == 0 : loads >= 1 && loads < 250, "\(loads)")
            try? await channel.close()
        }
    }

    @Test("a client that reads slowly, but not too slowly, gets everything")
    func patientReader() async throws {
        try await withPools {
            $0.server.writeTimeout = .seconds(20)
        } _: { nodes in
            let value = ByteView([UInt8](repeating: UInt8(ascii: "v"), count: 65_536))
            let group = FakeGroup { _ throws(GroupCacheError) in value }
            try nodes[0].pool.register(group)
            let connection = try await RawConnection(port: nodes[0].port, autoRead: false)
            let keys = (0..<200).map { "\"k\($0)\"" }.joined(separator: ",")
            let body = "{\"keys\":[\(keys)]}"
            try await connection.send(
                "POST /v1/groups/scores/keys:get HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            // The node stops loading while nobody reads, and goes on when somebody does.
            try await connection.channel.setOption(.autoRead, value: true).get()
            let answer = try await connection.untilClosed()
            #expect(answer.utf8.count > 200 * 65_536 && answer.hasSuffix("0\r\n\r\n"))
            #expect(group.loads.count == 200 && nodes[0].pool.statistics.timeouts == 0)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// A peer that asks over a link and hardly reads.
@Suite("Peers that do not read", .timeLimit(.minutes(5)))
struct DeafLinkTests {
    @Test("a peer that asks for much and reads a byte now and then is cut, and makes the server hold a bounded number of bytes")
    func oneByteAtATime() async throws {
        try await withPools(1) {
            $0.server.writeTimeout = .milliseconds(300)
        } _: { nodes in
            let group = FakeGroup()
            group["big"] = ByteView([UInt8](repeating: 7, count: 200_000))
            try nodes[0].pool.register(group)
            let connection = try await RawConnection(port: nodes[0].port, autoRead: false)
            // A read is a few bytes: what this side holds is not what is measured.
            try await connection.channel.setOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 1)).get()
            let key = WebSocketKey.make()
            try await connection.channel.writeAndFlush(
                LinkHandshake.request(path: "/_groupcache/", host: "x", key: key, ring: nil, authorization: nil)
            )
            // 10,000 answers of 200 kB: what the server does not refuse to make, it would have to hold.
            var writer = WebSocketWriter()
            for id in 1...10_000 as ClosedRange<UInt32> {
                if (id - 1) % 1_000 == 0 { writer.payload.writeLinkGroup("scores") }
                let name: Key = "big"
                writer.payload.writeLinkRequest(
                    id: id,
                    group: 0,
                    key: name.bytes.span,
                    timeout: 10_000,
                    verb: .get,
                    value: nil,
                    ttl: 0,
                    traceparent: "",
                    tracestate: ""
                )
                if id % 1_000 == 0 { try? await connection.channel.writeAndFlush(writer.frame(mask: 1)) }
            }
            let pool = nodes[0].pool
            let before = try Self.residentBytes()
            try await eventually {
                // One read now and then is not reading.
                connection.channel.read()
                return pool.statistics.timeouts == 1 && pool.statistics.connections == 0
            }
            let grown = try Self.residentBytes() - before
            #expect(grown < 200 << 20)
            await connection.close()
        }
    }

    /// Of this process; other tests run in it at the same time.
    private static func residentBytes() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return try #require(fields.dropFirst().first.flatMap { Int($0) }) * 4_096
    }
}

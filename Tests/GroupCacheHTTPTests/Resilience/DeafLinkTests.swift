import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// A peer that asks over a link and hardly reads.
@Suite("Peers that do not read", .timeLimit(.minutes(1)))
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
            let key = LinkHandshake.makeKey()
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
            let before = try #require(Self.residentBytes())
            try await eventually {
                // A byte or so now and then does not count as reading.
                connection.channel.read()
                return pool.statistics.timeouts == 1 && pool.statistics.connections == 0
            }
            #expect(try #require(Self.residentBytes()) - before < 100 << 20)
            await connection.close()
        }
    }

    private static func residentBytes() -> Int? {
        guard let file = fopen("/proc/self/statm", "r") else { return nil }
        defer { fclose(file) }
        var pages = 0
        var resident = 0
        guard
            withUnsafeMutablePointer(
                to: &pages,
                { first in
                    withUnsafeMutablePointer(to: &resident) { second in withVaList([first, second]) { vfscanf(file, "%ld %ld", $0) } }
                }
            ) == 2
        else { return nil }
        return resident * 4_096
    }
}

// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Strangers who announce much, send nearly all of it, and stop.
@Suite("Link: messages that do not end", .timeLimit(.minutes(5)), .serialized) struct UnfinishedMessagesTests {
    @Test("what all links hold of them together is bounded, an honest link is answered meanwhile, and they are cut")
    func bounded() async throws {
        try await withPools(1) {
            ($0.limits.valueSize, $0.limits.bodies) = (1 << 20, 4 << 20)
            $0.server.bodyTimeout = .seconds(3)
        } _: { pools in
            let pool = pools[0].pool
            let group = FakeGroup()
            group["Tom"] = "630"
            try pool.register(group)
            let honest = try await RawLink(port: pools[0].port)
            var links: [RawLink] = []
            for _ in 0..<16 { links.append(try await RawLink(port: pools[0].port)) }
            // 16 MiB are announced, and a million bytes of them come.
            let part: [UInt8] = [0x82, 0xFF, 0, 0, 0, 0, 0x00, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 1_000_000)
            for link in links { try? await link.send(part) }
            try await eventually { pool.statistics.refusedRequests >= 12 }
            #expect(pool.core.bodies.count <= 4 << 20)
            // A small message comes through though nothing is left for large ones, also in two pieces.
            let question = RawLink.gets(["Tom"])
            try await honest.send(Array(question.prefix(20)))
            try await honest.send(Array(question.dropFirst(20)))
            #expect(try await honest.received { !$0.replies.isEmpty }.values(1) == ["630"])
            // Those who were let in lose their places when nothing more comes.
            try await eventually { pool.statistics.connections == 1 && pool.core.bodies.count == 0 }
            #expect(pool.statistics.timeouts == links.count - pool.statistics.refusedRequests)
            var refused = 0
            for link in links {
                let codes = try await link.received { $0.isClosed }.closeCodes
                #expect(codes == [] || codes == [1013])
                refused += codes.count
            }
            #expect(refused == pool.statistics.refusedRequests)
            await honest.close()
            try await eventually { pool.statistics.connections == 0 }
        }
    }
}

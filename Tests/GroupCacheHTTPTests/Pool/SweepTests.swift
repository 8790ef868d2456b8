// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

@testable import GroupCacheHTTP

@Suite("A pool lets go what is over", .timeLimit(.minutes(5)))
struct SweepTests {
    @Test("an entry leaves after its time though nobody asks for anything")
    func sweeps() async throws {
        try await withPools { pools in
            let configuration = GroupConfiguration(freshness: Freshness(ttl: .milliseconds(20), jitter: 0))
            let group = try Group<String>("g", capacity: .mebibytes(1), configuration: configuration, peers: pools[0].pool) { _, _ in "v" }
            for number in 0..<100 { _ = try await group.get("key-\(number)") }
            // To look at one entry lets nothing go.
            try await eventually { (0..<100).allSatisfy { group.entry("key-\($0)") == nil } }
        }
    }
}

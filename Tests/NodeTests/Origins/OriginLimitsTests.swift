// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import Testing

@testable import GroupCacheNode

@Suite(.timeLimit(.minutes(5))) struct OriginLimitsTests {
    private func limit(_ limits: inout OriginLimits, _ origin: String) throws -> LoadLimit? {
        limits.limit(of: try OriginLocation(origin))
    }

    @Test func groupsOfOneHostShareItsLimit() throws {
        var limits = OriginLimits()
        let first = try #require(try self.limit(&limits, "http://a.example/x/{key}"))
        for same in ["http://a.example/y?q={key}", "http://A.example:80/{key}"] {
            #expect(try self.limit(&limits, same) === first, "\(same)")
        }
        for other in ["https://a.example/{key}", "http://a.example:8080/{key}", "http://b.example/{key}"] {
            #expect(try self.limit(&limits, other) !== first, "\(other)")
        }
        #expect(try self.limit(&limits, "demo:") == nil)
        #expect(first.running == OriginLimits.running)
    }
}

// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

@testable import GroupCacheHTTP

/// Some responses may be kept only by a cache that knows what their status asks of it (RFC 9111 §3, §5.2.2.3).
@Suite("What may be kept of a status")
struct UnderstandingTests {
    /// 599 is of no RFC, and 206 and 304 are no whole responses: nobody here has asked for a part.
    @Test(
        arguments: [
            (200, "max-age=9, must-understand", true), (200, "max-age=9, no-store, must-understand", true),
            (200, "max-age=9, no-store", false), (200, "max-age=9, private, must-understand", false),
            (404, "max-age=9, no-store, must-understand", true), (503, "max-age=9, no-store, must-understand", true),
            (599, "max-age=9", true), (599, "max-age=9, must-understand", false), (599, "max-age=9, no-store, must-understand", false),
            (299, "max-age=9, must-understand", false), (206, "max-age=9", false), (206, "max-age=9, must-understand", false),
            (304, "max-age=9", false),
        ]
    )
    func mayBeKept(_ status: Int, _ control: String, _ isStorable: Bool) {
        #expect(CachePolicyTests.policy([("Cache-Control", control)], status: status).isStorable == isStorable)
        // A field that is aimed at caches like this one says it as well.
        let aimed = [("CDN-Cache-Control", control), ("Cache-Control", "no-store")]
        #expect(CachePolicyTests.policy(aimed, status: status).isStorable == isStorable)
    }

    @Test("whoever is behind us is told all of it: they may understand less")
    func whatIsSaidOn() {
        let policy = CachePolicyTests.policy([("Cache-Control", "max-age=9, no-store, must-understand")])
        #expect(policy.attributes.directives == "no-store, must-understand")
        let long = String(repeating: "x", count: 600)
        let short = CachePolicyTests.policy([("Cache-Control", "max-age=9, no-store, \(long), must-understand")])
        #expect(short.attributes.directives == "must-understand, no-store")
    }
}

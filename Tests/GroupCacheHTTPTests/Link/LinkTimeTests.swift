// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

@testable import GroupCacheHTTP

/// Durations as the link's numbers.
@Suite struct LinkTimeTests {
    static let edges: [Duration] = [
        .zero, .nanoseconds(1), .milliseconds(1), .microseconds(1_500), .seconds(60), .seconds(4_294_966), .seconds(4_294_967),
        .seconds(4_294_968), .seconds(1 << 40), .seconds(Int64.max), .nanoseconds(-1), .seconds(-5), .seconds(Int64.min),
    ]

    @Test("A timeout is rounded up, and is 0 only when there is none")
    func timeouts() {
        #expect(LinkTime.timeout(nil as Duration?) == 0)
        #expect(LinkTime.timeout(0) == nil)
        #expect(
            Self.edges.map { LinkTime.timeout($0) } == [
                1, 1, 1, 2, 60_000, 4_294_966_000, .max, .max, .max, .max, 1, 1, 1,
            ]
        )
        #expect(LinkTime.timeout(.seconds(4_294_966) + .milliseconds(999)) == 4_294_966_999)
        #expect(LinkTime.timeout(250) == .milliseconds(250))
        #expect(LinkTime.timeout(.max) == .milliseconds(4_294_967_295))
    }

    @Test("A time to live is 0 only when there is no end, and never so long that a clock could overflow")
    func timesToLive() {
        let longest = LinkTime.longest
        #expect(LinkTime.requestTTL(nil as Duration?) == 0)
        #expect(LinkTime.replyTTL(nil as Duration?) == 0)
        #expect(LinkTime.requestTTL(0) == nil)
        #expect(LinkTime.replyTTL(0) == nil)
        #expect(
            Self.edges.map { LinkTime.requestTTL($0) } == [
                1, 1, 1, 1, 60_000, 4_294_966_000, 4_294_967_000, 4_294_968_000, longest, longest, 1, 1, 1,
            ]
        )
        #expect(
            Self.edges.map { LinkTime.replyTTL($0) } == [
                1, 1, 2, 2, 60_001, 4_294_966_001, 4_294_967_001, 4_294_968_001, longest + 1, longest + 1, 1, 1, 1,
            ]
        )
        #expect(LinkTime.requestTTL(1) == .milliseconds(1))
        #expect(LinkTime.replyTTL(1) == .zero)
        #expect(LinkTime.replyTTL(60_001) == .seconds(60))
        #expect(LinkTime.requestTTL(.max) == .milliseconds(Int64(longest)))
        #expect(LinkTime.replyTTL(.max) == .milliseconds(Int64(longest)))
        // A clock's nanoseconds are 64 bits.
        #expect(longest.multipliedReportingOverflow(by: 1_000_000).partialValue < UInt64(Int64.max))
    }

    @Test("An age is bounded, whatever a peer says")
    func ages() {
        let oldest: Int64 = 1 << 40
        #expect([0, 1, 60_000, 1 << 40, 1 << 40 + 1, .max].map { LinkTime.age($0) } == [0, 1, 60_000, oldest, oldest, oldest])
    }

    @Test("What a peer says of dates counts where it can be true")
    func dates() {
        for (date, wanted) in [(0, nil), (1, 1), (253_402_300_799, 253_402_300_799), (253_402_300_800, nil), (1 << 63, nil), (.max, nil)]
            as [(UInt64, Int64?)]
        {
            let attributes = LinkAttributes(contentType: "a/b", date: date).ofEntry
            #expect(attributes.contentType == "a/b" && attributes.date == wanted)
        }
        #expect(LinkAttributes(contentType: "a/b", lastModified: "a\r\nX: y", date: 5).ofEntry.isNone)
    }

    @Test("Sizes are those of what is written, at every length of a number")
    func sizes() {
        for bits in 0...64 {
            let number: UInt64 = bits == 64 ? .max : (1 << UInt64(bits)) - 1
            #expect(LinkSize.varint(number) == max(1, (bits + 6) / 7), "\(bits) bits")
            if bits < 64 { #expect(LinkSize.varint(number + 1) == bits / 7 + 1, "2^\(bits)") }
        }
        #expect(LinkSize.field(0 as UInt64) == 0)
        #expect(LinkSize.field(count: 0) == 0)
        #expect(LinkSize.element(count: 0) == 2)
        #expect(LinkSize.field(count: 128) == 131)
    }
}

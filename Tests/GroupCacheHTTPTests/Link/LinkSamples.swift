// SPDX-License-Identifier: Apache-2.0

@testable import GroupCacheHTTP

/// Messages that the tests of the link's codec share.
enum LinkSamples {
    /// Every field of every kind, small and large.
    static let everything: [LinkContent] = kinds + numbers + statuses

    private static let kinds: [LinkContent] = [
        .ring(0x0123_4567_89AB_CDEF), .ring(0), .ring(.max), .group("scores"), .group(""), .group("größe"),
        .request(.init(id: 1, key: Array("Tom".utf8), timeout: 250)),
        .request(.init()),
        .request(.init(id: .max, group: 2, key: [0, 255, 128], timeout: .max, verb: .reload)),
        .request(.init(id: 2, group: 1, key: bytes(4_096), verb: .set, value: bytes(70_000), ttl: .max)),
        .request(.init(id: 3, key: bytes(127), verb: .set, value: [])),
        .request(
            .init(
                id: 4,
                key: bytes(128),
                verb: .remove,
                traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                tracestate: "a=b,c=d"
            )
        ),
        .request(.init(id: 5, verb: .unknown)),
        .request(
            .init(
                id: 9,
                key: [1],
                verb: .set,
                schema: String(repeating: "s", count: 128),
                trail: (1...16).map { $0 << 56 | 0x0102_0304_0506_0708 },
                attributes: .init(contentType: "text/plain", directives: "public, max-age=5", tags: ["", "größe", "b,c"])
            )
        ),
        .request(.init(id: 10, keys: [[1], [2]], schema: "v2", trail: [0, .max])),
        .reply(
            .init(
                id: 10,
                value: [6],
                schema: "größe",
                attributes: .init(directives: String(repeating: "d", count: 2_000), tags: (0..<300).map { "\($0)" })
            )
        ),
        .reply(.init(id: 11, attributes: .init(tags: [""]))),
        .reply(.init(id: 12, age: 1, attributes: .init(lastModified: "Sun, 06 Nov 1994 08:49:37 GMT", date: 784_111_777))),
        .reply(.init(id: 14, status: .tooLarge, handover: .max)), .reply(.init(id: 15, status: .tooLarge, index: 3, handover: 1)),
        .reply(.init(id: 13, age: .max, attributes: .init(lastModified: "größe", date: .max))),
        .request(.init(id: 6, timeout: 9, verb: .reload, traceparent: "t", tracestate: "s", keys: [[], [1], bytes(4_096), [1], []])),
        .request(.init(id: 7, keys: [[]])),
        .request(.init(id: 8, group: 1, keys: (0..<1_000).map { [UInt8(truncatingIfNeeded: $0), UInt8($0 / 256)] })),
        .reply(.init()),
        .reply(
            .init(
                id: .max,
                status: .unknown,
                value: bytes(262_144),
                ttl: .max,
                version: .max,
                retryAfter: .max,
                index: .max,
                message: "no, not now"
            )
        ),
        .cancel(0), .cancel(.max), .draining,
    ]

    /// The numbers at which varints become longer.
    private static let numbers: [LinkContent] = {
        let edges: [UInt32] = [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455, 268_435_456]
        var contents: [LinkContent] = []
        for edge in edges {
            let wide = UInt64(edge) << 32
            contents.append(.request(.init(id: edge, key: [7], timeout: edge, verb: .set, ttl: wide)))
            contents.append(.reply(.init(id: edge, ttl: UInt64(edge) << 30, version: wide, retryAfter: edge, index: edge, age: wide)))
            contents.append(.reply(.init(attributes: .init(date: wide))))
            contents.append(.cancel(edge))
        }
        return contents
    }()

    private static let statuses: [LinkContent] = (0...13).map { number in
        .reply(.init(id: 77, status: LinkStatus(wire: number), value: [1]))
    }

    /// A short message with each kind of item and most fields.
    static let short: [LinkContent] = [
        .ring(7), .group("scores"), .group("texts"),
        .request(.init(id: 300, key: Array("Tom".utf8), timeout: 250)),
        .request(
            .init(
                id: 301,
                group: 1,
                key: [1],
                timeout: 70_000,
                verb: .set,
                value: [5, 6, 7],
                ttl: 1 << 40,
                traceparent: "00-1",
                tracestate: "a=b",
                schema: "v2",
                trail: [1, 1 << 60],
                attributes: .init(contentType: "a/b", directives: "c", tags: ["d", "e"])
            )
        ),
        .request(.init(id: 302, group: 1, keys: [[1, 2], [], [3]])),
        .reply(.init(id: 9, value: [1, 2, 3], ttl: 60_001, version: 1 << 60)),
        .reply(.init(id: 11, value: [4], schema: "v1", age: 7_000, attributes: .init(contentType: "a/b", tags: ["f"]))),
        .reply(.init(id: 13, status: .tooLarge, handover: 300)),
        .reply(.init(id: 12, value: [5], attributes: .init(lastModified: "g", date: 9))),
        .reply(.init(id: 10, status: .overloaded, retryAfter: 1_500, index: 3, message: "busy")),
        .cancel(298), .draining,
    ]

    /// The request and the reply that the protocol's page explains.
    static let explained: (asked: [LinkContent], answered: [LinkContent]) = (
        [.group("scores"), .request(.init(id: 1, key: Array("Tom".utf8), timeout: 250)), .cancel(5), .ring(0x0123_4567_89AB_CDEF)],
        [.reply(.init(id: 1, value: Array("630".utf8), ttl: 60_001, version: 300)), .draining]
    )

    static let explainedNested: (asked: [LinkContent], answered: [LinkContent]) = (
        [.group("scores"), .request(.init(id: 2, key: Array("Tom".utf8), schema: "v2", trail: [0x1122_3344_5566_7788]))],
        [
            .reply(
                .init(
                    id: 2,
                    value: Array("630".utf8),
                    schema: "v2",
                    attributes: .init(contentType: "text/plain", directives: "public", tags: ["top"])
                )
            )
        ]
    )

    static let explainedBytes: (asked: [UInt8], answered: [UInt8]) = (
        [
            0x0A, 0x06, 0x73, 0x63, 0x6F, 0x72, 0x65, 0x73,
            0x12, 0x0A, 0x08, 0x01, 0x20, 0xFA, 0x01, 0x1A, 0x03, 0x54, 0x6F, 0x6D,
            0x20, 0x05,
            0x29, 0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01,
        ],
        [
            0x1A, 0x0E, 0x08, 0x01, 0x20, 0xE1, 0xD4, 0x03, 0x28, 0xAC, 0x02, 0x1A, 0x03, 0x36, 0x33, 0x30,
            0x30, 0x01,
        ]
    )

    static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) } }
}

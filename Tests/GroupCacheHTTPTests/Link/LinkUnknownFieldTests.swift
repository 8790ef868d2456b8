// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Fields of later versions: a reader of this one steps over them, wherever they stand.
@Suite struct LinkUnknownFieldTests {
    /// Of each type that is skipped: the lowest unknown number of all three kinds of message, and the highest there is.
    static let fields: [[UInt8]] = [
        [0x80, 0x01, 0x01], [0x80, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        [0x81, 0x01, 1, 2, 3, 4, 5, 6, 7, 8], [0x82, 0x01, 0], [0x82, 0x01, 3, 0x12, 0x52, 0x80], [0x85, 0x01, 1, 2, 3, 4],
        [0xF8, 0xFF, 0xFF, 0xFF, 0x0F, 0], [0xFA, 0xFF, 0xFF, 0xFF, 0x0F, 1, 7], [0x80, 0x81, 0x00, 0],
    ]

    @Test("Unknown fields are stepped over between those of a message", arguments: fields)
    func inMessage(field: [UInt8]) throws {
        let contents = LinkSamples.short
        let message = contents.reduce(into: field) { $0 += LinkContent.write([$1]) + field }
        #expect(try LinkContent.result(message).get() == contents)
    }

    @Test("Unknown fields are stepped over between those of a request", arguments: fields)
    func inRequest(field: [UInt8]) throws {
        let known: [[UInt8]] = [
            [0x08, 9], [0x10, 1], [0x1A, 1, 65], [0x20, 5], [0x28, 2], [0x32, 1, 66], [0x38, 7], [0x42, 1, 67], [0x4A, 1, 68],
            [0x5A, 1, 69], [0x62, 8, 1, 2, 0, 0, 0, 0, 0, 0], [0x6A, 3, 0x0A, 1, 70], [0x70, 1], [0x78, 2],
        ]
        let body = known.reduce(into: field) { $0 += $1 + field }
        let message = [0x0A, 0, 0x0A, 0, 0x12] + Self.length(body) + body
        var request = LinkContent.Request(id: 9, group: 1, key: [65], timeout: 5, verb: .set, value: [66], ttl: 7)
        request.traceparent = "C"
        request.tracestate = "D"
        (request.schema, request.trail, request.attributes, request.freshOnly) = ("E", [0x0201], .init(contentType: "F"), 1)
        request.marks = 2
        #expect(try LinkContent.result(message).get().last == .request(request))
    }

    @Test("Unknown and known fields are stepped over between keys", arguments: fields)
    func betweenKeys(field: [UInt8]) throws {
        let known: [[UInt8]] = [[0x52, 1, 65], [0x08, 9], [0x52, 0], [0x52, 2, 0x52, 0x52], [0x20, 5]]
        let body = known.reduce(into: field) { $0 += $1 + field }
        let message = [0x0A, 0, 0x12] + Self.length(body) + body
        let request = LinkContent.Request(id: 9, timeout: 5, keys: [[65], [], [0x52, 0x52]])
        #expect(try LinkContent.result(message).get().last == .request(request))
    }

    @Test("Unknown fields are stepped over between those of a reply", arguments: fields)
    func inReply(field: [UInt8]) throws {
        let known: [[UInt8]] = [
            [0x08, 9], [0x10, 1], [0x1A, 1, 65], [0x20, 5], [0x28, 2], [0x30, 6], [0x38, 7], [0x42, 1, 67],
            [0x4A, 1, 68], [0x52, 3, 0x12, 1, 69], [0x58, 72], [0x60, 70], [0x68, 71],
        ]
        let body = known.reduce(into: field) { $0 += $1 + field }
        let message = [0x1A] + Self.length(body) + body
        let reply = LinkContent.Reply(
            id: 9,
            status: .notFound,
            value: [65],
            ttl: 5,
            version: 2,
            retryAfter: 6,
            index: 7,
            message: "C",
            schema: "D",
            marks: 72,
            age: 70,
            handover: 71,
            attributes: .init(directives: "E")
        )
        #expect(try LinkContent.result(message).get() == [.reply(reply)])
    }

    @Test("Unknown fields are stepped over between attributes", arguments: fields)
    func inAttributes(field: [UInt8]) throws {
        let known: [[UInt8]] = [[0x0A, 1, 65], [0x1A, 1, 66], [0x12, 1, 67], [0x1A, 0], [0x0A, 1, 68], [0x22, 1, 69], [0x28, 70]]
        let body = known.reduce(into: field) { $0 += $1 + field }
        let attributes = LinkAttributes(contentType: "D", directives: "C", tags: ["B", ""], lastModified: "E", date: 70)
        let (reply, request) = ([0x52] + Self.length(body) + body, [0x6A] + Self.length(body) + body)
        let message = [0x1A] + Self.length(reply) + reply + [0x0A, 0, 0x12] + Self.length(request) + request
        let contents = try LinkContent.result(message).get()
        #expect(contents == [.reply(.init(attributes: attributes)), .group(""), .request(.init(attributes: attributes))])
        // Those that say nothing else are none.
        #expect(try LinkContent.result([0x1A, UInt8(field.count + 2), 0x52, UInt8(field.count)] + field).get() == [.reply(.init())])
    }

    private static func length(_ body: [UInt8]) -> [UInt8] {
        body.count < 128 ? [UInt8(body.count)] : [UInt8(body.count & 127) | 0x80, UInt8(body.count >> 7)]
    }
}

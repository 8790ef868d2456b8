// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// What our own nodes say in headers, written and read.
@Suite struct PeerFieldsTests {
    private static func fields(
        schema: String? = nil,
        trail: [UInt64] = [],
        _ attributes: EntryAttributes = .none
    ) -> PeerFields {
        var fields = PeerFields()
        (fields.schema, fields.trail, fields.attributes) = (schema, trail, attributes)
        return fields
    }

    private static func head(_ fields: PeerFields, first: String = "HTTP/1.1 200 OK") -> [UInt8] {
        var head = ByteBuffer(string: first)
        fields.append(to: &head)
        head.writeStaticString("\r\n\r\n")
        return Array(head.readableBytesView)
    }

    @Test("What is written is read again, and both parsers notice it")
    func roundTrip() throws {
        let samples = [
            Self.fields(schema: "v2"), Self.fields(schema: " größe, \r\n%"), Self.fields(schema: String(repeating: "s", count: 128)),
            Self.fields(trail: [0]), Self.fields(trail: (1...16).map { .max / $0 }),
            Self.fields(try EntryAttributes(contentType: "text/html; charset=utf-8", directives: "public, max-age=5")),
            Self.fields(try EntryAttributes(lastModified: "Sun, 06 Nov 1994 08:49:37 GMT", date: 784_111_777)),
            Self.fields(try EntryAttributes(tags: ["a"], date: 253_402_300_799)),
            Self.fields(try EntryAttributes(lastModified: "yesterday")),
            Self.fields(try EntryAttributes(tags: [""])), Self.fields(try EntryAttributes(tags: ["a,b", "", "größe", "\r\nX: y", "%"])),
            Self.fields(schema: "v", trail: [1], try EntryAttributes(contentType: "a/b", tags: [String(repeating: "é", count: 1_021)])),
        ]
        for fields in samples {
            let response = Self.head(fields)
            #expect(PeerFields(response.span, length: response.count) == fields)
            var parser = ResponseParser()
            let parsed = try #require(try parser.parse(response.span))
            #expect(parsed.hasPeerFields && parsed.length == response.count)
            // An empty line before a request is allowed.
            for first in ["GET / HTTP/1.1\r\nHost: a", "\r\nGET / HTTP/1.1\r\nHost: a"] {
                let request = Self.head(fields, first: first)
                var requests = RequestParser(limits: .init())
                let head = try #require(try requests.parse(request.span))
                #expect(head.hasPeerFields && head.length == request.count)
                #expect(PeerFields(request.span, length: head.length) == fields)
            }
        }
        var fetching = PeerFields()
        fetching.handover = 0x0123_4567_89AB_CDEF
        let request = Self.head(fetching, first: "GET / HTTP/1.1\r\nHost: a")
        #expect(PeerFields(request.span, length: request.count) == fetching)
        let none = Self.head(PeerFields())
        var parser = ResponseParser()
        #expect(try parser.parse(none.span)?.hasPeerFields == false)
    }

    @Test("What is too long is not written, and of a trail the last loads are")
    func tooLong() {
        let long = Self.head(Self.fields(schema: String(repeating: "s", count: 129), trail: (0..<40).map { $0 }))
        #expect(PeerFields(long.span, length: long.count) == Self.fields(trail: (24..<40).map { $0 }))
    }

    @Test(
        "What is not what we write says nothing",
        arguments: [
            "GroupCache-Schema: %2", "GroupCache-Schema:", "GroupCache-Trail: x", "GroupCache-Trail: 1,",
            "GroupCache-Trail: 00000000000000001",
            "GroupCache-Date: 0", "GroupCache-Date: -1", "GroupCache-Date: x", "GroupCache-Date:", "GroupCache-Date: 253402300800",
            "GroupCache-Date: 99999999999999999999", "GroupCache-Date: 1.5", "GroupCache-Last-Modified: \u{E9}",
            "GroupCache-Last-Modified:",
            "GroupCache-Handover: x", "GroupCache-Handover: 0", "GroupCache-Handover: 00000000000000001",
            "GroupCache-Tags: a,%", "GroupCache-Content-Type: \u{E9}", "GroupCache-Else: a", "X-GroupCache-Schema: a",
        ]
    )
    func nonsense(line: String) {
        let head = Array("HTTP/1.1 200 OK\r\n\(line)\r\n\r\n".utf8)
        #expect(PeerFields(head.span, length: head.count) == PeerFields())
    }

    @Test("Nothing behind the head is looked at")
    func body() {
        let head = Array("HTTP/1.1 200 OK\r\nA: b\r\n\r\nGroupCache-Schema: v2\r\n\r\n".utf8)
        #expect(PeerFields(head.span, length: head.count - 25) == PeerFields())
        #expect(PeerFields(head.span, length: 10) == PeerFields())
    }

    @Test("Attributes have a size, and their texts are fit for headers")
    func attributes() throws {
        #expect(try EntryAttributes(contentType: "", directives: nil).isNone)
        #expect(try EntryAttributes(contentType: "a/b") == EntryAttributes(contentType: "a/b", directives: ""))
        #expect(try EntryAttributes(contentType: "a/b") != EntryAttributes(contentType: "a/c"))
        #expect(try EntryAttributes(tags: ["a"]).hashValue == EntryAttributes(tags: ["a"]).hashValue)
        #expect(throws: Never.self) { try EntryAttributes(contentType: "1234", tags: [String(repeating: "t", count: 2_042)]) }
        #expect(throws: GroupCacheError.self) { try EntryAttributes(contentType: "12345", tags: [String(repeating: "t", count: 2_042)]) }
        #expect(throws: GroupCacheError.self) { try EntryAttributes(tags: Array(repeating: "", count: 1_025)) }
        for text in [" a", "a ", "a\r\nX: y", "é", "\u{7F}"] {
            #expect(throws: GroupCacheError.self) { try EntryAttributes(contentType: text) }
            #expect(throws: GroupCacheError.self) { try EntryAttributes(directives: text) }
            #expect(throws: GroupCacheError.self) { try EntryAttributes(lastModified: text) }
        }
        #expect(
            try EntryAttributes(lastModified: "").isNone && !EntryAttributes(date: 1).isNone && !EntryAttributes(lastModified: "x").isNone
        )
        #expect(
            try EntryAttributes(date: 1) != EntryAttributes(date: 2)
                && EntryAttributes(date: 1).hashValue == EntryAttributes(date: 1).hashValue
        )
        #expect(throws: GroupCacheError.self) { try EntryAttributes(lastModified: String(repeating: "x", count: 2_049)) }
        for date in [0, -1, 253_402_300_800, .max, .min] as [Int64] {
            #expect(throws: GroupCacheError.self) { try EntryAttributes(date: date) }
        }
    }
}

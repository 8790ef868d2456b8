// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Messages that no reader may accept, and those at the edge of what one does.
@Suite struct LinkFaultTests {
    struct Case: CustomTestStringConvertible {
        var name: String
        var message: [UInt8]
        var fault: LinkFault
        var testDescription: String { self.name }

        init(_ name: String, _ message: [UInt8], _ fault: LinkFault) {
            self.name = name
            self.message = message
            self.fault = fault
        }
    }

    private static let endless: [UInt8] = Array(repeating: 0xFF, count: 9)

    static let cases: [Case] = [
        Case("a tag without its number", [0x20], .truncated),
        Case("half a number", [0x20, 0x80], .truncated),
        Case("a number of 11 bytes", [0x20] + Array(repeating: 0x80, count: 10) + [0], .varint),
        Case("a number of 65 bits", [0x20] + endless + [0x02], .varint),
        Case("a tag of 65 bits", endless + [0x7F], .varint),
        Case("half a tag", [0x80], .truncated),
        Case("half a ring version", [0x29, 1, 2, 3, 4, 5, 6, 7], .truncated),
        Case("a request longer than the message", [0x12, 3, 0x08, 1], .length),
        Case("a length of 2⁶⁴-1", [0x12] + endless + [0x01], .length),
        Case("a length of 2⁶³", [0x0A, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], .length),
        Case("a length of 2⁶³-1", [0x0A] + Array(repeating: 0xFF, count: 8) + [0x7F], .length),
        Case("a key longer than its request", [0x0A, 0, 0x12, 3, 0x1A, 2, 65, 65, 65], .length),
        Case("a number that its request cuts", [0x0A, 0, 0x12, 2, 0x08, 0x80, 0x01], .truncated),
        Case("a number that its reply cuts", [0x1A, 2, 0x08, 0x80, 0x01], .truncated),
        Case("field 0", [0x00, 0], .fieldNumber),
        Case("field 0 of a request", [0x0A, 0, 0x12, 2, 0x02, 0], .fieldNumber),
        Case("field 0 of a reply", [0x1A, 2, 0x05, 0], .fieldNumber),
        Case("field 2²⁹", [0x80, 0x80, 0x80, 0x80, 0x10, 0], .fieldNumber),
        Case("field 2⁶¹-1", endless + [0x01, 0], .fieldNumber),
        Case("a group that begins", [0x3B], .wireType),
        Case("a group that ends", [0x3C], .wireType),
        Case("type 6", [0x3E, 0], .wireType),
        Case("type 7", [0x3F, 0], .wireType),
        Case("a group in a request", [0x0A, 0, 0x12, 1, 0x5B], .wireType),
        Case("a group in a reply", [0x1A, 1, 0x4C], .wireType),
        Case("an unknown field of 8 bytes cut", [0x39, 1, 2, 3, 4, 5, 6, 7], .truncated),
        Case("an unknown field of 4 bytes cut", [0x3D, 1, 2, 3], .truncated),
        Case("an unknown number cut", [0x38, 0x80], .truncated),
        Case("an unknown field longer than the message", [0x3A, 2, 0], .length),
        Case("a group's name as a number", [0x08, 0], .wireType),
        Case("a request as a number", [0x10, 0], .wireType),
        Case("a reply of 4 bytes", [0x1D, 0, 0, 0, 0], .wireType),
        Case("a cancel of 4 bytes", [0x25, 0, 0, 0, 0], .wireType),
        Case("a ring version as a number", [0x28, 0], .wireType),
        Case("draining as bytes", [0x32, 0], .wireType),
        Case("a request of a group that is not named", [0x12, 0], .group),
        Case("a request of the second group of one", [0x0A, 0, 0x12, 2, 0x10, 1], .group),
        Case("a request before its group", [0x12, 0, 0x0A, 0], .group),
        Case("half a load of a trail", [0x0A, 0, 0x12, 6, 0x62, 4, 1, 2, 3, 4], .truncated),
        Case("attributes longer than their request", [0x0A, 0, 0x12, 3, 0x6A, 2, 0, 0], .length),
        Case("a content type longer than the attributes", [0x0A, 0, 0x12, 4, 0x6A, 2, 0x0A, 1, 65], .length),
        Case("a content type longer than its reply's attributes", [0x1A, 5, 0x52, 2, 0x0A, 1, 65], .length),
        Case("a content type as a number", [0x1A, 4, 0x52, 2, 0x08, 1], .wireType),
        Case("a last modification as a number", [0x1A, 4, 0x52, 2, 0x20, 1], .wireType),
        Case("a date as bytes", [0x1A, 5, 0x52, 3, 0x2A, 1, 65], .wireType),
        Case("an age that is cut", [0x1A, 2, 0x60, 0x80], .truncated),
        Case("an age of 65 bits", [0x1A, 11, 0x60, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2], .varint),
        Case("tags of 4 bytes", [0x1A, 7, 0x52, 5, 0x1D, 0, 0, 0, 0], .wireType),
        Case("field 0 of attributes", [0x1A, 4, 0x52, 2, 0x02, 0], .fieldNumber),
        Case("a request of group 2³²-1", [0x0A, 0, 0x12, 6, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], .group),
    ]

    @Test("A malformed message is refused, for its own reason", arguments: cases)
    func malformed(example: Case) {
        #expect(LinkContent.result(example.message) == .failure(example.fault))
        #expect(example.fault.closeCode == 1002)
        // What stands before it is read first.
        #expect(LinkContent.result([0x20, 7, 0x3A, 2, 0, 0] + example.message) == .failure(example.fault))
    }

    @Test("Every known field of a request and a reply is refused in every other type", arguments: 1...13)
    func wrongType(field: UInt8) {
        let isBytes: (request: Bool, reply: Bool) = ([3, 6].contains(field) || field >= 8, field == 3 || (8...10).contains(field))
        for type in [0, 1, 2, 5] as [UInt8] {
            let content = [field << 3 | type] + Array(repeating: 0 as UInt8, count: 8)
            if type != (isBytes.request ? 2 : 0) {
                #expect(LinkContent.result([0x0A, 0, 0x12, 9] + content) == .failure(.wireType), "request, type \(type)")
            }
            if field <= 13, type != (isBytes.reply ? 2 : 0) {
                #expect(LinkContent.result([0x1A, 9] + content) == .failure(.wireType), "reply, type \(type)")
            }
        }
    }

    @Test("A message that is cut is a fault, but where a field ends")
    func everyTruncation() throws {
        let contents = LinkSamples.short
        let message = LinkContent.write(contents)
        let ends = contents.indices.map { LinkContent.write(Array(contents[...$0])).count }
        for length in 0..<message.count {
            let whole = ends.count { $0 <= length }
            var reader = LinkReader()
            let cut = Array(message[..<length])
            for content in contents[..<whole] {
                let item = try #require(try reader.next(cut.span), "\(length) bytes")
                #expect(LinkContent(item, in: cut.span) == content, "\(length) bytes")
            }
            guard length > 0, !ends.contains(length) else {
                #expect(try reader.next(cut.span) == nil, "\(length) bytes")
                continue
            }
            do throws(LinkFault) {
                let item = try reader.next(cut.span)
                Issue.record("\(length) bytes: \(String(describing: item))")
            } catch {
                #expect([.truncated, .length].contains(error), "\(length) bytes")
            }
        }
    }

    @Test("A request or reply that is cut is read no further than its own end", arguments: [0x12, 0x1A] as [UInt8])
    func everyNestedTruncation(tag: UInt8) {
        for content in LinkSamples.short {
            let whole = LinkContent.write([content])
            // All of these are shorter than 128 bytes: a tag, a length and the body.
            guard whole[0] == tag, whole[1] < 0x80 else { continue }
            let body = whole[2...]
            for length in 0..<body.count {
                let cut = [0x0A, 0, 0x0A, 0, tag, UInt8(length)] + body.prefix(length)
                let alone = LinkContent.result(cut)
                for rest in [Array(body.dropFirst(length)), [0x80, 0x80, 0x80, 0x01, 1, 1], Array(repeating: 0, count: 40)] {
                    // The same, whatever lies behind it: wrapped up as a field that is skipped.
                    let followed = LinkContent.result(cut + [0x3A, UInt8(rest.count)] + rest)
                    #expect(followed == alone, "\(length) bytes of \(body)")
                }
            }
        }
    }

    @Test("Each limit holds to the byte, and what is beyond closes the link as too big")
    func limits() {
        var limits = LinkLimits(keyLength: 4, valueSize: 5, keysPerRequest: 3, requestsPerMessage: 2, messageSize: 64)
        (limits.schemaLength, limits.trailLength, limits.attributesSize) = (3, 2, 8)
        let bytes = LinkSamples.bytes
        func expect(_ fault: LinkFault?, _ contents: [LinkContent], _ comment: Comment) {
            let expected: Result<[LinkContent], LinkFault> = fault.map { .failure($0) } ?? .success(contents)
            #expect(LinkContent.result(LinkContent.write(contents), limits: limits) == expected, comment)
            if let fault { #expect(fault.closeCode == 1009, comment) }
        }
        expect(nil, [.group(""), .request(.init(key: bytes(4)))], "key")
        expect(.keyLength, [.group(""), .request(.init(key: bytes(5)))], "key")
        expect(nil, [.group(""), .request(.init(keys: [bytes(4), [], []]))], "keys")
        expect(.keyLength, [.group(""), .request(.init(keys: [[], bytes(5)]))], "key of many")
        expect(.keyCount, [.group(""), .request(.init(keys: [[], [], [], []]))], "keys")
        expect(nil, [.group(""), .request(.init(value: bytes(5)))], "value of a set")
        expect(.valueSize, [.group(""), .request(.init(value: bytes(6)))], "value of a set")
        expect(nil, [.group(""), .request(.init(schema: "abc", trail: [1, 2], attributes: .init(tags: ["", "abcd"])))], "beside the key")
        expect(.schemaLength, [.group(""), .request(.init(schema: "abcd"))], "schema")
        expect(.trailLength, [.group(""), .request(.init(trail: [1, 2, 3]))], "trail")
        expect(.attributesSize, [.group(""), .request(.init(attributes: .init(tags: ["abcdefg"])))], "attributes of a set")
        expect(.schemaLength, [.reply(.init(schema: "abcd"))], "schema of a value")
        expect(.attributesSize, [.reply(.init(attributes: .init(contentType: "abc", directives: "ab")))], "attributes of a value")
        expect(nil, [.reply(.init(value: bytes(5)))], "value")
        expect(.valueSize, [.reply(.init(value: bytes(6)))], "value")
        expect(nil, [.group(""), .group(""), .request(.init()), .request(.init(group: 1))], "requests")
        expect(.requestCount, [.group(""), .request(.init()), .request(.init()), .request(.init())], "requests")
        expect(.groupCount, [.group(""), .group(""), .group("")], "groups")
        // Text is bounded by the message only.
        expect(nil, [.reply(.init(message: String(repeating: "t", count: 60)))], "message of 64")
        expect(.messageSize, [.reply(.init(message: String(repeating: "t", count: 61)))], "message of 65")
    }

    @Test("A limit beyond what offsets can hold counts as that")
    func hugeLimits() throws {
        let limits = LinkLimits(keyLength: .max, valueSize: .max, keysPerRequest: .max, requestsPerMessage: .max, messageSize: .max)
        #expect(try LinkContent.result(LinkContent.write(LinkSamples.short), limits: limits).get() == LinkSamples.short)
        let none = LinkLimits(keyLength: 0, valueSize: 0, keysPerRequest: 0, requestsPerMessage: 0, messageSize: 0)
        #expect(LinkContent.result([0x20, 1], limits: none) == .failure(.messageSize))
        #expect(try LinkContent.result([], limits: none).get() == [])
    }

    @Test("A reader that is given other bytes halfway does not trap")
    func otherBytesHalfway() {
        let message: [UInt8] = [0x22, 3, 1, 2, 3, 0x20, 4]
        for other in [[], [1], [0x80, 0x80, 0x80, 0x80], Array(repeating: 0xFF, count: 32)] as [[UInt8]] {
            var reader = LinkReader()
            #expect(throws: Never.self) { try reader.next(message.span) }
            for _ in 0..<40 { _ = try? reader.next(other.span) }
        }
    }

    @Test("A fault says its code and nothing of the message")
    func text() {
        #expect("\(LinkFault.truncated)" == "link message: truncated")
        #expect("\(LinkFault.valueSize)" == "link message: valueSize")
        #expect(LinkFault.keyLength.code.description == "keyLength")
    }
}

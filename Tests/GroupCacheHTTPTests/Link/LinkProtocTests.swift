// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Testing

@testable import GroupCacheHTTP

/// The link's codec beside Google's: what one writes, the other reads.
@Suite struct LinkProtocTests {
    @Test("protoc reads what we write, and we what it writes", .enabled(if: Protoc.isWanted, Protoc.comment))
    func samples() throws {
        // One version of the ring to a message: of several, protoc keeps only the last.
        for contents in [LinkSamples.everything.filter { !Self.isRing($0) }, LinkSamples.short, LinkSamples.explained.asked, []] {
            try Self.exchange(contents)
        }
    }

    @Test("The same for messages at random", .enabled(if: Protoc.isWanted, Protoc.comment), .timeLimit(.minutes(5)))
    func random() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of LinkProtocTests.random: \(seed)")
        var random = SeededGenerator(seed)
        for _ in 0..<12 { try Self.exchange(Self.message(&random)) }
    }

    @Test("protoc, too, refuses what is truncated, longer than it can be, or of field 0", .enabled(if: Protoc.isWanted, Protoc.comment))
    func refusals() throws {
        let faults: [LinkFault] = [.truncated, .length, .fieldNumber, .varint]
        for example in LinkFaultTests.cases where faults.contains(example.fault) {
            // Of the one protoc drops the highest bit, and what the bytes of the other mean it does not know; being stricter is ours alone.
            guard !["a number of 65 bits", "an age of 65 bits", "half a load of a trail"].contains(example.name) else { continue }
            #expect(throws: Protoc.Refusal.self, "\(example.name)") { try Protoc.decode(example.message) }
        }
    }

    private static func isRing(_ content: LinkContent) -> Bool {
        if case .ring = content { true } else { false }
    }

    private static func exchange(_ contents: [LinkContent]) throws {
        let text = LinkContent.text(contents)
        let decoded = try Protoc.decode(LinkContent.write(contents))
        #expect(decoded == text)
        let encoded = try Protoc.encode(text)
        #expect(LinkContent.result(encoded) == .success(LinkContent.byField(contents)))
    }

    /// A message as a node could send it: groups first, any mixture of the rest.
    private static func message(_ random: inout SeededGenerator) -> [LinkContent] {
        func number(_ random: inout SeededGenerator) -> UInt64 {
            random.next() >> UInt64.random(in: 0...63, using: &random) & (Bool.random(using: &random) ? .max : 0)
        }
        func number32(_ random: inout SeededGenerator) -> UInt32 { UInt32(truncatingIfNeeded: number(&random)) }
        func bytes(_ random: inout SeededGenerator) -> [UInt8] {
            (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        func text(_ random: inout SeededGenerator) -> String {
            String(decoding: bytes(&random).map { $0 & 0x7F }, as: UTF8.self)
        }
        // By bytes: a carriage return and a line feed are one character.
        func schema(_ random: inout SeededGenerator) -> String {
            String(decoding: text(&random).utf8.prefix(PeerRequest.schemaLimit), as: UTF8.self)
        }
        // Not of nothing, which is written as no attributes.
        func attributes(_ random: inout SeededGenerator) -> LinkAttributes? {
            guard Bool.random(using: &random) else { return nil }
            let tags = (0..<Int.random(in: 1...10, using: &random)).map { _ in text(&random) }
            return LinkAttributes(
                contentType: text(&random),
                directives: text(&random),
                tags: tags,
                lastModified: text(&random),
                date: number(&random)
            )
        }
        let groups = UInt32.random(in: 1...3, using: &random)
        var contents: [LinkContent] = (0..<groups).map { _ in .group(text(&random)) }
        if Bool.random(using: &random) { contents.append(.ring(random.next() | 1)) }
        for _ in 0..<40 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                var request = LinkContent.Request(id: number32(&random), group: UInt32.random(in: 0..<groups, using: &random))
                request.key = bytes(&random)
                request.timeout = number32(&random)
                request.verb = LinkVerb(wire: UInt64.random(in: 0...7, using: &random))
                request.value = bytes(&random)
                request.ttl = number(&random)
                request.traceparent = text(&random)
                request.tracestate = text(&random)
                request.schema = schema(&random)
                request.trail = (0..<Int.random(in: 0...16, using: &random)).map { _ in random.next() }
                request.attributes = attributes(&random)
                request.freshOnly = number32(&random)
                request.marks = number32(&random)
                contents.append(.request(request))
            case 1:
                let keys = (0..<Int.random(in: 1...20, using: &random)).map { _ in bytes(&random) }
                contents.append(.request(.init(id: number32(&random), timeout: number32(&random), keys: keys)))
            case 2:
                var reply = LinkContent.Reply(id: number32(&random), status: LinkStatus(wire: UInt64.random(in: 0...16, using: &random)))
                reply.value = bytes(&random)
                reply.ttl = number(&random)
                reply.version = number(&random)
                reply.retryAfter = number32(&random)
                reply.index = number32(&random)
                reply.message = text(&random)
                reply.schema = schema(&random)
                reply.attributes = attributes(&random)
                reply.marks = number32(&random)
                (reply.age, reply.handover) = (UInt64(number32(&random)) << 20, .random(in: 0 ... .max, using: &random))
                contents.append(.reply(reply))
            default:
                contents.append(.cancel(number32(&random)))
            }
        }
        if Bool.random(using: &random) { contents.append(.draining) }
        return contents
    }
}

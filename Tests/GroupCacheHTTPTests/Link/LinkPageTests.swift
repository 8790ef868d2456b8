// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// The page that explains the link's protocol says what is so.
@Suite struct LinkPageTests {
    let page: String
    let proto: String

    init() throws {
        let package = Protoc.interop.deletingLastPathComponent().deletingLastPathComponent()
        let folder = package.appendingPathComponent("Sources/GroupCacheHTTP/GroupCacheHTTP.docc")
        self.page = try String(contentsOf: folder.appendingPathComponent("LinkProtocol.md"), encoding: .utf8)
        self.proto = try String(contentsOf: Protoc.interop.appendingPathComponent("link.proto"), encoding: .utf8)
    }

    /// The bytes of the first column of a section's table.
    private func bytes(below heading: String) throws -> [UInt8] {
        let start = try #require(self.page.range(of: "### \(heading)\n")).upperBound
        let section = self.page[start...].prefix { $0 != "#" }
        return section.split(separator: "\n").filter { $0.hasPrefix("| `") }
            .flatMap { $0.split(separator: "`")[1].split(separator: " ") }
            .compactMap { UInt8($0, radix: 16) }
    }

    @Test("The bytes that it explains are those that are written")
    func bytes() throws {
        #expect(try self.bytes(below: "A request, byte by byte") == LinkSamples.explainedBytes.asked)
        #expect(try self.bytes(below: "A reply, byte by byte") == LinkSamples.explainedBytes.answered)
        for (heading, contents) in [
            ("A request of a getter, byte by byte", LinkSamples.explainedNested.asked),
            ("A value with attributes, byte by byte", LinkSamples.explainedNested.answered),
        ] {
            let bytes = LinkContent.write(contents)
            #expect(try self.bytes(below: heading) == bytes)
            #expect(self.page.contains(" \(bytes.count) bytes.\n"))
            #expect(try LinkContent.result(bytes).get() == contents)
        }
    }

    @Test("So are the bytes of the frames before them")
    func frames() throws {
        for (message, mask) in [(LinkSamples.explainedBytes.asked, 1 as UInt32?), (LinkSamples.explainedBytes.answered, nil)] {
            var writer = WebSocketWriter()
            writer.payload.writeBytes(message)
            let header = writer.frame(mask: mask).readableBytesView.prefix(2).map { byte in
                String(byte >> 4, radix: 16, uppercase: true) + String(byte & 15, radix: 16, uppercase: true)
            }
            #expect(self.page.contains("`\(header.joined(separator: " "))`"))
            #expect(self.page.contains("\(message.count) bytes; the WebSocket"))
        }
    }

    @Test("It shows link.proto as it is")
    func messages() throws {
        // Without the comment at its top.
        let start = self.proto.range(of: "\nsyntax")
        let body = self.proto[try #require(start).lowerBound...]
        #expect(self.page.contains("```proto\(body)```"))
    }

    @Test("What a value may have crosses the wire, in whatever pieces")
    func attributesFit() {
        // Each tag costs up to three bytes more than its text, and is counted as two more.
        for length in [0, 1, 126, 127, 128, 2_046] {
            let tags = Array(repeating: String(repeating: "t", count: length), count: EntryAttributes.maximumSize / (length + 2))
            #expect((try? EntryAttributes(tags: tags)) != nil)
            #expect(LinkAttributes(tags: tags).count <= LinkLimits().attributesSize)
        }
    }

    @Test("It names the limits, and the handshake as it is sent")
    func limits() {
        let limits = LinkLimits()
        #expect(limits.messageSize == 16 << 20 && self.page.contains("| message | 16 MiB |"))
        let rows: [(String, Int, String)] = [
            ("key", limits.keyLength, " bytes"), ("value", limits.valueSize, " bytes"),
            ("schema", limits.schemaLength, " bytes"), ("loads of a trail", limits.trailLength, ""),
            ("attributes of a value", limits.attributesSize, " bytes"),
            ("keys of a get of many", limits.keysPerRequest, ""),
            ("requests in a message", limits.requestsPerMessage, ""), ("names of groups in a message", limits.requestsPerMessage, ""),
            ("loads that run for one link", LinkServer.runningLimit, ""),
        ]
        for (name, number, unit) in rows {
            let digits = number < 1_000 ? "\(number)" : "\(number / 1_000),\(String(1_000 + number % 1_000).dropFirst())"
            #expect(self.page.contains("| \(name) | \(digits)\(unit) |"), "\(name)")
        }
        // RFC 6455 §1.3 has these two.
        let key = "dGhlIHNhbXBsZSBub25jZQ=="
        let request = LinkHandshake.request(
            path: "/_groupcache/",
            host: "10.0.0.2:8001",
            key: key,
            ring: 0x0123_4567_89AB_CDEF,
            authorization: "Bearer …"
        )
        for message in [request, LinkHandshake.response(key: key)] {
            let text = String(buffer: message).replacing("\r\n", with: "\n").trimmingCharacters(in: .newlines)
            #expect(self.page.contains("```http\n\(text)\n```"), "\(text)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import GroupCacheHTTP

/// RFC 6455 §5, on bytes written by hand.
@Suite("WebSocket frames") struct WebSocketReaderTests {
    /// A frame, made by the book and not by ``WebSocketWriter``.
    static func frame(_ first: UInt8, _ payload: [UInt8], mask: [UInt8]? = nil) -> [UInt8] {
        let bit: UInt8 = mask == nil ? 0 : 0x80
        var bytes = [first]
        switch payload.count {
        case 0...125: bytes.append(bit | UInt8(payload.count))
        case 126...65_535: bytes += [bit | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        default: bytes += [bit | 127] + (0..<8).reversed().map { UInt8(payload.count >> ($0 * 8) & 255) }
        }
        guard let mask else { return bytes + payload }
        return bytes + mask + payload.enumerated().map { $0.element ^ mask[$0.offset % 4] }
    }

    private struct Result: Equatable {
        var messages: [WebSocketReader.Message] = []
        var code: WebSocketCloseCode?
    }

    /// What comes out of `pieces`, each as one read brings it.
    private func read(_ pieces: [[UInt8]], expectsMask: Bool = true, limit: Int = 1 << 20) -> Result {
        var reader = WebSocketReader(expectsMask: expectsMask, limit: limit)
        var input = ByteBuffer()
        var result = Result()
        do throws(WebSocketCloseCode) {
            for piece in pieces {
                input.writeBytes(piece)
                while let message = try reader.next(&input) { result.messages.append(message) }
            }
        } catch {
            result.code = error
        }
        return result
    }

    private func message(_ opcode: WebSocketOpcode, _ bytes: [UInt8]) -> WebSocketReader.Message {
        .init(opcode: opcode, payload: ByteBuffer(bytes: bytes))
    }

    private static let mask: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]

    @Test("every form of length", arguments: [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
    func lengths(_ count: Int) {
        let payload = LinkSamples.bytes(count)
        for mask in [nil, Self.mask] {
            let bytes = Self.frame(0x82, payload, mask: mask)
            #expect(self.read([bytes], expectsMask: mask != nil) == Result(messages: [self.message(.binary, payload)]))
            var writer = WebSocketWriter()
            #expect(writer.isEmpty)
            writer.payload.writeBytes(payload)
            #expect(writer.count == count)
            let key = mask.map { $0.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
            #expect(Array(writer.frame(mask: key).readableBytesView) == bytes, "the writer says the same")
            #expect(writer.isEmpty)
        }
    }

    @Test("masks of every length, from every offset")
    func masks() {
        for count in 0...17 {
            for offset in 0...8 {
                let payload = LinkSamples.bytes(offset + count + 3)
                var buffer = ByteBuffer(bytes: payload)
                buffer.mask(0x37FA_213D, from: offset, count: count)
                var expected = payload
                for index in 0..<count { expected[offset + index] ^= Self.mask[index % 4] }
                #expect(Array(buffer.readableBytesView) == expected, "\(count) from \(offset)")
            }
        }
    }

    @Test("a writer gives back and takes back its memory, and a used buffer leaves nothing behind")
    func reuse() {
        var writer = WebSocketWriter()
        for round in 0..<4 {
            writer.payload.writeBytes([UInt8](repeating: 7, count: round * 60_000))
            let frame = writer.frame(mask: 1 << 31)
            #expect(frame.readableBytes > round * 60_000)
            writer.reuse(frame)
            #expect(writer.isEmpty && writer.payload.readableBytes == 14)
        }
        var large = ByteBuffer()
        large.writeRepeatingByte(1, count: 300_000)
        writer.reuse(large)
        #expect(writer.payload.capacity <= 262_144)
    }

    @Test("every split of the input gives the same messages")
    func splits() {
        let bytes =
            Self.frame(0x82, [1, 2, 3], mask: Self.mask) + Self.frame(0x89, [9], mask: Self.mask) + Self.frame(0x02, [4], mask: Self.mask)
            + Self.frame(0x80, LinkSamples.bytes(130), mask: [1, 2, 3, 4])
        let expected = Result(messages: [
            self.message(.binary, [1, 2, 3]), self.message(.ping, [9]), self.message(.binary, [4] + LinkSamples.bytes(130)),
        ])
        #expect(self.read([bytes]) == expected)
        #expect(self.read(bytes.map { [$0] }) == expected)
        for first in 0...bytes.count {
            #expect(self.read([Array(bytes[..<first]), Array(bytes[first...])]) == expected)
            for second in stride(from: first, through: bytes.count, by: 7) {
                #expect(self.read([Array(bytes[..<first]), Array(bytes[first..<second]), Array(bytes[second...])]) == expected)
            }
        }
    }

    @Test("control frames between the frames of a message, up to 125 bytes, come first")
    func interleaved() {
        let pieces = [
            Self.frame(0x02, [1]), Self.frame(0x8A, []), Self.frame(0x00, []), Self.frame(0x89, LinkSamples.bytes(125)),
            Self.frame(0x80, [2]), Self.frame(0x82, [3]),
        ]
        let expected = Result(messages: [
            self.message(.pong, []), self.message(.ping, LinkSamples.bytes(125)), self.message(.binary, [1, 2]), self.message(.binary, [3]),
        ])
        #expect(self.read(pieces, expectsMask: false) == expected)
        // Also when the message has no room left for a byte: they are not a part of it.
        #expect(self.read(pieces, expectsMask: false, limit: 125) == expected)
        let full = [Self.frame(0x02, [1, 2, 3]), Self.frame(0x89, [7]), Self.frame(0x80, [])]
        #expect(
            self.read(full, expectsMask: false, limit: 3)
                == Result(messages: [self.message(.ping, [7]), self.message(.binary, [1, 2, 3])])
        )
    }

    @Test("what is wrong with a frame is found as soon as its header is there")
    func wrong() {
        let (mask, none): ([UInt8]?, [UInt8]?) = (Self.mask, nil)
        let cases: [(String, [UInt8], Bool, WebSocketCloseCode)] = [
            ("reserved bit 1", Self.frame(0xC2, [1], mask: mask), true, .protocolError),
            ("reserved bit 2", Self.frame(0xA2, [1], mask: mask), true, .protocolError),
            ("reserved bit 3", Self.frame(0x92, [1], mask: mask), true, .protocolError),
            ("opcode 3", Self.frame(0x83, [1], mask: mask), true, .protocolError),
            ("opcode 11", Self.frame(0x8B, [1], mask: mask), true, .protocolError),
            ("a client that does not mask", Self.frame(0x82, [1], mask: none), true, .protocolError),
            ("a server that masks", Self.frame(0x82, [1], mask: mask), false, .protocolError),
            ("a continuation of nothing", Self.frame(0x80, [1], mask: mask), true, .protocolError),
            ("a ping in pieces", Self.frame(0x09, [1], mask: mask), true, .protocolError),
            ("one byte too many", [0x82, 0xFE, 0x04, 0x01], true, .tooLarge),
            ("more than there is", [0x82, 0xFF, 0x7F] + [UInt8](repeating: 0xFF, count: 7), true, .tooLarge),
            ("the first bit of a length", [0x82, 0xFF, 0x80] + [UInt8](repeating: 0, count: 7), true, .protocolError),
            ("125 in two bytes more", [0x82, 0xFE, 0x00, 0x7D], true, .protocolError),
            ("65,535 in eight bytes", [0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], true, .protocolError),
            ("a close of one byte", Self.frame(0x88, [3], mask: mask), true, .protocolError),
            ("a close with a reason that is no text", Self.frame(0x88, [3, 0xE8, 0xC3], mask: mask), true, .notText),
            // Only the header of these has come.
            ("a long ping", [0x89, 0xFE, 0x00, 0x7E], true, .protocolError),
            ("a long close", [0x88, 0xFE, 0x03, 0xFF], true, .protocolError),
        ]
        for (what, bytes, expectsMask, code) in cases {
            #expect(self.read([bytes], expectsMask: expectsMask, limit: 1_024) == Result(code: code), "\(what)")
        }
        for code in 0...5_000 as ClosedRange<UInt16> {
            let maySay = (1000...1003).contains(code) || (1007...1014).contains(code) || (3000...4999).contains(code)
            let result = self.read([Self.frame(0x88, [UInt8(code >> 8), UInt8(code & 255)], mask: mask)])
            #expect((result.code == nil) == maySay && (maySay || result.code == .protocolError), "a close with \(code)")
        }
        let begun = [Self.frame(0x02, [1], mask: mask), Self.frame(0x82, [1], mask: mask)]
        #expect(self.read(begun).code == .protocolError, "a message inside another")
        let together = [Self.frame(0x02, LinkSamples.bytes(1_000), mask: mask), Self.frame(0x80, LinkSamples.bytes(25), mask: mask)]
        #expect(self.read(together, limit: 1_024).code == .tooLarge, "frames that together are too large")
    }
}

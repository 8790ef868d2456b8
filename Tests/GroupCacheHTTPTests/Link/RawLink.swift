// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore

@testable import GroupCacheHTTP

/// The asking side of a link whose bytes a test writes and reads as they are.
final class RawLink: Sendable {
    static let handshake =
        "GET /_groupcache/ HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: groupcache.link.v1\r\n"

    let connection: RawConnection

    /// - Parameter rest: bytes that leave together with the handshake.
    init(port: Int, rest: [UInt8] = [], halfClosure: Bool = false) async throws {
        self.connection = try await RawConnection(port: port, halfClosure: halfClosure)
        try await self.connection.send(Array((Self.handshake + "\r\n").utf8) + rest)
        let head = try await self.connection.response(hasBody: false).head
        guard head.hasPrefix("HTTP/1.1 101 "), head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") else {
            throw Refused(head: head)
        }
    }

    struct Refused: Error { var head: String }

    static func frame(_ opcode: WebSocketOpcode = .binary, _ write: (inout ByteBuffer) -> Void) -> [UInt8] {
        var writer = WebSocketWriter()
        write(&writer.payload)
        return Array(writer.frame(opcode, mask: 0x1234_5678).readableBytesView)
    }

    /// A message with gets of `keys`, whose ids begin at `first`.
    static func gets(_ keys: [String], first: UInt32 = 1, group: String = "scores", timeout: UInt32 = 0) -> [UInt8] {
        self.frame { payload in
            payload.writeLinkGroup(group)
            for (index, key) in keys.enumerated() {
                payload.writeLinkRequest(id: first + UInt32(index), group: 0, key: Array(key.utf8).span, timeout: timeout)
            }
        }
    }

    func send(_ bytes: [UInt8]) async throws { try await self.connection.send(bytes) }

    /// Everything that has come, once `isEnough` says so or the other side has closed.
    @discardableResult
    func received(until isEnough: @escaping @Sendable (Received) -> Bool) async throws -> Received {
        let last = NIOLockedValueBox(Received())
        try await self.connection.wait { bytes, isClosed in
            let received = Received(bytes, isClosed: isClosed)
            last.withLockedValue { $0 = received }
            return isClosed || isEnough(received)
        }
        return last.withLockedValue { $0 }
    }

    func close() async { await self.connection.close() }

    /// What came over a link.
    struct Received: Sendable {
        var replies: [LinkContent.Reply] = []
        var controls: [WebSocketReader.Message] = []
        var largest = 0
        var isDraining = false
        var isClosed = false
        var isMalformed = false

        init() {}

        init(_ bytes: [UInt8], isClosed: Bool) {
            self.isClosed = isClosed
            var input = ByteBuffer(bytes: bytes)
            var reader = WebSocketReader(expectsMask: false, limit: 1 << 30)
            do {
                while let message = try reader.next(&input) {
                    guard message.opcode == .binary else {
                        self.controls.append(message)
                        continue
                    }
                    self.largest = max(self.largest, message.payload.readableBytes)
                    var items = LinkReader(limits: LinkLimits(messageSize: 1 << 30))
                    let bytes = message.payload.readableBytesUInt8Span
                    while let item = try items.next(bytes) {
                        switch LinkContent(item, in: bytes) {
                        case .reply(let reply): self.replies.append(reply)
                        case .draining: self.isDraining = true
                        default: self.isMalformed = true
                        }
                    }
                }
            } catch {
                self.isMalformed = true
            }
        }

        /// Of the close frame, if there was one.
        var closeCodes: [UInt16] {
            self.controls.filter { $0.opcode == .close }.compactMap { $0.payload.getInteger(at: $0.payload.readerIndex) }
        }

        func values(_ id: UInt32) -> [String] {
            self.replies.filter { $0.id == id }.map { String(decoding: $0.value, as: UTF8.self) }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore

@testable import GroupCacheHTTP

/// The frames of a link, as the first byte says: of a client, which are masked, or of a server. Never a trap, the same messages however the
/// stream is cut, none above the limit, and what is read is written and read the same.
func fuzzWebSocket(_ input: [UInt8]) {
    guard let kind = input.first else { return }
    let (stream, isMasked) = (Array(input.dropFirst()), kind & 1 == 1)
    let (whole, code) = webSocketMessages([stream], isMasked)
    check(webSocketMessages(stream.map { [$0] }, isMasked) == (whole, code), "byte by byte is not the same")
    var writer = WebSocketWriter()
    for message in whole {
        check(message.payload.readableBytes <= 300, "more than the limit")
        writer.payload.writeImmutableBuffer(message.payload)
        let frame = writer.frame(message.opcode, mask: isMasked ? UInt32(kind) &* 0x0101_0301 : nil)
        let again = webSocketMessages([Array(frame.readableBytesView)], isMasked)
        check(again == ([message], nil), "a message came back as \(again)")
    }
}

/// The messages of a stream, and the code that ends it.
private func webSocketMessages(_ pieces: [[UInt8]], _ isMasked: Bool) -> ([WebSocketReader.Message], WebSocketCloseCode?) {
    var reader = WebSocketReader(expectsMask: isMasked, limit: 300)
    var input = ByteBuffer()
    var messages: [WebSocketReader.Message] = []
    for piece in pieces {
        input.writeBytes(piece)
        do throws(WebSocketCloseCode) {
            while let message = try reader.next(&input) { messages.append(message) }
        } catch {
            return (messages, error)
        }
    }
    return (messages, nil)
}

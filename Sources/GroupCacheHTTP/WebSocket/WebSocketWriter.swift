// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Gathers what is to be sent as one WebSocket message. The payload is written first, behind room for the longest header; what is too
/// much of that room stays unread.
struct WebSocketWriter {
    private static let room = 14

    /// Payload bytes go here.
    var payload: ByteBuffer

    init() {
        self.payload = ByteBuffer()
        self.reset()
    }

    var isEmpty: Bool { self.payload.writerIndex == Self.room }
    var count: Int { self.payload.writerIndex - Self.room }

    private mutating func reset() {
        self.payload.clear()
        self.payload.writeRepeatingByte(0, count: Self.room)
    }

    /// The frame of everything that was written since the last one.
    ///
    /// - Parameter mask: `nil` when a server sends.
    mutating func frame(_ opcode: WebSocketOpcode = .binary, mask: UInt32?) -> ByteBuffer {
        let count = self.count
        let length = count <= 125 ? 0 : count <= 0xFFFF ? 2 : 8
        let start = Self.room - 2 - length - (mask == nil ? 0 : 4)
        let maskBit: UInt8 = mask == nil ? 0 : 0x80
        self.payload.setInteger(0x80 | opcode.rawValue, at: start)
        switch length {
        case 0: self.payload.setInteger(maskBit | UInt8(count), at: start + 1)
        case 2:
            self.payload.setInteger(maskBit | 126, at: start + 1)
            self.payload.setInteger(UInt16(count), at: start + 2)
        default:
            self.payload.setInteger(maskBit | 127, at: start + 1)
            self.payload.setInteger(UInt64(count), at: start + 2)
        }
        if let mask {
            self.payload.setInteger(mask, at: Self.room - 4)
            self.payload.mask(mask, from: Self.room, count: count)
        }
        self.payload.moveReaderIndex(to: start)
        var frame = ByteBuffer()
        swap(&frame, &self.payload)
        self.reset()
        return frame
    }

    /// A frame beside the message in the making.
    ///
    /// - Parameter mask: `nil` when a server sends.
    static func control(_ opcode: WebSocketOpcode, _ payload: ByteBuffer, mask: UInt32?) -> ByteBuffer {
        var writer = WebSocketWriter()
        writer.payload.writeImmutableBuffer(payload)
        return writer.frame(opcode, mask: mask)
    }

    /// Takes back a frame's memory, if nobody else holds it any more, so that the next message needs none of its own.
    mutating func reuse(_ frame: consuming ByteBuffer) {
        // A large message must not stay with a connection that once carried one.
        guard self.isEmpty, frame.capacity <= 262_144, frame.capacity > self.payload.capacity else { return }
        self.payload = frame
        self.reset()
    }
}

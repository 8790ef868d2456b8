// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Reads WebSocket messages (RFC 6455 §5) out of a stream of bytes, unmasked and whole: a value, without I/O.
///
/// SwiftNIO's own decoder is sound, but unmasks byte by byte and allocates for each frame, and a connection of many small messages spends most of its time here.
struct WebSocketReader {
    struct Message: Equatable {
        var opcode: WebSocketOpcode
        var payload: ByteBuffer
    }

    /// The longest head of a frame, in bytes (RFC 6455 §5.2).
    static let headLimit = 14

    /// Whether frames have to be masked: those of a client have to be, those of a server must not.
    private let expectsMask: Bool
    /// The most bytes that a message may have.
    private let limit: Int
    /// The beginning of a message in several frames.
    private var begun: Message?

    init(expectsMask: Bool, limit: Int) {
        self.expectsMask = expectsMask
        self.limit = limit
    }

    /// Bytes of the beginning of a message in several frames.
    var held: Int { self.begun?.payload.readableBytes ?? 0 }

    /// The next whole message; `nil` when more bytes are needed. A message takes its bytes with it.
    mutating func next(_ input: inout ByteBuffer) throws(WebSocketCloseCode) -> Message? {
        while let frame = try self.frame(&input) {
            guard !frame.opcode.isControl else {
                if frame.opcode == .close { try WebSocketCloseCode.check(frame.payload) }
                return Message(opcode: frame.opcode, payload: frame.payload)
            }
            if frame.opcode == .continuation {
                guard self.begun != nil else { throw .protocolError }
                var payload = frame.payload
                self.begun?.payload.writeBuffer(&payload)
                guard frame.isFinal, let message = self.begun else { continue }
                self.begun = nil
                return message
            }
            guard self.begun == nil else { throw .protocolError }
            let message = Message(opcode: frame.opcode, payload: frame.payload)
            if frame.isFinal { return message }
            // A copy, once for each such message: the next frame is unmasked where it lies, and as long as we held a part of the same
            // memory, that would copy all of what was read.
            self.begun = Message(opcode: frame.opcode, payload: ByteBuffer(bytes: frame.payload.readableBytesView))
        }
        return nil
    }

    private struct Frame {
        var isFinal: Bool
        var opcode: WebSocketOpcode
        var payload: ByteBuffer
    }

    private func frame(_ input: inout ByteBuffer) throws(WebSocketCloseCode) -> Frame? {
        let start = input.readerIndex
        guard let first = input.getInteger(at: start, as: UInt8.self), let second = input.getInteger(at: start + 1, as: UInt8.self) else {
            return nil
        }
        // No extension is ever agreed upon, so the reserved bits are zero.
        guard first & 0x70 == 0, let opcode = WebSocketOpcode(rawValue: first & 0x0F) else { throw .protocolError }
        guard (second & 0x80 != 0) == self.expectsMask else { throw .protocolError }
        var header = 2
        var length = UInt64(second & 0x7F)
        // Neither in pieces nor long.
        if opcode.isControl { guard first & 0x80 != 0, length <= 125 else { throw .protocolError } }
        switch length {
        case 126:
            guard let word = input.getInteger(at: start + 2, as: UInt16.self) else { return nil }
            (length, header) = (UInt64(word), 4)
            guard word > 125 else { throw .protocolError }
        case 127:
            guard let word = input.getInteger(at: start + 2, as: UInt64.self) else { return nil }
            (length, header) = (word, 10)
            // The fewest bytes that hold the length have to be used, and its first bit is zero.
            guard word > 0xFFFF, word >> 63 == 0 else { throw .protocolError }
        default: break
        }
        // Refused before the bytes have come: nobody makes us wait for, or hold, more than the limit.
        guard opcode.isControl || length <= UInt64(self.limit - self.held) else { throw .tooLarge }
        let count = Int(length)
        let maskLength = self.expectsMask ? 4 : 0
        guard input.readableBytes >= header + maskLength + count else { return nil }
        let mask = self.expectsMask ? input.getInteger(at: start + header, as: UInt32.self) ?? 0 : 0
        input.moveReaderIndex(forwardBy: header + maskLength)
        if mask != 0 { input.mask(mask, from: input.readerIndex, count: count) }
        guard let payload = input.readSlice(length: count) else { return nil }
        return Frame(isFinal: first & 0x80 != 0, opcode: opcode, payload: payload)
    }
}

extension ByteBuffer {
    /// Masks, or unmasks, `count` bytes from `index` on (RFC 6455 §5.3), eight at a time.
    ///
    /// In place through a span: integer by integer each access would be checked for exclusivity at run time, which is half of the cost.
    mutating func mask(_ key: UInt32, from index: Int, count: Int) {
        let wide = (UInt64(key) << 32 | UInt64(key)).bigEndian
        var offset = index - self.readerIndex
        let end = offset + count
        var bytes = self.mutableReadableBytesSpan
        while end - offset >= 8 {
            // Checked for its bounds; every bit pattern is a valid integer.
            let word = unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            bytes.storeBytes(of: word ^ wide, toByteOffset: offset, as: UInt64.self)
            offset += 8
        }
        var shift: UInt32 = 24
        while offset < end {
            let byte = unsafe bytes.bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
            bytes.storeBytes(of: byte ^ UInt8(truncatingIfNeeded: key >> shift), toByteOffset: offset, as: UInt8.self)
            offset += 1
            shift = shift == 0 ? 24 : shift - 8
        }
    }
}

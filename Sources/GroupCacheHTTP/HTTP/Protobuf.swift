// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// The few protocol buffer messages of the groupcache family, by hand: two fields do not need a library.
///
/// `GetResponse {bytes value = 1; double minute_qps = 2; int64 expire = 3}` and
/// `SetRequest {string group = 1; string key = 2; bytes value = 3; int64 expire = 4}`, where `expire` is UnixNano and 0 means never.
/// Decoders skip fields that they do not know, take the last of a repeated one, and refuse what is truncated or malformed.
enum Protobuf {
    struct Malformed: Error {}

    struct GetResponse {
        var value = 0..<0
        var expire: Int64 = 0
    }

    struct SetRequest {
        var group = 0..<0
        var key = 0..<0
        var value = 0..<0
        var expire: Int64 = 0
    }

    /// - Parameter expire: UnixNano; `nil` leaves the field out.
    static func appendGetResponse(value: ByteView, expire: Int64?, to buffer: inout ByteBuffer) {
        // proto3 and proto2 readers alike take a missing field for no bytes, as GeeCache sends it.
        if !value.isEmpty {
            buffer.writeInteger(UInt8(0x0A))
            Self.appendVarint(UInt64(value.count), to: &buffer)
            buffer.write(value)
        }
        if let expire {
            buffer.writeInteger(UInt8(0x18))
            Self.appendVarint(UInt64(bitPattern: expire), to: &buffer)
        }
    }

    /// How many bytes ``appendGetResponse(value:expire:to:)`` appends.
    static func getResponseLength(valueCount: Int, expire: Int64?) -> Int {
        var length = valueCount == 0 ? 0 : 1 + Self.varintLength(UInt64(valueCount)) + valueCount
        if let expire { length += 1 + Self.varintLength(UInt64(bitPattern: expire)) }
        return length
    }

    static func appendSetRequest(group: String, key: Key, value: ByteView, expire: Int64, to buffer: inout ByteBuffer) {
        Self.appendBytes(tag: 0x0A, Array(group.utf8).span, to: &buffer)
        Self.appendBytes(tag: 0x12, key.bytes.span, to: &buffer)
        buffer.writeInteger(UInt8(0x1A))
        Self.appendVarint(UInt64(value.count), to: &buffer)
        buffer.write(value)
        buffer.writeInteger(UInt8(0x20))
        Self.appendVarint(UInt64(bitPattern: expire), to: &buffer)
    }

    static func getResponse(_ bytes: Span<UInt8>) throws(Malformed) -> GetResponse {
        var reader = Reader()
        var message = GetResponse()
        while let field = try reader.next(bytes) {
            switch (field.number, field.content) {
            case (1, .bytes(let range)): message.value = range
            case (3, .varint(let number)): message.expire = Int64(bitPattern: number)
            default: break
            }
        }
        return message
    }

    static func setRequest(_ bytes: Span<UInt8>) throws(Malformed) -> SetRequest {
        var reader = Reader()
        var message = SetRequest()
        while let field = try reader.next(bytes) {
            switch (field.number, field.content) {
            case (1, .bytes(let range)): message.group = range
            case (2, .bytes(let range)): message.key = range
            case (3, .bytes(let range)): message.value = range
            case (4, .varint(let number)): message.expire = Int64(bitPattern: number)
            default: break
            }
        }
        return message
    }

    private static func appendBytes(tag: UInt8, _ bytes: Span<UInt8>, to buffer: inout ByteBuffer) {
        buffer.writeInteger(tag)
        Self.appendVarint(UInt64(bytes.count), to: &buffer)
        buffer.writeBytes(bytes.bytes)
    }

    private static func appendVarint(_ number: UInt64, to buffer: inout ByteBuffer) {
        var rest = number
        while rest >= 0x80 {
            buffer.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        buffer.writeInteger(UInt8(rest))
    }

    private static func varintLength(_ number: UInt64) -> Int {
        max(1, (64 - number.leadingZeroBitCount + 6) / 7)
    }

    private struct Field {
        enum Content {
            case varint(UInt64)
            case bytes(Range<Int>)
            case fixed
        }
        var number: UInt64
        var content: Content
    }

    private struct Reader {
        private var index = 0

        mutating func next(_ bytes: Span<UInt8>) throws(Malformed) -> Field? {
            guard self.index < bytes.count else { return nil }
            let tag = try self.varint(bytes)
            guard tag >> 3 != 0, tag <= UInt64(UInt32.max) else { throw Malformed() }
            switch tag & 7 {
            case 0:
                return Field(number: tag >> 3, content: .varint(try self.varint(bytes)))
            case 1:
                try self.skip(8, bytes)
                return Field(number: tag >> 3, content: .fixed)
            case 2:
                let count = try self.varint(bytes)
                guard count <= UInt64(bytes.count - self.index) else { throw Malformed() }
                let range = self.index..<self.index + Int(count)
                self.index = range.upperBound
                return Field(number: tag >> 3, content: .bytes(range))
            case 5:
                try self.skip(4, bytes)
                return Field(number: tag >> 3, content: .fixed)
            default:
                // 3 and 4 are groups, which none of these messages has.
                throw Malformed()
            }
        }

        private mutating func skip(_ count: Int, _ bytes: Span<UInt8>) throws(Malformed) {
            guard bytes.count - self.index >= count else { throw Malformed() }
            self.index += count
        }

        private mutating func varint(_ bytes: Span<UInt8>) throws(Malformed) -> UInt64 {
            var number: UInt64 = 0
            var shift: UInt64 = 0
            while self.index < bytes.count {
                let byte = bytes[self.index]
                self.index += 1
                // The tenth byte holds the 64th bit only.
                guard shift < 63 || byte <= 1 else { throw Malformed() }
                number |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return number }
                shift += 7
            }
            throw Malformed()
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Percent-encoding (RFC 3986 §2.1) of keys and group names in paths.
///
/// What we send is understood alike by every member of the family: everything but `A-Z a-z 0-9 - . _ ~` is escaped, a space as `%20`
/// and a plus as `%2B`. (Go's groupcache sends a space as `+`, which its own servers then take for a plus.)
enum PercentEncoding {
    /// Appends `bytes`, escaped. A segment of dots alone gets its dots escaped as well, or proxies and Go's ServeMux would walk up the path.
    static func append(_ bytes: Span<UInt8>, to buffer: inout ByteBuffer) {
        let escapesDots = bytes.count <= 2 && Self.isDots(bytes)
        var start = 0
        for index in 0..<bytes.count {
            let byte = bytes[index]
            if ByteClass.unreserved.contains(byte), !escapesDots { continue }
            if start < index { buffer.writeBytes(bytes.extracting(start..<index).bytes) }
            let digits = UInt16(Self.digit(byte >> 4)) << 8 | UInt16(Self.digit(byte & 15))
            buffer.writeMultipleIntegers(UInt8(ascii: "%"), digits)
            start = index + 1
        }
        if start < bytes.count { buffer.writeBytes(bytes.extracting(start..<bytes.count).bytes) }
    }

    /// The length of `bytes` when they are escaped.
    static func encodedLength(_ bytes: Span<UInt8>) -> Int {
        var length = bytes.count
        for index in 0..<bytes.count where !ByteClass.unreserved.contains(bytes[index]) { length += 2 }
        return length
    }

    /// Whether the bytes of `range` stand for themselves, so that no decoding is needed.
    static func isPlain(_ range: Range<Int>, _ bytes: Span<UInt8>, plusIsSpace: Bool) -> Bool {
        for index in range {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%") || (plusIsSpace && byte == UInt8(ascii: "+")) { return false }
        }
        return true
    }

    /// Replaces `decoded` with the decoded bytes of `range`.
    ///
    /// - Returns: whether every `%` stood before two hexadecimal digits.
    static func decode(_ range: Range<Int>, _ bytes: Span<UInt8>, plusIsSpace: Bool, into decoded: inout [UInt8]) -> Bool {
        decoded.removeAll(keepingCapacity: true)
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = bytes[index]
            index += 1
            if byte == UInt8(ascii: "%") {
                guard index + 2 <= range.upperBound, let high = hexDigit(bytes[index]), let low = hexDigit(bytes[index + 1]) else {
                    return false
                }
                decoded.append(high << 4 | low)
                index += 2
            } else {
                decoded.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return true
    }

    private static func isDots(_ bytes: Span<UInt8>) -> Bool {
        for index in 0..<bytes.count where bytes[index] != UInt8(ascii: ".") { return false }
        return true
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }
}

// SPDX-License-Identifier: Apache-2.0

/// A place in a message of a link, up to an end. Reads the encoding of protocol buffers (tags, varints, lengths) and moves on.
///
/// Holds no bytes: each read is given them. No input makes it trap: every step is checked against the end before it is taken.
struct LinkCursor {
    private(set) var index: Int
    let end: Int

    /// - Parameter range: must lie within the bytes that the reads are given.
    @inline(__always)
    init(_ range: Range<Int>) {
        self.index = range.lowerBound
        self.end = range.upperBound
    }

    @inline(__always)
    var isAtEnd: Bool { self.index >= self.end }

    /// The next number; nearly always it is of one byte.
    @inline(__always)
    mutating func varint(_ bytes: Span<UInt8>) throws(LinkFault) -> UInt64 {
        guard self.index < self.end else { throw .truncated }
        let byte = bytes[self.index]
        if byte < 0x80 {
            self.index += 1
            return UInt64(byte)
        }
        return try self.longVarint(bytes)
    }

    /// A number of a field of 32 bits: what is above them is dropped, as every reader of protocol buffers does.
    @inline(__always)
    mutating func varint32(_ bytes: Span<UInt8>) throws(LinkFault) -> UInt32 {
        UInt32(truncatingIfNeeded: try self.varint(bytes))
    }

    private mutating func longVarint(_ bytes: Span<UInt8>) throws(LinkFault) -> UInt64 {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        while self.index < self.end {
            let byte = bytes[self.index]
            self.index += 1
            // The tenth byte holds the 64th bit only.
            guard shift < 63 || byte <= 1 else { throw .varint }
            number |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return number }
            shift += 7
        }
        throw .truncated
    }

    /// The next length and the bytes it is of, which are stepped over.
    @inline(__always)
    mutating func bytes(_ bytes: Span<UInt8>) throws(LinkFault) -> Range<Int> {
        let length = try self.varint(bytes)
        // Compared as it is: a length of 2⁶⁴-1 must not become a negative number first.
        guard length <= UInt64(self.end - self.index) else { throw .length }
        let start = self.index
        self.index = start + Int(length)
        return start..<self.index
    }

    /// The next 8 bytes as a number, the lowest byte first.
    mutating func fixed64(_ bytes: Span<UInt8>) throws(LinkFault) -> UInt64 {
        guard self.end - self.index >= 8 else { throw .truncated }
        var number: UInt64 = 0
        for byte in 0..<8 { number |= UInt64(bytes[self.index + byte]) << UInt64(8 * byte) }
        self.index += 8
        return number
    }

    /// Steps over a field that is none of those that the caller reads.
    ///
    /// - Parameters:
    ///   - tag: the field's tag, which has been read.
    ///   - known: the highest number of a known field. A field up to that which comes here is of the wrong type.
    mutating func skip(_ tag: UInt64, known: UInt64, _ bytes: Span<UInt8>) throws(LinkFault) {
        let number = tag >> 3
        guard number != 0, tag <= UInt64(UInt32.max) else { throw .fieldNumber }
        guard number > known else { throw .wireType }
        switch tag & 7 {
        case 0: _ = try self.varint(bytes)
        case 1: try self.step(8)
        case 2: _ = try self.bytes(bytes)
        case 5: try self.step(4)
        default: throw .wireType
        }
    }

    private mutating func step(_ count: Int) throws(LinkFault) {
        guard self.end - self.index >= count else { throw .truncated }
        self.index += count
    }
}

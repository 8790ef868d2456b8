// SPDX-License-Identifier: Apache-2.0

extension OutputRawSpan {
    /// Appends a tag of ``LinkTag``.
    @inline(__always)
    mutating func append(tag: UInt64) { self.append(UInt8(truncatingIfNeeded: tag)) }

    /// Appends a number as a varint: 7 bits a byte, the lowest first, the highest bit of a byte set when another follows.
    @inline(__always)
    mutating func append(varint number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            self.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Appends a numeric field; 0 is what a reader takes a missing field for, and is not written.
    @inline(__always)
    mutating func append(tag: UInt64, _ number: UInt64) {
        guard number != 0 else { return }
        self.append(tag: tag)
        self.append(varint: number)
    }

    @inline(__always)
    mutating func append(tag: UInt64, _ number: UInt32) { self.append(tag: tag, UInt64(number)) }

    /// Appends what stands before the bytes of a field.
    @inline(__always)
    mutating func append(tag: UInt64, count: Int) {
        self.append(tag: tag)
        self.append(varint: UInt64(count))
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

extension ByteBuffer {
    /// Takes what a read has brought, behind what is still to be looked at.
    ///
    /// What has been looked at goes first: in a stream whose messages never end where a read ends, there is always a rest, and a buffer
    /// only grows.
    mutating func append(_ incoming: inout ByteBuffer) {
        // Usually there is nothing left of the read before, and the buffer is taken as it is.
        guard self.readableBytes > 0 else {
            swap(&self, &incoming)
            return
        }
        if self.readerIndex > self.readableBytes { self.discardReadBytes() }
        self.writeBuffer(&incoming)
    }
}

extension ByteBuffer {
    /// Appends a decimal number without making a string of it.
    mutating func writeDecimal(_ number: Int) {
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var index = 20
        var rest = number.magnitude
        repeat {
            index -= 1
            digits[index] = UInt8(48 + rest % 10)
            rest /= 10
        } while rest > 0
        if number < 0 {
            index -= 1
            digits[index] = UInt8(ascii: "-")
        }
        self.writeBytes(digits.span.extracting(index..<20).bytes)
    }

    /// Appends 16 hexadecimal digits.
    mutating func writeHexadecimal(_ number: UInt64) {
        var digits = InlineArray<16, UInt8>(repeating: 0)
        for index in 0..<16 {
            let digit = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * index)) & 15
            digits[index] = digit < 10 ? 48 + digit : 87 + digit
        }
        self.writeBytes(digits.span.bytes)
    }
}

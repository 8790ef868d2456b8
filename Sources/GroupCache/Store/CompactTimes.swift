// SPDX-License-Identifier: Apache-2.0

/// A span of time in 16 bits, so that an entry has room for its grace periods: a 5-bit exponent over an 11-bit mantissa, in milliseconds.
///
/// Exact below 4.096 s, then rounded down by at most 1/2048; the longest is 139 years.
@usableFromInline
struct CompactDuration: Sendable, Hashable {
    @usableFromInline let bits: UInt16

    @inlinable init(bits: UInt16) { self.bits = bits }

    /// The largest representable span that is not longer than `milliseconds`; negative spans are 0.
    @usableFromInline
    init(milliseconds: Int64) {
        let span = UInt64(max(0, milliseconds))
        guard span >= 2048 else {
            self.bits = UInt16(span)
            return
        }
        let shift = 64 - span.leadingZeroBitCount - 12
        self.bits = shift >= 31 ? .max : UInt16(shift + 1) << 11 | UInt16((span >> UInt64(shift)) & 2047)
    }

    /// The span in milliseconds.
    @inlinable
    var milliseconds: Int64 {
        let exponent = Int64(self.bits >> 11)
        let mantissa = Int64(self.bits & 2047)
        return exponent == 0 ? mantissa : (2048 + mantissa) << (exponent - 1)
    }
}

/// How long a load took, in 8 bits: 8 steps an octave from 1 µs to an hour, rounded down. 0 is "not known".
@usableFromInline
struct CompactCost: Sendable, Hashable {
    @usableFromInline let bits: UInt8

    @inlinable init(bits: UInt8) { self.bits = bits }

    /// The largest representable cost that is not above `microseconds`; less than 1 µs is "not known".
    @usableFromInline
    init(microseconds: Int64) {
        guard microseconds >= 1 else {
            self.bits = 0
            return
        }
        let octave = 63 - microseconds.leadingZeroBitCount
        // Shift down before up where the three bits below the leading one exist, so that nothing overflows.
        let step = octave >= 3 ? (microseconds >> Int64(octave - 3)) & 7 : (microseconds << Int64(3 - octave)) & 7
        self.bits = UInt8(min(255, 1 + octave * 8 + Int(step)))
    }

    /// The cost in microseconds; 0 if it is not known.
    @usableFromInline
    var microseconds: Int64 {
        guard self.bits > 0 else { return 0 }
        let octave = Int64((self.bits - 1) >> 3)
        return ((8 + Int64((self.bits - 1) & 7)) << octave) >> 3
    }
}

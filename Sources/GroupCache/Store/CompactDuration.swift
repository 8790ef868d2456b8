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

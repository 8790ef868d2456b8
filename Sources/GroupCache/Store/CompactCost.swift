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

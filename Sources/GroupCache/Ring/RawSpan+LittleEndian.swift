// `unsafeLoadUnaligned` checks its bounds; what makes it "unsafe" is only that not every type is valid for every bit pattern, and every
// bit pattern is a valid integer.
extension RawSpan {
    /// The eight bytes from `offset` as a little-endian number.
    @inline(__always)
    func littleEndian64(_ offset: Int) -> UInt64 {
        UInt64(littleEndian: unsafe self.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The four bytes from `offset` as a little-endian number.
    @inline(__always)
    func littleEndian32(_ offset: Int) -> UInt32 {
        UInt32(littleEndian: unsafe self.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}

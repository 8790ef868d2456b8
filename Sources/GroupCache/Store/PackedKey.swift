/// The bytes of a key as an entry keeps and compares them: up to 16 as two words, longer ones where they are.
@usableFromInline
struct PackedKey {
    @usableFromInline let word0: UInt64
    @usableFromInline let word1: UInt64
    @usableFromInline let bytes: UnsafeRawBufferPointer

    /// The longest key that lies inside its entry, in bytes.
    @inlinable static var inlineLength: Int { 16 }

    @inlinable
    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        (self.word0, self.word1) = bytes.count <= Self.inlineLength ? Self.words(bytes) : (0, 0)
    }

    /// At most 16 bytes, padded with zeros to two words. Two keys of one length have the same words only if they have the same bytes.
    @inlinable @inline(__always)
    static func words(_ key: UnsafeRawBufferPointer) -> (UInt64, UInt64) {
        let count = key.count
        if count >= 8 {
            let tail = key.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
            // For 8 bytes the shift is by 64, which Swift's `>>` makes 0.
            return (UInt64(littleEndian: key.loadUnaligned(as: UInt64.self)), UInt64(littleEndian: tail) >> UInt64(8 * (16 - count)))
        }
        if count >= 4 {
            let head = UInt64(UInt32(littleEndian: key.loadUnaligned(as: UInt32.self)))
            let tail = UInt64(UInt32(littleEndian: key.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self)))
            return (head | tail << UInt64(8 * (count - 4)), 0)
        }
        if count == 0 { return (0, 0) }
        let middle = UInt64(key[count / 2]) << UInt64(8 * (count / 2))
        return (UInt64(key[0]) | middle | UInt64(key[count - 1]) << UInt64(8 * (count - 1)), 0)
    }
}

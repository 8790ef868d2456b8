// SPDX-License-Identifier: Apache-2.0

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
        if count < 8 { return (Self.word(key, from: 0, count), 0) }
        return (UInt64(littleEndian: key.loadUnaligned(as: UInt64.self)), Self.word(key, from: 8, count - 8))
    }

    /// At most 8 bytes from `start`, padded with zeros.
    ///
    /// No load reaches back before `start`. A small `String` lies in two registers that were just stored one after the other, and the processor
    /// can hand a load the bytes of one store before it is done, but not of two.
    @inlinable @inline(__always)
    static func word(_ key: UnsafeRawBufferPointer, from start: Int, _ count: Int) -> UInt64 {
        if count >= 8 { return UInt64(littleEndian: key.loadUnaligned(fromByteOffset: start, as: UInt64.self)) }
        if count >= 4 {
            let head = UInt64(UInt32(littleEndian: key.loadUnaligned(fromByteOffset: start, as: UInt32.self)))
            let tail = UInt64(UInt32(littleEndian: key.loadUnaligned(fromByteOffset: start + count - 4, as: UInt32.self)))
            return head | tail << UInt64(8 * (count - 4))
        }
        if count == 0 { return 0 }
        let middle = UInt64(key[start + count / 2]) << UInt64(8 * (count / 2))
        return UInt64(key[start]) | middle | UInt64(key[start + count - 1]) << UInt64(8 * (count - 1))
    }
}

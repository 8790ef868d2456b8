// SPDX-License-Identifier: Apache-2.0

/// A seeded 64-bit hash of key bytes, in the manner of wyhash (Wang Yi, 2019): two folded 64×64→128-bit multiplications for a short key.
///
/// The 128-bit seed is random for each store, so that nobody outside can choose keys that meet in one shard or one place of an index.
/// It places keys inside one process only; which node owns a key is the ring's business.
@usableFromInline
package struct KeyHash: Sendable {
    @usableFromInline let seed0: UInt64
    @usableFromInline let seed1: UInt64

    /// A hash with a random seed.
    package init() {
        self.init(seed0: .random(in: .min ... .max), seed1: .random(in: .min ... .max))
    }

    /// A hash with a fixed seed, for tests.
    package init(seed0: UInt64, seed1: UInt64) {
        self.seed0 = seed0
        self.seed1 = seed1
    }

    /// The hash of `key`. O(length); allocates nothing.
    @inlinable @inline(__always)
    package func callAsFunction(_ key: UnsafeRawBufferPointer) -> UInt64 {
        self.finish(key.count <= 16 ? PackedKey.words(key) : self.absorb(key), count: key.count)
    }

    /// The hash of a key of `count` bytes, of which these are the words if they are at most 16.
    @inlinable @inline(__always)
    func finish(_ words: (UInt64, UInt64), count: Int) -> UInt64 {
        let product = (words.0 ^ self.seed0).multipliedFullWidth(by: words.1 ^ self.seed1)
        return Self.fold(product.low ^ UInt64(truncatingIfNeeded: count) ^ Self.odd0, product.high ^ self.seed1 ^ Self.odd1)
    }

    /// Long keys: sixteen bytes a round into two words that the common end mixes; the last, possibly overlapping, sixteen stay for it.
    @usableFromInline
    func absorb(_ key: UnsafeRawBufferPointer) -> (UInt64, UInt64) {
        var state = self.seed0 ^ Self.odd0
        var offset = 0
        while offset < key.count - 16 {
            let a = key.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let b = key.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
            state = Self.fold(a ^ Self.odd1 ^ self.seed1, b ^ state)
            offset += 16
        }
        let a = key.loadUnaligned(fromByteOffset: key.count - 16, as: UInt64.self)
        let b = key.loadUnaligned(fromByteOffset: key.count - 8, as: UInt64.self)
        return (a ^ state, b ^ (state &* Self.odd0))
    }

    /// The halves of the 128-bit product, xored: every bit of either factor reaches every bit of the result.
    @inlinable
    static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    // wyhash's first two secrets: odd, with 32 bits set, and of different bytes.
    @inlinable static var odd0: UInt64 { 0xa076_1d64_78bd_642f }
    @inlinable static var odd1: UInt64 { 0xe703_7ed1_a0b4_28db }
}

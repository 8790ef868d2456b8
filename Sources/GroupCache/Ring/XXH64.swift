// SPDX-License-Identifier: Apache-2.0

/// XXH64, the 64-bit hash of the xxHash family, as specified in
/// <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>.
///
/// It is seed-free in the ring (seed 0), so that every process, on every machine and in every language, computes the same owner.
/// It is not a defence against keys chosen to collide.
package enum XXH64 {
    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    /// The hash of `bytes`. O(n).
    package static func hash(_ bytes: Span<UInt8>, seed: UInt64 = 0) -> UInt64 {
        // A short key must not pay for the registers that a long one needs.
        bytes.count < 32 ? self.finish(seed &+ self.prime5, bytes) : self.long(bytes, seed: seed)
    }

    @inline(never)
    private static func long(_ bytes: Span<UInt8>, seed: UInt64) -> UInt64 {
        self.finish(self.stripes(bytes.bytes, seed: seed), bytes)
    }

    /// Adds what follows the last stripe of 32 bytes, and mixes.
    @inline(__always)
    private static func finish(_ start: UInt64, _ bytes: Span<UInt8>) -> UInt64 {
        let raw = bytes.bytes
        let count = bytes.count
        var offset = count & ~31
        var hash = start &+ UInt64(truncatingIfNeeded: count)
        // The bits of the count say what is left: branches that repeat from key to key, where loops would be mispredicted more often.
        if count & 16 != 0 {
            hash = self.word(hash, raw.littleEndian64(offset))
            hash = self.word(hash, raw.littleEndian64(offset &+ 8))
            offset &+= 16
        }
        if count & 8 != 0 {
            hash = self.word(hash, raw.littleEndian64(offset))
            offset &+= 8
        }
        if count & 4 != 0 {
            hash = self.rotate(hash ^ (UInt64(raw.littleEndian32(offset)) &* self.prime1), 23) &* self.prime2 &+ self.prime3
            offset &+= 4
        }
        if count & 2 != 0 {
            hash = self.byte(hash, bytes[offset])
            hash = self.byte(hash, bytes[offset &+ 1])
            offset &+= 2
        }
        if count & 1 != 0 {
            hash = self.byte(hash, bytes[offset])
        }
        hash = (hash ^ (hash >> 33)) &* self.prime2
        hash = (hash ^ (hash >> 29)) &* self.prime3
        return hash ^ (hash >> 32)
    }

    /// What the leading stripes of 32 bytes add up to.
    private static func stripes(_ raw: RawSpan, seed: UInt64) -> UInt64 {
        var lane1 = seed &+ self.prime1 &+ self.prime2
        var lane2 = seed &+ self.prime2
        var lane3 = seed
        var lane4 = seed &- self.prime1
        var offset = 0
        while offset + 32 <= raw.byteCount {
            lane1 = self.round(lane1, raw.littleEndian64(offset))
            lane2 = self.round(lane2, raw.littleEndian64(offset + 8))
            lane3 = self.round(lane3, raw.littleEndian64(offset + 16))
            lane4 = self.round(lane4, raw.littleEndian64(offset + 24))
            offset += 32
        }
        var hash = self.rotate(lane1, 1) &+ self.rotate(lane2, 7) &+ self.rotate(lane3, 12) &+ self.rotate(lane4, 18)
        hash = self.merge(hash, lane1)
        hash = self.merge(hash, lane2)
        hash = self.merge(hash, lane3)
        return self.merge(hash, lane4)
    }

    @inline(__always)
    private static func word(_ hash: UInt64, _ input: UInt64) -> UInt64 {
        self.rotate(hash ^ self.round(0, input), 27) &* self.prime1 &+ self.prime4
    }

    @inline(__always)
    private static func byte(_ hash: UInt64, _ input: UInt8) -> UInt64 {
        self.rotate(hash ^ (UInt64(input) &* self.prime5), 11) &* self.prime1
    }

    @inline(__always)
    private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 {
        self.rotate(lane &+ input &* self.prime2, 31) &* self.prime1
    }

    @inline(__always)
    private static func merge(_ hash: UInt64, _ lane: UInt64) -> UInt64 {
        (hash ^ self.round(0, lane)) &* self.prime1 &+ self.prime4
    }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        (value &<< count) | (value &>> (64 &- count))
    }
}

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

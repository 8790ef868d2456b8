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

    /// The hash of `bytes`. O(n), about one byte per cycle for keys of cache size.
    package static func hash(_ bytes: Span<UInt8>, seed: UInt64 = 0) -> UInt64 {
        let raw = bytes.bytes
        let count = raw.byteCount
        var offset = 0
        var hash: UInt64
        if count >= 32 {
            var lane1 = seed &+ self.prime1 &+ self.prime2
            var lane2 = seed &+ self.prime2
            var lane3 = seed
            var lane4 = seed &- self.prime1
            while offset + 32 <= count {
                lane1 = self.round(lane1, raw.littleEndian64(offset))
                lane2 = self.round(lane2, raw.littleEndian64(offset + 8))
                lane3 = self.round(lane3, raw.littleEndian64(offset + 16))
                lane4 = self.round(lane4, raw.littleEndian64(offset + 24))
                offset += 32
            }
            hash = self.rotate(lane1, 1) &+ self.rotate(lane2, 7) &+ self.rotate(lane3, 12) &+ self.rotate(lane4, 18)
            hash = self.merge(hash, lane1)
            hash = self.merge(hash, lane2)
            hash = self.merge(hash, lane3)
            hash = self.merge(hash, lane4)
        } else {
            hash = seed &+ self.prime5
        }
        hash &+= UInt64(truncatingIfNeeded: count)
        while offset + 8 <= count {
            hash = self.rotate(hash ^ self.round(0, raw.littleEndian64(offset)), 27) &* self.prime1 &+ self.prime4
            offset += 8
        }
        if offset + 4 <= count {
            hash = self.rotate(hash ^ (UInt64(raw.littleEndian32(offset)) &* self.prime1), 23) &* self.prime2 &+ self.prime3
            offset += 4
        }
        while offset < count {
            hash = self.rotate(hash ^ (UInt64(bytes[offset]) &* self.prime5), 11) &* self.prime1
            offset += 1
        }
        hash = (hash ^ (hash >> 33)) &* self.prime2
        hash = (hash ^ (hash >> 29)) &* self.prime3
        return hash ^ (hash >> 32)
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

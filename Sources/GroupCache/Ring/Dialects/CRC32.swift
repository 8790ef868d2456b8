// SPDX-License-Identifier: Apache-2.0

/// CRC-32 as in IEEE 802.3, zlib and Go's `crc32.ChecksumIEEE`: reflected polynomial 0xEDB88320.
///
/// Eight bytes per step by eight tables: "slicing-by-8", Kounavis and Berry, ISCC 2005.
package enum CRC32 {
    /// Table `k` at `256 * k`: the remainder of a byte that is followed by `k` zero bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var remainder = UInt32(byte)
            for _ in 0..<8 {
                remainder = remainder & 1 == 1 ? (remainder >> 1) ^ 0xEDB8_8320 : remainder >> 1
            }
            tables[byte] = remainder
        }
        for entry in 256..<tables.count {
            let shorter = tables[entry - 256]
            tables[entry] = tables[Int(shorter & 0xFF)] ^ (shorter >> 8)
        }
        return tables
    }()

    /// The checksum of `bytes`. O(n).
    package static func hash(_ bytes: Span<UInt8>) -> UInt32 {
        let raw = bytes.bytes
        let tables = self.tables.span
        var remainder = UInt32.max
        var offset = 0
        while offset + 8 <= raw.byteCount {
            let word = raw.littleEndian64(offset) ^ UInt64(remainder)
            remainder = tables[7 * 256 + Int(word & 0xFF)]
            remainder ^= tables[6 * 256 + Int((word >> 8) & 0xFF)]
            remainder ^= tables[5 * 256 + Int((word >> 16) & 0xFF)]
            remainder ^= tables[4 * 256 + Int((word >> 24) & 0xFF)]
            remainder ^= tables[3 * 256 + Int((word >> 32) & 0xFF)]
            remainder ^= tables[2 * 256 + Int((word >> 40) & 0xFF)]
            remainder ^= tables[256 + Int((word >> 48) & 0xFF)]
            remainder ^= tables[Int(word >> 56)]
            offset += 8
        }
        while offset < raw.byteCount {
            remainder = (remainder >> 8) ^ tables[Int((remainder ^ UInt32(bytes[offset])) & 0xFF)]
            offset += 1
        }
        return ~remainder
    }
}

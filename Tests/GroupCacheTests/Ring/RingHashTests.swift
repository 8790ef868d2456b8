// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

/// Vectors of the hashes from their authors, and of longer inputs from the reference implementations (python-xxhash, zlib, hashlib).
@Suite struct RingHashTests {
    private func xxh64(_ bytes: [UInt8], seed: UInt64 = 0) -> UInt64 { XXH64.hash(bytes.span, seed: seed) }
    private func crc32(_ bytes: [UInt8]) -> UInt32 { CRC32.hash(bytes.span) }
    private func fnv1(_ bytes: [UInt8]) -> UInt64 { FNV1.hash(bytes.span) }

    private func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Inputs of 0 to 299 bytes: every length of tail after none, one and several stripes.
    private let inputs: [[UInt8]] = (0..<300).map { count in (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31 + count) } }

    @Test(
        arguments: [
            ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
            ("message digest", 0x066E_D728_FCEE_B3BE), ("0123456789abcdef", 0x5C5B_90C3_4E37_6D0B),
            ("key-000012345", 0xF9C8_FA78_0E77_BD39),
        ] as [(String, UInt64)]
    )
    func xxh64OfText(text: String, hash: UInt64) {
        #expect(self.xxh64(Array(text.utf8)) == hash)
    }

    @Test func xxh64OfLongInputsAndWithASeed() {
        #expect(self.xxh64(Array(0..<32)) == 0xCBF5_9C51_16FF_32B4)
        #expect(self.xxh64(Array(0..<33)) == 0x0C53_5D1A_CAFB_8EAD)
        #expect(self.xxh64(Array(0..<100)) == 0x6AC1_E580_3216_6597)
        #expect(self.xxh64(Array(0..<100), seed: 0x9E37_79B9_7F4A_7C15) == 0x3B97_D91E_BA03_E785)
        #expect(self.xxh64([], seed: 0x9E37_79B9_7F4A_7C15) == 0xC434_9FC9_3C01_0000)
    }

    @Test func everyLengthOfInput() {
        let bigEndian = { (number: UInt64, count: Int) in (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * (count - 1 - $0))) } }
        #expect(self.xxh64(self.inputs.flatMap { bigEndian(self.xxh64($0), 8) }) == 0xD82E_4182_86A3_784A)
        #expect(self.crc32(self.inputs.flatMap { bigEndian(UInt64(self.crc32($0)), 4) }) == 0xD0F8_4F90)
        #expect(self.hexadecimal(MD5.hash(self.inputs.flatMap { MD5.hash($0) })) == "b55d5b6e07844061657cced61e9ea7b9")
    }

    @Test func crc32OfText() {
        #expect(self.crc32([]) == 0)
        #expect(self.crc32(Array("123456789".utf8)) == 0xCBF4_3926)
        #expect(self.crc32(Array("0http://localhost:8001".utf8)) == 90_546_225)
        #expect(self.crc32(Array("Tom".utf8)) == 1_167_209_971)
    }

    @Test func fnv1OfText() {
        #expect(self.fnv1([]) == 0xCBF2_9CE4_8422_2325)
        #expect(self.fnv1(Array("a".utf8)) == 0xAF63_BD4C_8601_B7BE)
        #expect(self.fnv1(Array("Tom".utf8)) == 15_577_888_543_788_036_823)
    }

    @Test(arguments: [
        ("", "d41d8cd98f00b204e9800998ecf8427e"), ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"), ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
        (String(repeating: "1234567890", count: 8), "57edf4a22be3c955ac49da2e2107b67a"),
    ])
    func md5AsInRFC1321(text: String, digest: String) {
        #expect(self.hexadecimal(MD5.hash(Array(text.utf8))) == digest)
    }

    @Test func splitMix64IsThePublishedGenerator() {
        var generator = SplitMix64(state: 1_234_567)
        #expect(generator.next() == 6_457_827_717_110_365_317)
        #expect(generator.next() == 3_203_168_211_198_807_973)
        #expect(generator.next() == 9_817_491_932_198_370_423)
    }
}

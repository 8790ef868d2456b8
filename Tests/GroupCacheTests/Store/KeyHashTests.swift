// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite struct KeyHashTests {
    let hasher = KeyHash(seed0: 0x0123_4567_89ab_cdef, seed1: 0xfedc_ba98_7654_3210)

    func hash(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { self.hasher($0) } }

    @Test(arguments: [1, 3, 4, 7, 8, 9, 15, 16, 17, 24, 32, 33, 48, 100])
    func `Every bit of a key moves about half of the hash's bits`(length: Int) {
        var random = SeededRandom(seed: UInt64(length))
        var flips = [Int](repeating: 0, count: 64)
        var trials = 0
        for _ in 0..<(4096 / length + 8) {
            var key = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            let before = self.hash(key)
            for bit in 0..<length * 8 {
                key[bit / 8] ^= 1 << (bit % 8)
                let changed = before ^ self.hash(key)
                key[bit / 8] ^= 1 << (bit % 8)
                for output in 0..<64 where changed >> UInt64(output) & 1 == 1 { flips[output] += 1 }
                trials += 1
            }
        }
        for output in 0..<64 {
            let share = Double(flips[output]) / Double(trials)
            #expect(abs(share - 0.5) < 0.05, "bit \(output) flips in \(share) of the cases")
        }
    }

    @Test(arguments: [0, 8, 16, 24, 40, 52])
    func `Sequential keys spread evenly over any twelve bits`(shift: UInt64) {
        let count = 4096 * 16
        for prefix in ["user:", "a-rather-long-prefix-of-many-keys/"] {
            var buckets = [Int](repeating: 0, count: 4096)
            for number in 0..<count { buckets[Int(self.hash(Array("\(prefix)\(number)".utf8)) >> shift & 4095)] += 1 }
            // χ² with 4,095 degrees of freedom: mean 4,095, standard deviation 90.
            let chi = buckets.reduce(0.0) { $0 + Double(($1 - 16) * ($1 - 16)) / 16 }
            #expect(abs(chi - 4095) < 600)
        }
    }

    @Test func `Binary counters do not collide`() {
        var seen: Set<UInt64> = []
        for number in UInt64(0)..<100_000 { seen.insert(withUnsafeBytes(of: number.bigEndian) { self.hasher($0) }) }
        for length in 1...64 { seen.insert(self.hash([UInt8](repeating: 0, count: length))) }
        // Eight zeros are the counter's first value too.
        #expect(seen.count == 100_063)
    }

    @Test func `The seed decides, and is another one for each hasher`() {
        let key = Array("Tom".utf8)
        let (a, b) = (KeyHash(), KeyHash())
        #expect(key.withUnsafeBytes { a($0) } != key.withUnsafeBytes { b($0) })
        #expect(key.withUnsafeBytes { a($0) } == key.withUnsafeBytes { a($0) })
    }

    @Test func `Packed words are the bytes and nothing else`() {
        for length in 0...16 {
            let key = (0..<length).map { UInt8($0 + 1) }
            let words = key.withUnsafeBytes { PackedKey.words($0) }
            var expected: (UInt64, UInt64) = (0, 0)
            for (index, byte) in key.enumerated() {
                if index < 8 {
                    expected.0 |= UInt64(byte) << UInt64(8 * index)
                } else {
                    expected.1 |= UInt64(byte) << UInt64(8 * (index - 8))
                }
            }
            #expect(words == expected, "\(length) bytes")
        }
    }
}

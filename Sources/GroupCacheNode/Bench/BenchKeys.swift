// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// The keys of the benchmarks: `key-000000000` and so on, 13 bytes.
enum BenchKeys {
    static func key(_ number: Int) -> String {
        let digits = String(number)
        return "key-" + String(repeating: "0", count: max(0, 9 - digits.count)) + digits
    }

    /// Numbers below `count` in an order that is random and the same every time (SplitMix64).
    static func order(_ count: Int, length: Int) -> [Int] {
        var state: UInt64 = 0x9E37_79B9
        return (0..<length).map { _ in
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return Int((z ^ (z >> 31)) % UInt64(count))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// How often each key was asked for of late, roughly and in fixed memory: the count-min sketch of TinyLFU (Einziger, Friedman and
/// Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", ACM ToS 2017).
///
/// Each key has four 4-bit counters in one cache line; the least of them is its frequency, never too low and rarely too high. After
/// ten times as many events as it is meant for keys, all counters are halved, so that old fame fades: two cache lines with each of the events that follow,
/// which is done long before the next time.
struct FrequencySketch: ~Copyable {
    private let words: UnsafeMutablePointer<UInt64>
    private let blockMask: Int
    private let sampleSize: Int
    private var events = 0
    /// Words from here on are still to be halved.
    private var agingCursor: Int

    private static var wordsPerBlock: Int { 8 }

    /// A sketch for about `keys` keys; it takes ``byteCount(keys:)`` bytes.
    init(keys: Int) {
        let count = Self.byteCount(keys: keys) / 8
        self.words = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64).bindMemory(to: UInt64.self, capacity: count)
        self.words.initialize(repeating: 0, count: count)
        self.blockMask = count / Self.wordsPerBlock - 1
        self.sampleSize = 10 * max(16, keys)
        self.agingCursor = count
    }

    deinit { self.words.deallocate() }

    /// 8 bytes a key, rounded up to a power of two of cache lines.
    static func byteCount(keys: Int) -> Int {
        let blocks = max(1, (min(max(keys, 1), 1 << 20) + wordsPerBlock - 1) / wordsPerBlock)
        return (1 << (Int.bitWidth - (blocks - 1).leadingZeroBitCount)) * wordsPerBlock * 8
    }

    /// Counts one event for the key with this hash.
    mutating func record(_ hash: UInt32) {
        let spread = Self.spread(hash)
        var counted = false
        for row in 0..<4 {
            let (word, shift) = self.place(spread, row: row)
            if (self.words[word] >> shift) & 15 < 15 {
                self.words[word] += 1 << shift
                counted = true
            }
        }
        guard counted else { return }
        self.events += 1
        if self.events >= self.sampleSize {
            self.events /= 2
            self.agingCursor = 0
        }
        self.age()
    }

    /// How often the key with this hash was counted of late, up to 15.
    func frequency(_ hash: UInt32) -> Int {
        let spread = Self.spread(hash)
        var least: UInt64 = 15
        for row in 0..<4 {
            let (word, shift) = self.place(spread, row: row)
            least = min(least, (self.words[word] >> shift) & 15)
        }
        return Int(least)
    }

    /// Halves the counters of the next two blocks, if there are any to be halved.
    private mutating func age() {
        let end = min((self.blockMask + 1) * Self.wordsPerBlock, self.agingCursor + 2 * Self.wordsPerBlock)
        for word in self.agingCursor..<end { self.words[word] = (self.words[word] >> 1) & 0x7777_7777_7777_7777 }
        self.agingCursor = end
    }

    /// Two words of a block belong to each row; five bits of the spread hash choose one of their 32 counters.
    private func place(_ spread: UInt64, row: Int) -> (word: Int, shift: UInt64) {
        let bits = spread >> UInt64(row * 5)
        let block = Int(truncatingIfNeeded: spread >> 32) & self.blockMask
        return (block * Self.wordsPerBlock + row * 2 + Int(bits & 1), ((bits >> 1) & 15) * 4)
    }

    private static func spread(_ hash: UInt32) -> UInt64 {
        let mixed = (UInt64(hash) | 1 << 32) &* 0x9e37_79b9_7f4a_7c15
        return mixed ^ (mixed >> 29)
    }
}

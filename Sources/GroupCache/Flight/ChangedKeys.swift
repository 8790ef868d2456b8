// SPDX-License-Identifier: Apache-2.0

/// The keys of one shard that were set, removed or refreshed of late: what other nodes have of them is old.
///
/// Two Bloom filters (Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors", CACM 1970), of which the older one is thrown away
/// once a minute, so that memory is fixed however much is changed. A key that it takes for a changed one costs a load, never a wrong value.
/// A value, without locks or clocks.
struct ChangedKeys: Sendable {
    /// A change is remembered for one to two of these; milliseconds.
    static let period: Int64 = 60_000
    /// Bits of a filter: 4 KiB, which some thousand changes a minute fill so far that it begins to err.
    private static let bits: UInt64 = 1 << 15

    private struct Filter {
        /// Empty until something changes.
        var words: [UInt64] = []
        /// Everything has changed.
        var isFull = false

        mutating func insert(_ hash: UInt64) {
            if self.isFull { return }
            if self.words.isEmpty { self.words = Array(repeating: 0, count: Int(ChangedKeys.bits / 64)) }
            for bit in ChangedKeys.places(of: hash) { self.words[Int(bit / 64)] |= 1 << (bit % 64) }
        }

        func contains(_ hash: UInt64) -> Bool {
            if self.isFull || self.words.isEmpty { return self.isFull }
            return ChangedKeys.places(of: hash).allSatisfy { self.words[Int($0 / 64)] & 1 << ($0 % 64) != 0 }
        }
    }

    private var newer = Filter()
    private var older = Filter()
    /// When the newer one began; milliseconds.
    private var began: Int64 = 0

    mutating func insert(_ hash: UInt64, now: Int64) {
        self.turn(now)
        self.newer.insert(hash)
    }

    mutating func insertAll(now: Int64) {
        self.turn(now)
        self.newer = Filter(isFull: true)
    }

    func contains(_ hash: UInt64, now: Int64) -> Bool {
        switch now - self.began {
        case ..<Self.period: self.newer.contains(hash) || self.older.contains(hash)
        case ..<(2 * Self.period): self.newer.contains(hash)
        default: false
        }
    }

    private mutating func turn(_ now: Int64) {
        guard now - self.began >= Self.period else { return }
        self.older = now - self.began < 2 * Self.period ? self.newer : Filter()
        self.newer = Filter()
        self.began = now
    }

    /// Four places from the two halves of the hash (Kirsch and Mitzenmacher, "Less Hashing, Same Performance", 2008). The highest bits, which
    /// are the same for a whole shard, count least.
    private static func places(of hash: UInt64) -> some Sequence<UInt64> {
        let step = hash >> 24 | 1
        return (0..<4).lazy.map { (hash &+ $0 &* step) % Self.bits }
    }
}

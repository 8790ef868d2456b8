// SPDX-License-Identifier: Apache-2.0

/// The keys of one shard that were removed of late, and until when what is loaded of them may still be what was there before, because it is read where
/// the change has not come yet: a value, without locks or clocks. Bounded: where there is no room for another key, the times of all become that of the
/// whole shard, which costs loads.
struct SettlingKeys: Sendable {
    /// How many keys have times of their own.
    static let limit = 1_024

    private var times: [UInt64: Int64] = [:]
    private var all = Int64.min

    /// Loads of a key that begin before `end` are not to be kept. Milliseconds. O(1) amortised.
    mutating func insert(_ hash: UInt64, until end: Int64, now: Int64) {
        guard end > now else { return }
        self.times[hash] = max(end, self.times[hash] ?? end)
        guard self.times.count > Self.limit else { return }
        self.times = self.times.filter { $0.value > now }
        // Each time that all are looked at, many have gone: what is left may come as often again before the next time.
        guard self.times.count > Self.limit / 2 else { return }
        self.all = max(self.all, self.times.values.max() ?? self.all)
        self.times = [:]
    }

    /// Whether a load of a key that began then is not to be kept.
    func contains(_ hash: UInt64, _ began: Int64) -> Bool {
        if self.times.isEmpty, began >= self.all { return false }
        return began < max(self.all, self.times[hash] ?? .min)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite("Changed keys") struct ChangedKeysTests {
    private let period = ChangedKeys.period

    @Test("what changed is known for one to two periods, and then forgotten")
    func time() {
        var changed = ChangedKeys()
        changed.insert(7, now: 1_000_000)
        changed.insert(8, now: 1_000_000 + self.period - 1)
        #expect(changed.contains(7, now: 1_000_000) && changed.contains(8, now: 1_000_000 + self.period))
        #expect(changed.contains(7, now: 1_000_000 + self.period) && !changed.contains(9, now: 1_000_000 + self.period))
        #expect(!changed.contains(7, now: 1_000_000 + 2 * self.period) && !changed.contains(8, now: 1_000_000 + 3 * self.period))
        changed.insert(7, now: 5_000_000)
        #expect(!changed.contains(7, now: 9_000_000), "also when nobody has asked for long")
    }

    @Test("when everything has changed every key has, for as long")
    func all() {
        var changed = ChangedKeys()
        changed.insertAll(now: 1_000_000)
        changed.insert(3, now: 1_000_001)
        #expect(changed.contains(12_345, now: 1_000_000 + self.period))
        #expect(!changed.contains(12_345, now: 1_000_000 + 3 * self.period))
    }

    @Test("no change is missed, and few keys are taken for changed ones until there are very many")
    func errors() {
        var random = SystemRandomNumberGenerator()
        var changed = ChangedKeys()
        // Hashes of one shard: their highest bits are the same.
        let hashes = (0..<4_000).map { _ in UInt64.random(in: 0..<1 << 58, using: &random) }
        for hash in hashes.prefix(3_000) { changed.insert(hash, now: 1) }
        #expect(hashes.prefix(3_000).allSatisfy { changed.contains($0, now: 2) })
        #expect(hashes.suffix(1_000).count { changed.contains($0, now: 2) } < 60)
        // However many there are, it takes no more room, and misses none.
        for hash in UInt64(0)..<200_000 { changed.insert(hash &* 0x9E37_79B9_7F4A_7C15, now: 2) }
        #expect(hashes.prefix(3_000).allSatisfy { changed.contains($0, now: 2) })
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

/// Which entries are hit is found out from what hits leave behind, and changes nothing.
@Suite struct StoreSamplingTests {
    static let policies: [EvictionPolicy] = [.lru, .s3fifo]

    private func store(_ eviction: EvictionPolicy, shards: Int = 1, capacity: Int = 1 << 20, hasher: KeyHash = KeyHash()) -> Store<Int> {
        Store<Int>(StoreConfiguration(capacity: capacity, eviction: eviction, shardCount: shards, near: true), hasher: hasher)
    }

    private func text(_ hit: SampledHit) -> String { String(decoding: hit.key, as: UTF8.self) }

    @Test(arguments: policies) func `The last hits are seen, and together they stand for all of them`(policy: EvictionPolicy) {
        let store = self.store(policy)
        for number in 0..<10 { store.put("key\(number)", number) }
        store.put("copy", 1, kind: .near)
        for _ in 0..<5 { #expect(store.get("key1").isHit) }
        var sampling = store.beginSampling()
        #expect(store.sampleHits(&sampling, most: 8).isEmpty, "what was before does not count")
        for key in ["key2", "copy", "a key that there is not", "key3"] { _ = store.get(key) }
        let few = store.sampleHits(&sampling, most: 8)
        #expect(few.map(self.text) == ["key3", "copy", "key2"] && few.map(\.weight) == [1, 1, 1])
        #expect(store.sampleHits(&sampling, most: 8).isEmpty, "nothing is seen twice")
        for _ in 0..<20 { _ = store.get("key4") }
        let many = store.sampleHits(&sampling, most: 8)
        #expect(many.count == 8 && many.allSatisfy { self.text($0) == "key4" } && many.map(\.weight).reduce(0, +) == 20)
        store.endSampling()
    }

    @Test(arguments: policies) func `What the log has no trace of is made up for by the next look`(policy: EvictionPolicy) {
        let store = self.store(policy)
        store.put("key", 1)
        var sampling = store.beginSampling()
        for _ in 0..<64 { _ = store.get("key") }
        // The log is full with the 64th, and has been gone through.
        #expect(store.sampleHits(&sampling, most: 8).isEmpty)
        _ = store.get("key")
        #expect(store.sampleHits(&sampling, most: 8).map(\.weight) == [65])
        store.endSampling()
    }

    @Test(arguments: policies, [1, 8]) func `Who samples changes nothing of what leaves first`(policy: EvictionPolicy, shards: Int) {
        // By which shard and slot a key is found, and which ghosts are taken for each other, depends on the hash, which is another one in each store.
        let hasher = KeyHash()
        func survivors(isSampled: Bool) -> [String] {
            let store = self.store(policy, shards: shards, capacity: 64 << 10, hasher: hasher)
            var random = SeededRandom(seed: 7)
            var sampling = isSampled ? store.beginSampling() : HitSampling()
            for turn in 0..<20_000 {
                let number = min(Int.random(in: 0..<900, using: &random), Int.random(in: 0..<900, using: &random))
                if !store.get("key\(number)").isHit { store.put("key\(number)", number, size: 32) }
                if turn % 97 == 0 { store.drop("key\(number)") }
                if isSampled, turn % 31 == 0 { _ = store.sampleHits(&sampling, most: 8) }
            }
            return store.listing().map { String(decoding: $0.key, as: UTF8.self) }.sorted()
        }
        let sampled = survivors(isSampled: true)
        #expect(!sampled.isEmpty && sampled == survivors(isSampled: false))
    }

    @Test func `When the last one has ended, hits are noted as before`() {
        let store = self.store(.s3fifo)
        store.put("key", 1)
        func marks(_ store: Store<Int>) -> Bool { store.shard(at: 0).core.pointee.marksHits }
        #expect(marks(store))
        _ = store.beginSampling()
        _ = store.beginSampling()
        store.endSampling()
        #expect(!marks(store))
        store.endSampling()
        #expect(marks(store))
        _ = store.get("key")
        let touches = store.shard(at: 0).core.pointee.touches.count
        #expect(touches == 0)
        let lru = self.store(.lru)
        _ = lru.beginSampling()
        lru.endSampling()
        #expect(!marks(lru))
    }

    @Test(arguments: policies) func `It goes on while the store is emptied and filled`(policy: EvictionPolicy) async {
        let store = self.store(policy, shards: 4, capacity: 32 << 10)
        await withTaskGroup(of: Void.self) { tasks in
            for seed in 0..<2 as Range<UInt64> {
                tasks.addTask {
                    var random = SeededRandom(seed: seed)
                    for turn in 0..<20_000 {
                        let key = "a key that is no short one \(Int.random(in: 0..<400, using: &random))"
                        if !store.get(key).isHit { store.put(key, turn) }
                        if turn % 5_000 == 0 { store.removeAll() }
                    }
                }
            }
            tasks.addTask {
                var sampling = store.beginSampling()
                for _ in 0..<2_000 {
                    for hit in store.sampleHits(&sampling, most: 8) {
                        #expect(String(decoding: hit.key, as: UTF8.self).hasPrefix("a key that is no short one "))
                        #expect(hit.weight >= 1)
                    }
                }
                store.endSampling()
            }
        }
    }
}

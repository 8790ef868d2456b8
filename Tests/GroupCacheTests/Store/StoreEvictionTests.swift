// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite struct StoreEvictionTests {
    @Test(arguments: ["lru", "s3fifo"])
    func `One large item pushes out many small ones, and no more than it must`(policy: String) throws {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, eviction: try #require(EvictionPolicy(policy)), shardCount: 1))
        for number in 0..<8_000 { store.put("\(number)", number, size: 40) }
        let before = store.statistics
        #expect(store.put("large", 1, size: 900_000) == .inserted)
        let after = store.statistics
        #expect(store.get("large").value == 1)
        #expect(after.main.evictions - before.main.evictions > 640)
        #expect(after.used <= store.capacity && after.used > store.capacity - 200)
    }

    /// Which keys share the counters of a sketch depends on the hash, which is another one in each store: about once in a thousand stores the
    /// frequency of a key comes out so much too high that it is taken for one that is more wanted.
    private let hasher = KeyHash(seed0: 0x0123_4567_89ab_cdef, seed1: 0xfedc_ba98_7654_3210)

    @Test func `A copy that is hit is wanted, too`() {
        let store = Store<Int>(StoreConfiguration(capacity: 400_000, shardCount: 1), hasher: self.hasher)
        for number in 0..<1_000 {
            let key = "near \(number)"
            for _ in 0..<2 { store.recordRemote(store.hash(of: key)) }
            store.put(key, number, size: 300, kind: .near)
        }
        let newcomer = store.hash(of: "newcomer")
        for _ in 0..<5 { store.recordRemote(newcomer) }
        #expect(store.admitNear(newcomer), "asked for five times, where all others were twice")
        for _ in 0..<8 { for number in 900..<1_000 where store.look("near \(number)").isHit { _ = store.get("near \(number)") } }
        // Those that were not hit leave first.
        let hit = store.statistics.nearHits / 8
        while store.statistics.near.items > hit {
            guard let cold = (0..<900).last(where: { store.look("near \($0)").isHit }) else { break }
            store.drop("near \(cold)")
        }
        store.put("filler", 1, size: 50_000 - store.statistics.near.bytes - store.statistics.near.overheadBytes - 300, kind: .near)
        for number in 900..<1_000 where store.look("near \(number)").isHit { _ = store.get("near \(number)") }
        _ = store.get("filler")
        #expect(!store.admitNear(newcomer))
    }

    @Test func `An item larger than the store is refused, and the older entry of its key goes`() {
        let store = Store<Int>(StoreConfiguration(capacity: 10_000, shardCount: 1))
        store.put("other", 1)
        store.put("Tom", 1)
        #expect(store.put("Tom", 2, size: 10_000) == .tooLarge)
        #expect(store.put("Tom", 2, size: .max, overhead: .max) == .tooLarge)
        #expect(!store.get("Tom").isHit && store.get("other").isHit)
        #expect(store.statistics.main.evictions == 0)
        #expect(store.statistics.tooLarge == 2 && store.statistics.largestRefused == .max)
    }

    @Test func `Under S3-FIFO what was asked for twice outlives a scan`() {
        let store = Store<Int>(StoreConfiguration(capacity: 100_000, eviction: .s3fifo, shardCount: 1))
        for number in 0..<50 { store.put("loved \(number)", number) }
        for _ in 0..<3 { for number in 0..<50 { #expect(store.get("loved \(number)").isHit) } }
        for number in 0..<5_000 { store.put("scan \(number)", number) }
        #expect((0..<50).allSatisfy { store.look("loved \($0)").isHit })
        #expect(!store.look("scan 0").isHit)
    }

    @Test func `Under S3-FIFO an entry that comes back soon is proven`() {
        let store = Store<Int>(StoreConfiguration(capacity: 100_000, eviction: .s3fifo, shardCount: 1))
        for number in 0..<2_000 { store.put("\(number)", number) }
        let held = store.statistics.main.items
        let ghost = "\(2_000 - held - 5)"
        #expect(!store.look(ghost).isHit)
        store.put(ghost, 1)
        for number in 3_000..<3_000 + held * 3 / 4 { store.put("\(number)", number) }
        #expect(store.look(ghost).isHit)
    }

    @Test func `Ghosts are forgotten after as many others, and once met`() {
        var ghosts = GhostQueue(limit: 500)
        defer { ghosts.deallocate() }
        for hash in UInt32(1)...1_000 { ghosts.insert(hash &* 2_654_435_761, limit: 500) }
        let old = ghosts.remove(400 &* 2_654_435_761, limit: 500)
        #expect(!old)
        var kept = 0
        for hash in UInt32(501)...1_000 where ghosts.remove(hash &* 2_654_435_761, limit: 500) { kept += 1 }
        #expect(kept > 470)
        let (again, buckets) = (ghosts.remove(900 &* 2_654_435_761, limit: 500), ghosts.bucketCount)
        #expect(!again && buckets <= 126)
    }

    @Test func `The ghosts' table follows their limit, up and down, and keeps the youngest`() {
        var ghosts = GhostQueue(limit: 20_000)
        defer { ghosts.deallocate() }
        for hash in UInt32(0)..<20_000 { ghosts.insert(hash &* 2_654_435_761, limit: 20_000) }
        let most = ghosts.bucketCount
        #expect(most == 5_001)
        var kept = 0
        for hash in stride(from: UInt32(0), to: 20_000, by: 2) where ghosts.remove(hash &* 2_654_435_761, limit: 20_000) { kept += 1 }
        #expect(kept > 9_500)
        for hash in UInt32(20_000)..<30_000 { ghosts.insert(hash &* 2_654_435_761, limit: 100) }
        let least = ghosts.bucketCount
        #expect(least <= 33)
        kept = 0
        for hash in UInt32(29_900)..<30_000 where ghosts.remove(hash &* 2_654_435_761, limit: 100) { kept += 1 }
        #expect(kept > 90)
    }

    /// Near copies have an eighth of the capacity and a list of their own.
    @Test func `Near entries stay within their part and do not push each other's kind out`() {
        let store = Store<Int>(StoreConfiguration(capacity: 200_000, shardCount: 1))
        for number in 0..<100 { store.put("main \(number)", number) }
        for number in 0..<1_000 { store.put("near \(number)", number, kind: .near) }
        let statistics = store.statistics
        #expect(statistics.near.bytes + statistics.near.overheadBytes <= 25_000)
        #expect(statistics.near.bytes + statistics.near.overheadBytes > 24_800)
        #expect(statistics.near.evictions > 0 && statistics.main.evictions == 0 && statistics.main.items == 100)
        #expect(store.get("near 999").isNear && !store.get("near 0").isHit)
        #expect(store.put("huge", 1, size: 25_000, kind: .near) == .tooLarge)
        // A key that turns out to be this node's own changes sides.
        store.put("near 999", 1, kind: .main)
        #expect(!store.get("near 999").isNear)
        #expect(store.statistics.nearHits == 1)
    }

    @Test func `A near key is admitted when it was asked for twice, and against a full house when it is more wanted`() {
        let store = Store<Int>(StoreConfiguration(capacity: 400_000, shardCount: 1), hasher: self.hasher)
        let hash = store.hash(of: "hot")
        #expect(!store.admitNear(hash))
        store.recordRemote(hash)
        #expect(!store.admitNear(hash))
        store.recordRemote(hash)
        #expect(store.admitNear(hash))
        for number in 0..<1_000 {
            let key = "near \(number)"
            for _ in 0..<3 { store.recordRemote(store.hash(of: key)) }
            store.put(key, number, size: 300, kind: .near)
        }
        // The sketch forgets half from time to time; asked for eight times of late, whoever would leave is wanted more than the newcomer.
        for number in 800..<1_000 where store.look("near \(number)").isHit {
            for _ in 0..<8 { store.recordRemote(store.hash(of: "near \(number)")) }
        }
        let cold = store.hash(of: "cold")
        for _ in 0..<2 { store.recordRemote(cold) }
        #expect(!store.admitNear(cold))
        for _ in 0..<15 { store.recordRemote(cold) }
        #expect(store.admitNear(cold))
        // Nobody is less wanted than what is over.
        let clock = HandClock()
        let mortal = Store<Int>(StoreConfiguration(capacity: 400_000, shardCount: 1), clock: CacheClock(clock), hasher: self.hasher)
        for number in 0..<1_000 {
            for _ in 0..<15 { mortal.recordRemote(mortal.hash(of: "near \(number)")) }
            mortal.put("near \(number)", number, size: 300, kind: .near, life: EntryLife(ttl: 1_000))
        }
        let early = mortal.hash(of: "early")
        for _ in 0..<2 { mortal.recordRemote(early) }
        #expect(!mortal.admitNear(early))
        clock.advance(1_001)
        let next = mortal.hash(of: "next")
        for _ in 0..<2 { mortal.recordRemote(next) }
        #expect(mortal.admitNear(next))
        let without = Store<Int>(StoreConfiguration(capacity: 400_000, shardCount: 1, near: false))
        for _ in 0..<9 { without.recordRemote(hash) }
        #expect(!without.admitNear(hash) && without.put("hot", 1, kind: .near) == .tooLarge)
    }

    @Test func `The sketch counts to fifteen, seldom too high, and forgets`() {
        var sketch = FrequencySketch(keys: 1_000)
        for hash in UInt32(0)..<300 { for _ in 0..<(hash % 8) { sketch.record(hash &* 2_654_435_761) } }
        var wrong = 0
        for hash in UInt32(0)..<300 {
            let frequency = sketch.frequency(hash &* 2_654_435_761)
            #expect(frequency >= Int(hash % 8))
            if frequency != Int(hash % 8) { wrong += 1 }
        }
        #expect(wrong < 15)
        for _ in 0..<100 { sketch.record(7) }
        let high = sketch.frequency(7)
        #expect(high == 15)
        var random = SeededRandom(seed: 1)
        for _ in 0..<40_000 { sketch.record(UInt32.random(in: 1_000 ... .max, using: &random)) }
        let faded = sketch.frequency(7)
        #expect(faded < 15)
        #expect(FrequencySketch.byteCount(keys: 1_000) == 8_192)
        #expect(FrequencySketch.byteCount(keys: .max) == 8 << 20)
    }
}

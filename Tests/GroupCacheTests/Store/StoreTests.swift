// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

/// The store by itself; first what the family's own suites ask of theirs.
@Suite struct StoreTests {
    func store<V>(_ type: V.Type = Int.self, capacity: Int = 1 << 20, eviction: EvictionPolicy = .lru, shards: Int = 1) -> Store<V> {
        Store<V>(StoreConfiguration(capacity: capacity, eviction: eviction, shardCount: shards))
    }

    @Test(arguments: ["lru", "s3fifo"]) func `What was put is found, what was not is a miss`(policy: String) throws {
        let store = self.store(eviction: try #require(EvictionPolicy(policy)))
        store.put("Tom", 630)
        #expect(store.get("Tom").value == 630)
        #expect(store.get("Tom").isHit && !store.get("Tom").isNear)
        #expect(!store.get("tom").isHit)
        #expect(store.get("").state == .miss)
        let statistics = store.statistics
        #expect(statistics.gets == 5 && statistics.hits == 3)
    }

    @Test func `Removed is gone`() {
        let store = self.store()
        store.put("Tom", 630)
        #expect(store.drop("Tom"))
        #expect(!store.drop("Tom"))
        #expect(!store.get("Tom").isHit)
        #expect(store.statistics.main.items == 0 && store.statistics.main.bytes == 0)
    }

    @Test func `The least recently used entries leave first, one for one`() {
        let probe = self.store()
        let entry = probe.footprint(keyLength: 5, size: ValueSize(payload: 8))
        let store = Store<Int>(StoreConfiguration(capacity: 20 * entry, shardCount: 1, near: false))
        for number in 10..<30 { store.put("key\(number)", number) }
        #expect(store.get("key10").isHit)
        store.put("key30", 30)
        store.put("key31", 31)
        #expect(store.look("key10").isHit)
        #expect(!store.look("key11").isHit && !store.look("key12").isHit && store.look("key13").isHit)
        #expect(store.statistics.main.evictions == 2 && store.statistics.main.items == 20)
    }

    @Test func `A replaced value counts by difference`() {
        // mailgun's test of reported sizes: 9 → 19 → 15 → 37 bytes of keys and values.
        let store = self.store()
        store.put("key1", 0, size: 5)
        #expect(store.statistics.main.bytes == 9)
        store.put("key2", 0, size: 6)
        #expect(store.statistics.main.bytes == 19)
        store.put("key1", 0, size: 1)
        #expect(store.statistics.main.bytes == 15)
        store.put("key2", 0, size: 28)
        #expect(store.statistics.main.bytes == 37)
        #expect(store.statistics.main.items == 2)
        // GeeCache's TestAdd: "key" with a value of 1 byte, then of 3.
        store.removeAll()
        store.put("key", 0, size: 1)
        #expect(store.put("key", 0, size: 3) == .replaced)
        #expect(store.statistics.main.bytes == 6)
    }

    @Test func `Two puts of one key hold its bytes once`() {
        let store = self.store(ByteView.self)
        #expect(store.put("testkey", "testval", size: 7) == .inserted)
        #expect(store.put("testkey", "testval", size: 7) == .replaced)
        #expect(store.statistics.main.items == 1)
        #expect(store.statistics.main.bytes == 14)
        #expect(store.get("testkey").value == "testval")
    }

    @Test func `Keys are bytes: composed and decomposed letters differ`() {
        let store = self.store()
        store.put("\u{e9}", 1)
        #expect(!store.get("e\u{301}").isHit)
        store.put("e\u{301}", 2)
        #expect(store.get("\u{e9}").value == 1 && store.get("e\u{301}").value == 2)
    }

    @Test func `Keys of every length, and those that differ only in length or the last byte`() {
        let store = self.store(capacity: 8 << 20)
        for length in 0...100 {
            store.put(String(repeating: "\0", count: length), length)
            store.put(String(repeating: "x", count: length) + "a", 1000 + length)
            store.put(String(repeating: "x", count: length) + "b", 2000 + length)
        }
        store.put(String(repeating: "k", count: 4096), 7)
        #expect(store.put(String(repeating: "k", count: 4097), 8) == .tooLarge)
        for length in 0...100 {
            #expect(store.get(String(repeating: "\0", count: length)).value == length)
            #expect(store.get(String(repeating: "x", count: length) + "a").value == 1000 + length)
            #expect(store.get(String(repeating: "x", count: length) + "b").value == 2000 + length)
        }
        #expect(store.get(String(repeating: "k", count: 4096)).value == 7)
    }

    @Test func `Keys of one hash are kept apart`() {
        // Seeds that make a factor of the hash zero for keys that begin so: what follows then does not count.
        let (first, second) = ("collide!", "a long k")
        let word = { (text: String) in Array(text.utf8).withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) } }
        let hasher = KeyHash(seed0: word(first), seed1: word(second) ^ KeyHash.odd1)
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 1), hasher: hasher)
        let keys = (10..<60).map { "\(first) of \($0)" } + (10..<60).map { "\(second)\(first)  of  \($0)" }
        #expect(Set(keys[..<50].map { store.hash(of: $0) }).count == 1 && Set(keys[50...].map { store.hash(of: $0) }).count == 1)
        for (number, key) in keys.enumerated() { store.put(key, number) }
        for number in stride(from: 0, to: 100, by: 3) { #expect(store.drop(keys[number])) }
        for (number, key) in keys.enumerated() { #expect(store.get(key).value == (number % 3 == 0 ? nil : number)) }
    }

    @Test func `A negative entry is a hit without a value`() {
        let store = self.store()
        store.put("nobody", nil)
        #expect(store.get("nobody").isHit && store.get("nobody").isNegative && store.get("nobody").value == nil)
        #expect(!store.get("somebody").isNegative)
        #expect(store.statistics.negativeHits == 3)
        store.put("nobody", 1)
        #expect(!store.get("nobody").isNegative)
    }

    @Test func `A peek is no get`() {
        let store = self.store()
        store.put("Tom", 1)
        #expect(store.look("Tom").value == 1)
        #expect(store.statistics.gets == 0 && store.statistics.hits == 0)
    }

    @Test func `Clear leaves nothing, and the store goes on`() {
        let store = self.store(shards: 4)
        for number in 0..<1_000 { store.put("a key with some length \(number)", number) }
        store.removeAll()
        #expect(store.statistics.main.items == 0 && store.listing().isEmpty)
        #expect(!store.get("a key with some length 5").isHit)
        for number in 0..<1_000 { store.put("a key with some length \(number)", number) }
        #expect((0..<1_000).allSatisfy { (number: Int) in store.get("a key with some length \(number)").value == number })
    }

    @Test func `A listing shows each entry once, in pages`() {
        let store = self.store(capacity: 4 << 20, shards: 4)
        for number in 0..<3_000 { store.put("key \(number)", number, size: number % 100, life: EntryLife(version: UInt64(number))) }
        let keys = store.listing(page: 100).map { String(decoding: $0.key, as: UTF8.self) }
        #expect(keys.count == 3_000 && Set(keys) == Set((0..<3_000).map { "key \($0)" }))
        #expect(store.scan(from: ScanCursor(shard: 99, position: 0), limit: 5).entries.isEmpty)
        #expect(store.scan(from: ScanCursor(shard: -1, position: .max), limit: 5).next == nil)
        #expect(store.scan(from: ScanCursor(shard: 0, position: .max), limit: 0).entries.isEmpty)
        #expect(store.info("key 77")?.details.version == 77)
    }

    @Test func `Shards follow the capacity`() {
        #expect(StoreConfiguration.defaultShardCount(capacity: 0) == 1)
        #expect(StoreConfiguration.defaultShardCount(capacity: 100_000) == 1)
        #expect(StoreConfiguration.defaultShardCount(capacity: 64 << 20) >= 16)
        #expect(Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 5)).shardCount == 8)
        #expect(Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: -1)).shardCount == 1)
    }

    @Test func `Without capacity nothing is stored, and nothing breaks`() {
        for capacity in [-5, 0, 1, 50] {
            let store = self.store(capacity: capacity)
            #expect(store.put("Tom", 1) == .tooLarge)
            #expect(!store.get("Tom").isHit && store.statistics.used == 0)
        }
    }
}

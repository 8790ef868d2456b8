// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

/// How slab, index and lists follow what a store holds, up and down.
@Suite struct StoreGrowthTests {
    @Test(arguments: ["lru", "s3fifo"])
    func `When large entries take the place of many small ones, slab and index become small`(policy: String) throws {
        let store = Store<Int>(StoreConfiguration(capacity: 2 << 20, eviction: try #require(EvictionPolicy(policy)), shardCount: 1))
        let core = store.shard(at: 0).core
        for number in 0..<30_000 { store.put("\(number)", number) }
        let most = core.pointee.slab.used
        #expect(most > 15_000 && core.pointee.freeCount <= 1)
        for number in 0..<2_000 { store.put("large \(number)", number, size: 10_000) }
        let items = store.statistics.main.items
        #expect(items > 150 && items < 250)
        // Sixty-four and a thirty-second part may be free.
        #expect(core.pointee.slab.used - items == core.pointee.freeCount && core.pointee.freeCount <= 64 + core.pointee.slab.used / 32)
        let places = (0..<core.pointee.index.segmentCount).reduce(0) { $0 + Int(core.pointee.index.segments[$1].size) }
        #expect(places <= items * 4 + 24 * items)
        for number in 1_990..<2_000 { #expect(store.get("large \(number)").value == number) }
        for number in 0..<30_000 { store.put("\(number)", number) }
        #expect(core.pointee.slab.used > 15_000 && store.statistics.used <= store.capacity)
        #expect((29_000..<30_000).allSatisfy { (number: Int) in store.look("\(number)").value == number })
    }

    @Test func `Removals leave the slab dense, and everything in its order`() {
        let store = Store<Int>(StoreConfiguration(capacity: 4 << 20, shardCount: 1, near: false))
        let key = { (number: Int) in number % 3 == 0 ? "a key of more than sixteen bytes \(number)" : "key \(number)" }
        for number in 0..<20_000 { store.put(key(number), number) }
        for number in 0..<20_000 where number % 7 != 0 { #expect(store.drop(key(number))) }
        let core = store.shard(at: 0).core
        #expect(core.pointee.slab.used <= 20_000 / 7 + 65 + core.pointee.slab.used / 32)
        for number in stride(from: 0, to: 20_000, by: 7) { #expect(store.look(key(number)).value == number) }
        // Still the oldest first: one item of the whole capacity but for a thousand entries leaves the youngest of them.
        #expect(store.get(key(0)).isHit)
        let entry = store.footprint(keyLength: 40, size: ValueSize(payload: 8))
        #expect(store.put("large", 1, size: (4 << 20) - 1_000 * entry) == .inserted)
        let left = store.listing().map { String(decoding: $0.key, as: UTF8.self) }
        #expect(left.count > 900 && left.contains(key(0)))
        let numbers = left.compactMap { Int($0.split(separator: " ").last ?? "") }.filter { $0 != 0 }.sorted()
        #expect(numbers == Array(stride(from: 20_000 / 7 * 7, to: 0, by: -7).prefix(numbers.count)).reversed())
    }

    @Test func `An entry that stays is listed once, whatever is moved meanwhile`() {
        let store = Store<Int>(StoreConfiguration(capacity: 8 << 20, shardCount: 2))
        for number in 0..<10_000 { store.put("key \(number)", number) }
        var seen: [String: Int] = [:]
        var cursor: ScanCursor? = .start
        var next = 0
        while let from = cursor {
            let page = store.scan(from: from, limit: 100)
            for entry in page.entries { seen[String(decoding: entry.key, as: UTF8.self), default: 0] += 1 }
            cursor = page.next
            // Nine of ten go while the listing runs, and the slab is filled up from its end.
            for number in next..<min(10_000, next + 100) where number % 10 != 0 { store.drop("key \(number)") }
            next += 100
        }
        for number in stride(from: 0, to: 10_000, by: 10) { #expect(seen["key \(number)"] == 1) }
        #expect(seen.values.allSatisfy { $0 == 1 })
    }

    @Test func `Clearing a store under load of other sizes leaves nothing behind`() {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, eviction: .s3fifo, shardCount: 2))
        for round in 0..<5 {
            for number in 0..<5_000 {
                let life = EntryLife(ttl: 9_000, staleWhileRevalidate: Int64(round + 1))
                store.put("a key of more than sixteen bytes \(number)", number, life: life)
            }
            store.removeAll()
            #expect(store.statistics.main.items == 0 && store.listing().isEmpty)
        }
        let core = store.shard(at: 0).core
        #expect(core.pointee.slab.used == 0 && core.pointee.index.count == 0 && core.pointee.mortals == 0)
    }

    @Test func `Every pair of graces is kept, also more pairs than a shard has numbers for`() throws {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 1), clock: CacheClock(HandClock()))
        for number in 0..<200 {
            let life = EntryLife(ttl: 1_000, staleWhileRevalidate: Int64(number), staleIfError: Int64(2 * number), version: 5)
            store.put("key \(number)", number, life: life)
        }
        func check(_ number: Int, _ first: Int64, _ second: Int64) throws {
            let details = try #require(store.info("key \(number)")?.details)
            #expect(details.expires == 6_000 && details.staleUntil == 6_000 + first && details.staleIfErrorUntil == 6_000 + second)
            #expect(store.get("key \(number)").value == number)
        }
        for number in 0..<200 { try check(number, Int64(number), Int64(2 * number)) }
        for number in 0..<200 {
            let key = Array("key \(number)".utf8)
            let life = EntryLife(ttl: 1_000, staleWhileRevalidate: Int64(300 + number), staleIfError: Int64(number))
            #expect(key.withUnsafeBytes { store.extend(store.hash($0), $0, life: life) })
        }
        for number in 0..<200 { try check(number, Int64(300 + number), Int64(number)) }
        for number in 0..<200 { store.drop("key \(number)") }
        #expect(store.statistics.main.items == 0 && store.statistics.main.bytes == 0)
        let core = store.shard(at: 0).core
        #expect(core.pointee.used == 0)
        // All numbers are free again.
        #expect((0..<62).allSatisfy { core.pointee.graces.number(of: UInt64($0 + 1)) != nil })
    }
}

// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization
import Testing

@testable import GroupCache

/// Items larger than a shard's part of the capacity.
@Suite struct StoreLendingTests {
    /// What all shards may hold together, and what is on its way between them.
    func capacity(_ store: Store<Int>) -> Int {
        (0..<store.shardCount).reduce(store.spare.load(ordering: .relaxed)) { $0 + store.shard(at: $1).core.pointee.capacity }
    }

    @Test(arguments: ["lru", "s3fifo"])
    func `A large item may use the whole capacity, and gives it back`(policy: String) throws {
        let configuration = StoreConfiguration(
            capacity: 1 << 20,
            eviction: try #require(EvictionPolicy(policy)),
            shardCount: 8,
            near: false
        )
        let store = Store<Int>(configuration)
        let all = self.capacity(store)
        #expect(all == 1 << 20)
        for number in 0..<5_000 { store.put("\(number)", number, size: 100) }
        let overhead = store.footprint(keyLength: 5, size: ValueSize(payload: 0))
        #expect(store.put("large", 1, size: all / 2) == .inserted)
        #expect(store.get("large").value == 1 && store.statistics.used <= all && self.capacity(store) == all)
        #expect(store.statistics.used > all / 2 + all / 4, "the others stay for the most part")
        #expect(store.put("large", 2, size: all - overhead) == .replaced)
        #expect(store.get("large").value == 2 && store.statistics.main.items == 1 && self.capacity(store) == all)
        #expect(store.put("large", 2, size: all - overhead + 1) == .tooLarge && store.statistics.main.items == 0)
        #expect(store.statistics.tooLarge == 1 && store.statistics.largestRefused == all + 1)
        for number in 0..<20_000 { store.put("\(number)", number, size: 100) }
        #expect(store.statistics.used > all * 9 / 10 && store.statistics.used <= all && self.capacity(store) == all)
    }

    @Test func `A small item takes back what is lent, from whatever shard it is in`() {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 8, near: false))
        let overhead = store.footprint(keyLength: 5, size: ValueSize(payload: 0))
        for round in 0..<50 {
            #expect(store.put("large", 1, size: store.capacity - overhead) != .tooLarge)
            #expect(store.put("small \(round)", round) == .inserted)
            #expect(store.get("small \(round)").value == round && store.statistics.used <= store.capacity)
        }
        store.removeAll()
        #expect(self.capacity(store) == store.capacity && store.statistics.main.items == 0)
    }

    @Test(.timeLimit(.minutes(5)))
    func `Large and small items from many threads: capacity is neither lost nor made`() {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 4))
        let all = self.capacity(store)
        DispatchQueue.concurrentPerform(iterations: 6) { thread in
            var random = SeededRandom(seed: UInt64(thread))
            for step in 0..<1_500 {
                let key = "\(Int.random(in: 0..<500, using: &random))"
                switch step % 10 {
                case 0: store.put(key, step, size: Int.random(in: 0..<900_000, using: &random))
                case 1: store.drop(key)
                case 2: store.sweepExpired(looks: 100)
                default: store.put(key, step, size: 500, life: EntryLife(ttl: step % 3 == 0 ? 1 : nil))
                }
            }
        }
        #expect(self.capacity(store) == all && store.statistics.used <= 1 << 20)
        store.removeAll()
        #expect(self.capacity(store) == all)
        for index in 0..<store.shardCount { #expect(store.shard(at: index).core.pointee.used == 0) }
    }
}

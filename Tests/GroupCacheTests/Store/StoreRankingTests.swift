// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

/// The walk through a store, most used entries first, that snapshots are taken by.
@Suite struct StoreRankingTests {
    func store(_ eviction: EvictionPolicy = .lru, shards: Int = 1) -> Store<Int> {
        Store<Int>(StoreConfiguration(capacity: 1 << 20, eviction: eviction, shardCount: shards))
    }

    func walk(_ store: Store<Int>, limit: Int = 7, between: (Int) -> Void = { _ in }) -> [RankedEntry<Int>] {
        let walk = RankedWalk()
        var all: [RankedEntry<Int>] = []
        var steps = 0
        while let entries = store.ranked(walk, limit: limit) {
            #expect(entries.count <= limit)
            all += entries
            between(steps)
            steps += 1
            guard steps < 100_000 else {
                Issue.record("the walk does not end")
                break
            }
        }
        return all
    }

    @Test func `Under LRU the order is that of use, and hotness falls with it among what was used as often`() {
        let store = self.store()
        for number in 0..<100 { store.put("key\(number)", number) }
        for number in [3, 50, 7] { #expect(store.get("key\(number)").isHit) }
        let found = self.walk(store)
        let order = [7, 50, 3] + (0..<100).reversed().filter { ![3, 50, 7].contains($0) }
        #expect(found.map(\.info.value) == order)
        #expect(found.map(\.hotness) == found.map(\.hotness).sorted(by: >))
        #expect(found.first?.hotness == 64 + 63 && found.last.map { $0.hotness < 2 } == true)
        #expect(found.map { String(decoding: $0.key, as: UTF8.self) } == order.map { "key\($0)" })
    }

    @Test func `Under LRU what was used often is hotter than what was used last, and fame fades`() {
        let store = self.store()
        for number in 0..<100 { store.put("key\(number)", number) }
        func hotness() -> [Int: UInt8] {
            Dictionary(uniqueKeysWithValues: self.walk(store).map { ($0.info.value ?? -1, $0.hotness) })
        }
        // Of 400 uses as good as every entry has come to the third step, of which there is one in 16.
        for _ in 0..<400 { #expect(store.get("key5").isHit) }
        #expect(store.get("key6").isHit)
        #expect((64..<128).contains(hotness()[6] ?? 0) && (192...255).contains(hotness()[5] ?? 0))
        // Again and again is as often as it likes: nothing was used meanwhile, so nothing fades.
        for _ in 0..<5 { #expect((192...255).contains(hotness()[5] ?? 0)) }
        // The others were used on average eight times since then.
        for _ in 0..<20 { for number in 10..<100 { #expect(store.get("key\(number)").isHit) } }
        _ = hotness()
        #expect((128..<192).contains(hotness()[5] ?? 0) && (hotness()[6] ?? 255) < 64)
    }

    @Test func `Under S3-FIFO what was used more often is hotter`() {
        let store = self.store(.s3fifo)
        for number in 0..<20 { store.put("key\(number)", number) }
        for _ in 0..<3 { #expect(store.get("key5").isHit) }
        #expect(store.get("key6").isHit)
        let found = self.walk(store)
        #expect(found.count == 20)
        let hotness = Dictionary(uniqueKeysWithValues: found.map { ($0.info.value ?? -1, $0.hotness) })
        #expect((hotness[5] ?? 0) > (hotness[6] ?? 0) && (hotness[6] ?? 0) > (hotness[7] ?? 255))
    }

    @Test(arguments: [EvictionPolicy.lru, .s3fifo]) func `Shards take turns, and each entry is found once`(policy: EvictionPolicy) {
        let store = self.store(policy, shards: 8)
        for number in 0..<1_000 { store.put("key\(number)", number) }
        let found = self.walk(store, limit: 64)
        #expect(found.compactMap(\.info.value).sorted() == Array(0..<1_000))
        // The first eighth of what is found is from all shards, so that the hottest of each come before the coldest of any.
        let first = Set(found.prefix(8 * 64).map { store.shardIndex(of: store.hash(of: "key\($0.info.value ?? 0)")) })
        #expect(first.count == 8)
    }

    @Test func `Copies, and entries that are not there any more, are not found`() {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 1, near: true))
        store.put("own", 1)
        store.put("copy", 2, kind: .near)
        store.put("gone", 3)
        store.drop("gone")
        #expect(self.walk(store).map(\.info.value) == [1])
        #expect(self.walk(self.store()).isEmpty)
    }

    @Test func `Long keys come a few at a time, and all of them`() {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 22, shardCount: 1))
        func key(_ number: Int) -> String { String(repeating: "k", count: 3_900) + "\(number)" }
        for number in 0..<100 { store.put(key(number), number) }
        let walk = RankedWalk()
        var found: [Int] = []
        while let entries = store.ranked(walk, limit: 1_000) {
            #expect(entries.count <= 5)
            for entry in entries { #expect(String(decoding: entry.key, as: UTF8.self) == key(entry.info.value ?? -1)) }
            found += entries.compactMap(\.info.value)
        }
        #expect(found == (0..<100).reversed())
    }

    // MARK: Beside others

    @Test(arguments: [1, 7, 64]) func `What is used just before its turn is found all the same`(limit: Int) {
        let store = self.store()
        for number in 0..<500 { store.put("key\(number)", number) }
        // The coldest, one after the other, jump to the head while the walk is on its way to them.
        var next = 0
        let found = self.walk(store, limit: limit) { _ in
            for _ in 0..<8 where next < 400 {
                _ = store.get("key\(next)")
                next += 1
            }
        }
        #expect(found.compactMap(\.info.value).sorted() == Array(0..<500))
    }

    @Test func `A walk keeps its place when just the entry is used where it stands`() {
        let store = self.store()
        for number in 0..<300 { store.put("key\(number)", number) }
        // Sixty-four uses are what the lists are brought to the order of use by: of the one whose turn is next, and of those that have come.
        var last = 300
        let found = self.walk(store, limit: 1) { _ in
            guard last > 1 else { return }
            last -= 1
            for _ in 0..<63 { _ = store.get("key299") }
            _ = store.get("key\(last - 1)")
        }
        #expect(found.compactMap(\.info.value).sorted() == Array(0..<300))
    }

    @Test(arguments: 1...60) func `Whatever is used, comes, goes and moves, what is there all the time is found exactly once`(
        seed: UInt64
    ) {
        var random = SeededRandom(seed: seed)
        let store = self.store(seed.isMultiple(of: 2) ? .s3fifo : .lru, shards: seed.isMultiple(of: 3) ? 1 : 4)
        for number in 0..<2_000 { store.put("key\(number)", number) }
        var stays = Set(0..<2_000)
        let uses = Int.random(in: 1...400, using: &random)
        let changes = Int.random(in: 0...40, using: &random)
        let found = self.walk(store, limit: Int.random(in: 1...100, using: &random)) { _ in
            for _ in 0..<uses { _ = store.get("key\(Int.random(in: 0..<2_000, using: &random))") }
            for _ in 0..<changes {
                let number = Int.random(in: 0..<2_000, using: &random)
                // More go than come, so that gaps are closed by entries from above.
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1:
                    store.drop("key\(number)")
                    stays.remove(number)
                case 2:
                    store.put("key\(number)", number)
                    stays.remove(number)
                default: store.put("new\(number)", 10_000 + number)
                }
            }
        }
        var times: [Int: Int] = [:]
        for entry in found {
            let number = entry.info.value ?? -1
            #expect(String(decoding: entry.key, as: UTF8.self) == (number >= 10_000 ? "new\(number - 10_000)" : "key\(number)"))
            times[number, default: 0] += 1
        }
        let missed = stays.filter { times[$0] != 1 }
        #expect(missed.isEmpty, "\(missed.count) of \(stays.count) were not found exactly once")
        #expect(self.isForgotten(in: store))
    }

    @Test(arguments: 1...10) func `Two who walk at the same time do not disturb each other, and one that gives up is forgotten`(
        seed: UInt64
    ) {
        var random = SeededRandom(seed: seed)
        let store = self.store(shards: 2)
        for number in 0..<1_000 { store.put("key\(number)", number) }
        var other: RankedWalk? = RankedWalk()
        var others: [Int] = []
        let third = Int.random(in: 0..<20, using: &random)
        var given: RankedWalk?
        let found = self.walk(store, limit: 16) { step in
            if let walk = other {
                if let entries = store.ranked(walk, limit: 23) { others += entries.compactMap(\.info.value) } else { other = nil }
            }
            if step == third { given = RankedWalk() }
            if let walk = given { _ = store.ranked(walk, limit: 5) }
            if step == third + 5 { given = nil }
            for _ in 0..<100 { _ = store.get("key\(Int.random(in: 0..<1_000, using: &random))") }
        }
        while let walk = other, let entries = store.ranked(walk, limit: 23) { others += entries.compactMap(\.info.value) }
        #expect(found.compactMap(\.info.value).sorted() == Array(0..<1_000))
        #expect(others.sorted() == Array(0..<1_000))
        given = nil
        // Whoever comes tells those that are gone from those that still walk.
        for number in 0..<100 { store.put("new\(number)", number) }
        #expect(self.isForgotten(in: store))
    }

    private func isForgotten(in store: Store<Int>) -> Bool {
        (0..<store.shardCount).allSatisfy { !store.shard(at: $0).core.pointee.isWalked && store.shard(at: $0).core.pointee.walks.isEmpty }
    }

    @Test func `A store that is emptied in the middle ends the walk`() {
        let store = self.store()
        for number in 0..<500 { store.put("key\(number)", number) }
        let found = self.walk(store, limit: 10) { if $0 == 3 { store.removeAll() } }
        // Its first step is the beginning itself.
        #expect((30...40).contains(found.count))
        // And one that fills again at once.
        let filled = self.walk(store, limit: 10) { step in
            if step == 0 { for number in 0..<500 { store.put("key\(number)", number) } }
            if step == 3 { store.removeAll() }
            if step == 3 { for number in 0..<500 { store.put("key\(number)", number) } }
        }
        #expect(filled.count <= 540)
    }

    @Test(arguments: 1...20) func `A listing, too, has what is there all the time exactly once, whatever is used, comes and goes`(
        seed: UInt64
    ) {
        var random = SeededRandom(seed: seed)
        let store = self.store(seed.isMultiple(of: 2) ? .s3fifo : .lru, shards: 4)
        for number in 0..<2_000 { store.put("key\(number)", number) }
        var stays = Set((0..<2_000).map { "key\($0)" })
        var times: [String: Int] = [:]
        var cursor: ScanCursor? = .start
        let limit = Int.random(in: 1...100, using: &random)
        while let from = cursor {
            let page = store.scan(from: from, limit: limit)
            for entry in page.entries { times[String(decoding: entry.key, as: UTF8.self), default: 0] += 1 }
            cursor = page.next
            for _ in 0..<200 { _ = store.get("key\(Int.random(in: 0..<2_000, using: &random))") }
            for _ in 0..<10 {
                let key = "key\(Int.random(in: 0..<2_000, using: &random))"
                store.drop(key)
                stays.remove(key)
                store.put("new\(key)", 1)
                store.drop("new\(key)")
            }
        }
        #expect(stays.allSatisfy { times[$0] == 1 })
    }
}

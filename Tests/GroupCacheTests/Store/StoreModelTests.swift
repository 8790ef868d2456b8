// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

/// What the store should be, written down as simply as possible: a dictionary and two arrays.
private struct Model {
    struct Entry {
        var value: Int?
        var bytes: Int
        var footprint: Int
        var near: Bool
    }

    let capacity: Int
    let nearCapacity: Int
    var entries: [String: Entry] = [:]
    /// Keys, the last used first.
    var main: [String] = []
    var near: [String] = []

    var usedByMain = 0
    var usedByNear = 0

    mutating func get(_ key: String) -> Entry? {
        guard let entry = self.entries[key] else { return nil }
        self.forget(key)
        if entry.near { self.near.insert(key, at: 0) } else { self.main.insert(key, at: 0) }
        return entry
    }

    mutating func remove(_ key: String) -> Bool {
        guard let entry = self.entries.removeValue(forKey: key) else { return false }
        self.forget(key)
        if entry.near { self.usedByNear -= entry.footprint } else { self.usedByMain -= entry.footprint }
        return true
    }

    mutating func insert(_ key: String, _ entry: Entry) -> Bool {
        _ = self.remove(key)
        guard entry.footprint <= (entry.near ? self.nearCapacity : self.capacity) else { return false }
        while entry.near && self.usedByNear + entry.footprint > self.nearCapacity { _ = self.remove(self.near[self.near.count - 1]) }
        while self.usedByNear + self.usedByMain + entry.footprint > self.capacity {
            _ = self.remove(self.main.last ?? self.near[self.near.count - 1])
        }
        self.entries[key] = entry
        if entry.near { self.usedByNear += entry.footprint } else { self.usedByMain += entry.footprint }
        if entry.near { self.near.insert(key, at: 0) } else { self.main.insert(key, at: 0) }
        return true
    }

    private mutating func forget(_ key: String) {
        if let place = self.main.lastIndex(of: key) { self.main.remove(at: place) }
        if let place = self.near.lastIndex(of: key) { self.near.remove(at: place) }
    }
}

@Suite struct StoreModelTests {
    static func key(_ number: Int) -> String {
        number % 4 == 0 ? "a key of more than sixteen bytes, number \(number)" : "key \(number)"
    }

    /// With the larger capacity a large item pushes out so many small ones that the slab becomes shorter and entries move.
    @Test(arguments: [UInt64(1), 2, 3, 4, .random(in: .min ... .max)], [(8_000, 120), (60_000, 800)])
    func `An LRU store does exactly what its model does`(seed: UInt64, scale: (capacity: Int, keys: Int)) {
        var random = SeededRandom(seed: seed)
        let store = Store<Int>(StoreConfiguration(capacity: scale.capacity, shardCount: 1))
        // What a sketch takes is not for entries.
        var model = Model(capacity: scale.capacity - store.statistics.used, nearCapacity: scale.capacity / 8)
        for step in 0..<4_000 {
            let key = Self.key(Int.random(in: 0..<scale.keys, using: &random))
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<45:
                let (found, expected) = (store.get(key), model.get(key))
                #expect(found.isHit == (expected != nil) && found.value == expected?.value, "seed \(seed), step \(step)")
                #expect(found.isNear == expected?.near ?? false, "seed \(seed), step \(step)")
            case 45..<90:
                let near = Int.random(in: 0..<4, using: &random) == 0
                let payload = Int.random(in: 0..<(step % 97 == 0 ? scale.capacity * 9 / 8 : 200), using: &random)
                let size = ValueSize(payload: payload, overhead: step % 33)
                let value = Int.random(in: 0..<10, using: &random) == 0 ? nil : step
                let kind = near ? EntryKind.near : .main
                let entry = Model.Entry(
                    value: value,
                    bytes: key.utf8.count + size.payload,
                    footprint: store.footprint(keyLength: key.utf8.count, size: size, kind: kind),
                    near: near
                )
                let outcome = store.put(key, value, size: size.payload, overhead: size.overhead, kind: kind)
                #expect((outcome != .tooLarge) == model.insert(key, entry), "seed \(seed), step \(step)")
            case 90..<99:
                #expect(store.drop(key) == model.remove(key), "seed \(seed), step \(step)")
            default:
                if step % 7 == 0 {
                    store.removeAll()
                    model = Model(capacity: model.capacity, nearCapacity: model.nearCapacity)
                }
            }
            let statistics = store.statistics
            #expect(statistics.used <= scale.capacity)
            #expect(statistics.main.items + statistics.near.items == model.entries.count, "seed \(seed), step \(step)")
            #expect(
                statistics.main.bytes + statistics.near.bytes == model.entries.values.reduce(0) { $0 + $1.bytes },
                "seed \(seed), step \(step)"
            )
            guard step % 25 == 0 else { continue }
            let listing = store.listing()
            #expect(Set(listing.map { String(decoding: $0.key, as: UTF8.self) }) == Set(model.entries.keys), "seed \(seed), step \(step)")
            #expect(statistics.near.bytes == listing.reduce(0) { $0 + ($1.details.kind == .near ? $1.key.count + $1.details.payload : 0) })
        }
    }

    /// Eviction is the policy's; what is there must be right, and all numbers must add up.
    @Test(arguments: ["lru", "s3fifo"], [UInt64(5), 6, .random(in: .min ... .max)])
    func `Times, replacement and growth never show a wrong value`(policy: String, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let clock = HandClock()
        let store = Store<Int>(
            StoreConfiguration(capacity: 60_000, eviction: try #require(EvictionPolicy(policy)), shardCount: 2, earlyRefreshBeta: 0),
            clock: CacheClock(clock)
        )
        var last: [String: (value: Int?, expires: Int64)] = [:]
        var found = 0
        for step in 0..<6_000 {
            let key = Self.key(Int.random(in: 0..<400, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let lookup = store.get(key)
                guard lookup.isHit else { continue }
                found += 1
                let expected = try #require(last[key], "seed \(seed), step \(step)")
                #expect(lookup.value == expected.value && clock.milliseconds < expected.expires, "seed \(seed), step \(step)")
            case 5..<8:
                let value = step % 11 == 0 ? nil : step
                let ttl: Int64? = step % 3 == 0 ? nil : Int64.random(in: 1..<300, using: &random)
                store.put(
                    key,
                    value,
                    size: Int.random(in: 0..<300, using: &random),
                    kind: step % 5 == 0 ? .near : .main,
                    life: EntryLife(ttl: ttl)
                )
                last[key] = (value, ttl.map { clock.milliseconds + $0 } ?? .max)
            case 8:
                store.drop(key)
                last[key] = nil
            default:
                clock.advance(Int64.random(in: 0..<20, using: &random))
            }
            let statistics = store.statistics
            #expect(statistics.used <= store.capacity)
            guard step % 100 == 0 else { continue }
            let listing = store.listing()
            #expect(listing.count == statistics.main.items + statistics.near.items, "seed \(seed), step \(step)")
            #expect(
                listing.reduce(0) { $0 + $1.key.count + $1.details.payload } == statistics.main.bytes + statistics.near.bytes,
                "seed \(seed), step \(step)"
            )
        }
        #expect(found > 500)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite struct StoreFenceTests {
    private let clock = HandClock()

    private func isServed(_ store: Store<Int>, _ key: String = "Tom") -> Bool {
        let bytes = Array(key.utf8)
        let all = bytes.withUnsafeBytes { raw in
            let hash = store.hash(raw)
            return [
                store.lookup(hash, raw).isHit, store.fresh(hash, raw) != nil, store.peek(hash, raw).isHit,
                store.lookupEntry(hash, raw) != nil, !store.isMissing(hash, raw, counts: false),
                store.entry(hash, raw)?.details.state == .fresh,
            ]
        }
        #expect(Set(all).count == 1, "\(all)")
        return all.allSatisfy { $0 }
    }

    @Test(arguments: [nil, 60_000] as [Int64?])
    func `Own entries are served until a moment, and copies all the same`(ttl: Int64?) {
        var configuration = StoreConfiguration(capacity: 1 << 20, shardCount: 4)
        configuration.leases = CopyLeases()
        let store = Store<Int>(configuration, clock: CacheClock(self.clock))
        store.put("Tom", 630, life: EntryLife(ttl: ttl, version: NumberSource.shared.next()))
        store.put("Jack", 589, kind: .near, life: EntryLife(ttl: ttl, version: NumberSource.shared.next()))
        #expect(self.isServed(store))
        store.fence(until: self.clock.milliseconds + 1_000, suspect: false, by: CacheClock(self.clock))
        self.clock.advance(999)
        #expect(self.isServed(store))
        self.clock.advance(1)
        #expect(!self.isServed(store) && self.isServed(store, "Jack"))
        let bytes = Array("Tom".utf8)
        #expect(bytes.withUnsafeBytes { store.missReason(store.hash($0), $0) } == .unconfirmed)
        // It is there all the same.
        #expect(store.info("Tom")?.value == 630 && store.info("Tom")?.details.isBypassed == true)
        store.fence(until: self.clock.milliseconds + 1, suspect: false, by: CacheClock(self.clock))
        #expect(self.isServed(store))
        store.fence(until: .min, suspect: false, by: CacheClock(self.clock))
        #expect(!self.isServed(store))
        store.fence(until: .max - 1, suspect: false, by: CacheClock(self.clock))
        self.clock.advance(1 << 30)
        #expect(store.info("Tom")?.details.isBypassed == false)
    }

    @Test func `What is suspect is served when it has been confirmed`() {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 4), clock: CacheClock(self.clock))
        let began = NumberSource.shared.next()
        store.put("Tom", 630, life: EntryLife(version: NumberSource.shared.next()))
        store.fence(until: .max - 1, suspect: true, by: CacheClock(self.clock))
        #expect(!self.isServed(store))
        // What began to be loaded before is as old.
        store.put("Tom", 631, life: EntryLife(version: began))
        #expect(!self.isServed(store))
        // That a moment moves takes nothing back.
        store.fence(until: self.clock.milliseconds + 1_000, suspect: false, by: CacheClock(self.clock))
        #expect(!self.isServed(store))
        let bytes = Array("Tom".utf8)
        #expect(bytes.withUnsafeBytes { store.extend(store.hash($0), $0, life: EntryLife(version: NumberSource.shared.next())) })
        #expect(self.isServed(store))
        store.put("Tom", 632, life: EntryLife(version: NumberSource.shared.next()))
        #expect(self.isServed(store))
    }

    /// A clock of a test's own runs as it likes: the moment lies as far ahead in one as in the other.
    @Test func `A moment of another clock is as far away`() {
        let other = HandClock()
        other.advance(1_000_000)
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 1), clock: CacheClock(self.clock))
        store.put("Tom", 630, life: EntryLife(version: NumberSource.shared.next()))
        store.fence(until: other.milliseconds + 500, suspect: false, by: CacheClock(other))
        self.clock.advance(499)
        #expect(self.isServed(store))
        self.clock.advance(1)
        #expect(!self.isServed(store))
        store.fence(until: other.milliseconds - 500, suspect: false, by: CacheClock(other))
        #expect(!self.isServed(store))
    }
}

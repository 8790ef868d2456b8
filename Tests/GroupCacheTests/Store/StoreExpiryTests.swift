// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite struct StoreExpiryTests {
    let clock = HandClock()

    func store(beta: Double = 0) -> Store<Int> {
        Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 1, earlyRefreshBeta: beta), clock: CacheClock(self.clock))
    }

    @Test func `An entry is fresh, then stale, then expired, then gone`() throws {
        let store = self.store()
        store.put("Tom", 630, life: EntryLife(ttl: 1_000, staleWhileRevalidate: 500, staleIfError: 2_000, cost: 100, version: 9))
        self.clock.advance(999)
        #expect(store.get("Tom").state == .fresh)
        self.clock.advance(1)
        #expect(store.get("Tom").state == .stale && store.get("Tom").value == 630)
        self.clock.advance(499)
        #expect(store.get("Tom").state == .stale)
        self.clock.advance(1)
        #expect(store.get("Tom").state == .expired && store.get("Tom").value == nil && !store.get("Tom").isHit)
        let info = try #require(store.info("Tom"))
        #expect(info.value == 630 && info.details.version == 9 && info.details.state == .expired)
        #expect(info.details.expires == 6_000 && info.details.staleUntil == 6_500 && info.details.staleIfErrorUntil == 8_000)
        #expect(info.details.created == 5_000 && info.details.cost == 96 && info.details.payload == 8)
        #expect(store.statistics.staleHits == 3 && store.statistics.main.items == 1)
        self.clock.advance(1_500)
        for number in 0..<5 { store.put("\(number)", number) }
        #expect(store.info("Tom") == nil)
        #expect(store.statistics.main.expirations == 1 && store.statistics.main.evictions == 0)
    }

    @Test func `Not modified: a new life for the same value`() throws {
        let store = self.store()
        store.put("Tom", 630, life: EntryLife(ttl: 1_000, staleIfError: 5_000, version: 3))
        self.clock.advance(3_000)
        let key = Array("Tom".utf8)
        #expect(key.withUnsafeBytes { store.extend(store.hash($0), $0, life: EntryLife(ttl: 1_000)) })
        #expect(store.get("Tom").value == 630)
        #expect(store.info("Tom")?.details.version == 3 && store.info("Tom")?.details.created == 8_000)
        #expect(key.withUnsafeBytes { store.extend(store.hash($0), $0, life: EntryLife(version: 4)) })
        self.clock.advance(1 << 40)
        #expect(store.get("Tom").state == .fresh)
        let details = try #require(store.info("Tom")?.details)
        #expect(details.version == 4 && details.expires == nil && details.staleUntil == nil)
        #expect(!Array("nobody".utf8).withUnsafeBytes { store.extend(store.hash($0), $0, life: EntryLife()) })
    }

    @Test func `A shortened life ends sooner, without grace; it never ends later`() throws {
        let store = self.store()
        store.put("short", 1, life: EntryLife(ttl: 100, staleWhileRevalidate: 500, staleIfError: 900, cost: 100, version: 3))
        store.put("long", 2, life: EntryLife(ttl: 10_000, staleWhileRevalidate: 500, staleIfError: 900, cost: 100, version: 4))
        store.put("endless", 3, life: EntryLife(version: 5))
        for key in ["short", "long", "endless", "nobody"] {
            let bytes = Array(key.utf8)
            #expect(bytes.withUnsafeBytes { store.shorten(store.hash($0), $0, to: 1_000) } == (key != "nobody"))
        }
        for (key, end, version) in [("short", Int64(5_100), UInt64(3)), ("long", 6_000, 4), ("endless", 6_000, 5)] {
            let details = try #require(store.info(key)?.details)
            #expect(details.expires == end && details.staleUntil == end && details.staleIfErrorUntil == end && details.version == version)
            #expect(details.created == 5_000)
        }
        #expect(store.info("long")?.details.cost == 96)
        self.clock.advance(1_000)
        for number in 0..<5 { store.put("\(number)", number) }
        #expect(store.statistics.main.expirations == 3, "swept as anything else whose time is over, also what had no end before")
    }

    @Test func `Inserts sweep out what is over, a few slots at a time`() {
        let store = self.store()
        for number in 0..<400 { store.put("old \(number)", number, life: EntryLife(ttl: 10)) }
        self.clock.advance(20)
        for number in 0..<150 { store.put("new \(number)", number) }
        #expect(store.statistics.main.expirations == 400)
        #expect(store.statistics.main.items == 150)
        #expect((0..<150).allSatisfy { (number: Int) in store.look("new \(number)").value == number })
    }

    @Test func `What is over leaves without inserts, a bounded number of looks at a time`() {
        let store = Store<Int>(StoreConfiguration(capacity: 4 << 20, shardCount: 4), clock: CacheClock(self.clock))
        for number in 0..<4_000 { store.put("old \(number)", number, life: EntryLife(ttl: 10, staleIfError: number % 2 == 0 ? 0 : 1_000)) }
        for number in 0..<1_000 { store.put("endless \(number)", number) }
        self.clock.advance(20)
        store.sweepExpired(looks: 400)
        let first = store.statistics.main.expirations
        #expect(first > 0 && first <= 400)
        for _ in 0..<20 { store.sweepExpired(looks: 400) }
        #expect(store.statistics.main.expirations == 2_000 && store.statistics.main.items == 3_000)
        self.clock.advance(2_000)
        for _ in 0..<20 { store.sweepExpired(looks: 400) }
        #expect(store.statistics.main.items == 1_000)
        #expect((0..<1_000).allSatisfy { (number: Int) in store.look("endless \(number)").value == number })
    }

    @Test func `Only a fresh value counts as a get of what is cached`() {
        let store = self.store()
        store.put("Tom", 630, life: EntryLife(ttl: 1_000, staleWhileRevalidate: 500))
        store.put("nobody", nil)
        let fresh = { (key: String) in Array(key.utf8).withUnsafeBytes { store.fresh(store.hash($0), $0) } }
        #expect(fresh("Tom") == 630 && fresh("nobody") == nil && fresh("somebody") == nil)
        #expect(store.statistics.gets == 1 && store.statistics.hits == 1)
        self.clock.advance(1_000)
        #expect(fresh("Tom") == nil && store.get("Tom").state == .stale)
        #expect(store.statistics.gets == 2 && store.statistics.hits == 2 && store.statistics.staleHits == 1)
    }

    @Test func `Absurd times neither trap nor live for ever by mistake`() {
        let store = self.store()
        store.put("never", 1, life: EntryLife(ttl: .max, staleWhileRevalidate: .max, staleIfError: .max, cost: .max, version: .max))
        store.put("zero", 1, life: EntryLife(ttl: 0))
        store.put("negative", 1, life: EntryLife(ttl: .min, staleWhileRevalidate: .min, staleIfError: -1, cost: .min))
        #expect(store.get("never").state == .fresh)
        self.clock.advance(1)
        #expect(!store.get("zero").isHit && !store.get("negative").isHit)
        #expect(store.info("never")?.details.version == (1 << 48) - 1)
    }

    @Test func `XFetch refreshes early, more often near the end, and only what is dear`() {
        let store = self.store(beta: 1)
        let life = EntryLife(ttl: 10_000, cost: 1_000_000)
        store.put("dear", 1, life: life)
        store.put("cheap", 1, life: EntryLife(ttl: 10_000, cost: 10))
        store.put("copy", 1, kind: .near, life: life)
        func share(_ key: String) -> Double {
            Double((0..<4_000).count { _ in store.look(key).state == .refreshEarly }) / 4_000
        }
        self.clock.advance(8_000)
        let far = share("dear")
        self.clock.advance(1_000)
        let near = share("dear")
        // With the cost kept as 0.98304 s the chance at a distance of d seconds is e^(-d / 0.98304): 0.131 and 0.362.
        #expect(abs(far - 0.131) < 0.03 && abs(near - 0.362) < 0.04, "\(far) and \(near)")
        #expect(share("cheap") == 0 && share("copy") == 0)
    }

    @Test func `The machine's clock serves as well`() {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20))
        store.put("Tom", 1, life: EntryLife(ttl: 60_000))
        #expect(store.get("Tom").state == .fresh)
        store.put("Tom", 1, life: EntryLife(ttl: -1, staleWhileRevalidate: 60_000))
        let end = ContinuousClock.now + .seconds(60)
        while store.get("Tom").state != .stale, ContinuousClock.now < end {}
        #expect(store.get("Tom").state == .stale)
    }
}

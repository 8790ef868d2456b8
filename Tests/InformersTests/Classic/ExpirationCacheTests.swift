// SPDX-License-Identifier: Apache-2.0

import Informers
import InformersTesting
import Testing

@Suite("ExpirationCache: entries that get too old")
struct ExpirationCacheTests {
    private let clock = VirtualClock()
    private let cache: ExpirationCache<Thing>

    init() {
        self.cache = ExpirationCache(key: nameOf, policy: .ttl(.seconds(10)), clock: InformerClock(self.clock))
    }

    @Test("TTLExpirationBasic: an expired entry is absent, and reading it deletes it")
    func ttlExpirationBasic() throws {
        try self.cache.add(Thing("a"))
        self.clock.advance(by: .seconds(11))
        #expect(self.cache.listKeys() == ["a"])
        #expect(try self.cache.get(Thing("a")) == nil)
        #expect(self.cache.listKeys().isEmpty)
    }

    @Test("ReAddExpiredItem: a new life for an old key")
    func reAddExpiredItem() throws {
        try self.cache.add(Thing("a", 1))
        self.clock.advance(by: .seconds(11))
        #expect(self.cache.get(key: "a") == nil)
        try self.cache.add(Thing("a", 2))
        #expect(self.cache.get(key: "a") == Thing("a", 2))
        self.clock.advance(by: .seconds(8))
        try self.cache.update(Thing("a", 3))
        self.clock.advance(by: .seconds(8))
        #expect(self.cache.get(key: "a") == Thing("a", 3))
    }

    @Test("TTLList: only what lives is listed, the rest is removed; listing keys removes nothing")
    func ttlList() throws {
        try self.cache.replace([Thing("a"), Thing("b")], resourceVersion: "1")
        self.clock.advance(by: .seconds(6))
        try self.cache.add(Thing("c"))
        self.clock.advance(by: .seconds(6))
        #expect(self.cache.listKeys().count == 3)
        #expect(self.cache.list() == [Thing("c")])
        #expect(self.cache.listKeys() == ["c"])
    }

    @Test("TTLPolicy: exactly the limit is not expired, a nanosecond more is; zero and less never expire")
    func ttlPolicy() throws {
        try self.cache.add(Thing("a"))
        self.clock.advance(by: .seconds(10))
        #expect(self.cache.get(key: "a") != nil)
        self.clock.advance(by: .nanoseconds(1))
        #expect(self.cache.get(key: "a") == nil)
        for limit in [Duration.zero, .seconds(-1)] {
            let forever = ExpirationCache(key: nameOf, policy: .ttl(limit), clock: InformerClock(self.clock))
            try forever.add(Thing("a"))
            self.clock.advance(by: .seconds(1_000_000))
            #expect(forever.get(key: "a") != nil)
        }
    }

    @Test("a rule of one's own sees the object")
    func ownPolicy() throws {
        let cache = ExpirationCache(
            key: nameOf,
            policy: ExpirationPolicy { thing, age in age > .seconds(thing.value) },
            clock: InformerClock(self.clock)
        )
        try cache.add(Thing("short", 1))
        try cache.add(Thing("long", 100))
        self.clock.advance(by: .seconds(2))
        #expect(cache.list() == [Thing("long", 100)])
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCache

@Suite struct StoreSidecarTests {
    func attach(_ store: Store<Int>, _ key: String, version: UInt64, _ encoded: ByteView) -> Bool {
        Array(key.utf8).withUnsafeBytes { store.attach(store.hash($0), $0, version: version, encoded: encoded) }
    }

    @Test(arguments: ["Tom", "", "a key of more than sixteen bytes"])
    func `Encoded bytes are kept beside an entry, accounted, and go with it`(key: String) throws {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 1))
        store.put(key, 630, life: EntryLife(ttl: 60_000, staleWhileRevalidate: 7, version: 3))
        store.put("other", 1)
        let before = store.statistics.used
        #expect(!self.attach(store, key, version: 4, "630") && !self.attach(store, "nobody", version: 0, "0"))
        #expect(store.statistics.used == before && store.info(key)?.sidecar == nil)
        let encoded = ByteView([UInt8](repeating: 7, count: 1_000))
        #expect(self.attach(store, key, version: 3, encoded))
        #expect(store.statistics.used >= before + 1_000 && store.statistics.used < before + 1_200)
        #expect(!self.attach(store, key, version: 3, "630"), "they are kept already")
        #expect(store.info(key)?.sidecar?.encoded == encoded && store.get(key).value == 630)
        let details = try #require(store.info(key)?.details)
        #expect(details.version == 3 && details.staleUntil == details.expires.map { $0 + 7 })
        #expect(store.listing().contains { $0.key == Array(key.utf8) })
        // A new value has other bytes.
        store.put(key, 631, life: EntryLife(version: 4))
        #expect(store.statistics.used == before && store.info(key)?.sidecar == nil && store.get(key).value == 631)
        #expect(self.attach(store, key, version: 4, encoded) && store.drop(key) && !store.get(key).isHit)
        store.drop("other")
        #expect(store.statistics.main.bytes == 0 && store.shard(at: 0).core.pointee.used == 0)
    }

    @Test func `An insert brings its sidecar along`() {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 19, shardCount: 1))
        let size = ValueSize(payload: 8)
        for number in 0..<5_000 {
            Array("key \(number)".utf8).withUnsafeBytes {
                _ = store.insert(store.hash($0), $0, number, size: size, sidecar: Sidecar(encoded: ByteView("\(number)")))
            }
        }
        #expect(store.statistics.used <= store.capacity && store.statistics.main.evictions > 0)
        for number in 4_500..<5_000 {
            #expect(store.info("key \(number)")?.sidecar?.encoded?.string == "\(number)" && store.get("key \(number)").value == number)
        }
        store.removeAll()
        #expect(store.shard(at: 0).core.pointee.used == 0)
    }

    @Test func `For a sidecar few others leave, and what is too much is refused`() {
        let store = Store<Int>(StoreConfiguration(capacity: 100_000, shardCount: 1, near: false))
        for number in 0..<2_000 { store.put("key \(number)", number, life: EntryLife(version: 1)) }
        let before = store.statistics
        #expect(!self.attach(store, "key 1999", version: 1, ByteView([UInt8](repeating: 0, count: 50_000))))
        #expect(store.statistics.main.evictions == before.main.evictions)
        #expect(self.attach(store, "key 1999", version: 1, ByteView([UInt8](repeating: 0, count: 100))))
        #expect(store.statistics.main.evictions - before.main.evictions <= 8 && store.statistics.used <= store.capacity)
        #expect(store.get("key 1999").value == 1_999 && store.get("key 1998").value == 1_998)
    }

    @Test func `Graces that lie in a sidecar stay when it gets bytes, and bytes stay when it gets graces`() throws {
        let store = Store<Int>(StoreConfiguration(capacity: 1 << 20, shardCount: 1), clock: CacheClock(HandClock()))
        for number in 1...100 {
            store.put("key \(number)", number, life: EntryLife(ttl: 1_000, staleWhileRevalidate: Int64(number), version: 1))
            #expect(self.attach(store, "key \(number)", version: 1, ByteView("\(number)")))
        }
        for number in 1...100 {
            let info = try #require(store.info("key \(number)"))
            #expect(info.sidecar?.encoded?.string == "\(number)" && info.details.staleUntil == 6_000 + Int64(number))
            let key = Array("key \(number)".utf8)
            let life = EntryLife(ttl: 2_000, staleWhileRevalidate: Int64(200 + number))
            #expect(key.withUnsafeBytes { store.extend(store.hash($0), $0, life: life) })
        }
        for number in 1...100 {
            let info = try #require(store.info("key \(number)"))
            #expect(info.sidecar?.encoded?.string == "\(number)" && info.details.staleUntil == 7_000 + Int64(200 + number))
        }
    }
}

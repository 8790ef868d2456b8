// SPDX-License-Identifier: Apache-2.0

import Dispatch
import NIOConcurrencyHelpers
import Testing

@testable import GroupCache

/// A value that uses its store when it goes.
private final class Talkative: Sendable {
    let onEnd: @Sendable () -> Void
    init(_ onEnd: @escaping @Sendable () -> Void) { self.onEnd = onEnd }
    deinit { self.onEnd() }
}

@Suite struct StoreConcurrencyTests {
    @Test(.timeLimit(.minutes(5)))
    func `A value's deinit may use the store, however the value leaves`() {
        let ends = NIOLockedValueBox(0)
        let clock = HandClock()
        let store = Store<Talkative>(StoreConfiguration(capacity: 20_000, shardCount: 1), clock: CacheClock(clock))
        let value = {
            Talkative { [unowned store] in
                // A lock that is still held would hang here.
                _ = store.get("anything")
                store.drop("something")
                store.put("negative", nil)
                ends.withLockedValue { $0 += 1 }
            }
        }
        store.put("Tom", value())
        store.put("Tom", value())
        #expect(ends.withLockedValue { $0 } == 1)
        store.drop("Tom")
        #expect(ends.withLockedValue { $0 } == 2)
        for number in 0..<1_000 { store.put("\(number)", value()) }
        #expect(ends.withLockedValue { $0 } > 500)
        store.put("large", value(), size: 15_000)
        store.put("large", value(), size: 50_000)
        for number in 0..<50 { store.put("mortal \(number)", value(), life: EntryLife(ttl: 5)) }
        clock.advance(10)
        for number in 0..<500 { store.put("next \(number)", value()) }
        store.removeAll()
        #expect(ends.withLockedValue { $0 } == 1_554)
    }

    @Test(.timeLimit(.minutes(5)), arguments: ["lru", "s3fifo"])
    func `Many threads at once: every value is its key's, and the numbers add up`(policy: String) throws {
        let store = Store<ByteView>(StoreConfiguration(capacity: 200_000, eviction: try #require(EvictionPolicy(policy)), shardCount: 2))
        let wrong = NIOLockedValueBox(0)
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            var random = SeededRandom(seed: UInt64(thread))
            for step in 0..<4_000 {
                let number = Int.random(in: 0..<2_000, using: &random)
                let key = number % 3 == 0 ? "key \(number)" : "a key of more than sixteen bytes \(number)"
                switch step % 8 {
                case 0..<4:
                    let lookup = store.get(key)
                    if let value = lookup.value, value.string != key { wrong.withLockedValue { $0 += 1 } }
                case 4, 5, 6:
                    store.put(
                        key,
                        ByteView(key),
                        size: key.utf8.count,
                        kind: step % 16 == 4 ? .near : .main,
                        life: EntryLife(ttl: step % 5 == 0 ? 1 : nil)
                    )
                    store.recordRemote(store.hash(of: key))
                default:
                    if step % 2_000 == 7 { store.removeAll() } else { store.drop(key) }
                    _ = store.admitNear(store.hash(of: key))
                    if store.statistics.used > 200_000 { wrong.withLockedValue { $0 += 1 } }
                    _ = store.scan(limit: 10)
                }
            }
        }
        #expect(wrong.withLockedValue { $0 } == 0)
        let statistics = store.statistics
        #expect(statistics.gets == 8 * 2_000 && statistics.hits > 0 && statistics.hits < statistics.gets)
        let listing = store.listing()
        #expect(listing.count == statistics.main.items + statistics.near.items)
        #expect(listing.reduce(0) { $0 + $1.key.count + $1.details.payload } == statistics.main.bytes + statistics.near.bytes)
        #expect(
            listing.allSatisfy {
                store.look(String(decoding: $0.key, as: UTF8.self)).isHit || $0.details.state == .expired || $0.details.expires != nil
            }
        )
    }

    @Test(.timeLimit(.minutes(5)))
    func `The lock lets one in at a time, also with more threads than processors`() {
        final class Counter: @unchecked Sendable {
            var value = 0
        }
        struct Box: ~Copyable { let lock = ShardLock() }
        let cell = UnsafeMutablePointer<Box>.allocate(capacity: 1)
        cell.initialize(to: Box())
        defer {
            cell.deinitialize(count: 1)
            cell.deallocate()
        }
        let counter = Counter()
        let address = UInt(bitPattern: cell)
        DispatchQueue.concurrentPerform(iterations: 16) { _ in
            guard let cell = UnsafeMutablePointer<Box>(bitPattern: address) else { return }
            for _ in 0..<20_000 {
                cell.pointee.lock.lock()
                counter.value += 1
                cell.pointee.lock.unlock()
            }
        }
        #expect(counter.value == 320_000)
    }
}

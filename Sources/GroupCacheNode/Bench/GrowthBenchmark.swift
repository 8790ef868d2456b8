// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCache
internal import Synchronization

/// What the growth of a store costs those who use it meanwhile.
struct GrowthBenchmark {
    let entries: Int
    private static let rounds = 3
    private static let hotKeys = 4096

    /// Names and microseconds. `growth_longest_us` is processor time of one insert, which is no less than that of any hold of a shard's lock in it;
    /// the others are times of one hit, while another thread fills the store and while it only replaces.
    ///
    /// Each is the longest of a round, and of the rounds the least: what else runs on the machine makes some rounds worse, what the store does is in
    /// all of them.
    func run() async throws -> [(String, Double)] {
        var (insert, growing, resting) = (Double.infinity, Double.infinity, Double.infinity)
        for _ in 0..<Self.rounds {
            let growth = try await self.round(distinct: self.entries)
            insert = min(insert, growth.insert)
            growing = min(growing, growth.hit)
            resting = min(resting, try await self.round(distinct: Self.hotKeys).hit)
        }
        return [("growth_longest_us", insert), ("growth_hit_max_us", growing), ("replace_hit_max_us", resting)]
    }

    /// As many inserts as ``entries``, of `distinct` keys, while hits go on.
    private func round(distinct: Int) async throws -> (insert: Double, hit: Double) {
        let store = Store<ByteView>(StoreConfiguration(capacity: self.entries * 512))
        let value = ByteView([UInt8](repeating: 7, count: 64))
        let keys = (0..<Self.hotKeys).map { Array(BenchKeys.key($0).utf8) }
        for key in keys { Self.insert(store, key, value) }
        let ended = Ended()
        return try await withThrowingTaskGroup(of: (insert: Double, hit: Double).self) { tasks in
            tasks.addTask {
                defer { ended.flag.store(true, ordering: .releasing) }
                Self.settleAllocator()
                var longest = 0
                for number in 0..<self.entries {
                    let key = Array(BenchKeys.key(number % distinct).utf8)
                    let start = Self.time(CLOCK_THREAD_CPUTIME_ID)
                    Self.insert(store, key, value)
                    longest = max(longest, Self.time(CLOCK_THREAD_CPUTIME_ID) - start)
                }
                return (Double(longest) / 1000, 0)
            }
            tasks.addTask {
                var longest = 0
                while !ended.flag.load(ordering: .acquiring) {
                    for key in keys {
                        let start = Self.time(CLOCK_MONOTONIC)
                        let found = key.withUnsafeBytes { store.lookup(store.hash($0), $0).isHit }
                        longest = max(longest, Self.time(CLOCK_MONOTONIC) - start)
                        guard found else { throw CommandError("an entry was evicted: the measurement is void") }
                    }
                }
                return (0, Double(longest) / 1000)
            }
            var sum = (insert: 0.0, hit: 0.0)
            for try await part in tasks { sum = (sum.insert + part.insert, sum.hit + part.hit) }
            return sum
        }
    }

    /// What was freed before, such as the last round's store, is the allocator's to put in order: in its next calls on this thread, some ten
    /// thousand pieces in each, which takes a millisecond. Those calls shall not be among the inserts.
    private static func settleAllocator() {
        for _ in 0..<1_000 { UnsafeMutableRawPointer.allocate(byteCount: 100_000, alignment: 16).deallocate() }
    }

    private final class Ended: Sendable {
        let flag = Atomic<Bool>(false)
    }

    private static func insert(_ store: Store<ByteView>, _ key: [UInt8], _ value: ByteView) {
        let size = ValueSize(payload: value.count, overhead: ByteView.overhead(count: value.count))
        key.withUnsafeBytes { _ = store.insert(store.hash($0), $0, value, size: size) }
    }

    /// Nanoseconds.
    private static func time(_ clock: clockid_t) -> Int {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int(time.tv_sec) * 1_000_000_000 + Int(time.tv_nsec)
    }
}

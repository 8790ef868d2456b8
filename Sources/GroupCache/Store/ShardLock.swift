// SPDX-License-Identifier: Apache-2.0

public import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A lock that lies inside its shard, so that taking it touches no other memory and retains nothing.
///
/// One atomic exchange to take, one plain store to let go: what it guards runs for some ten nanoseconds. Who finds it taken
/// looks again a few times, then gives up its time slice, then sleeps for ever longer, up to a millisecond: the holder runs on even where
/// the scheduler prefers the waiter. The standard library's `Mutex` is no choice on Linux with Swift 6.3: it hands
/// the lock over inside the kernel, and threads that meet form a convoy.
@usableFromInline
struct ShardLock: ~Copyable {
    @usableFromInline let taken = Atomic<Bool>(false)

    @inlinable init() {}

    @inlinable
    func lock() {
        if !self.taken.exchange(true, ordering: .acquiring) { return }
        self.wait()
    }

    @inlinable
    func unlock() {
        self.taken.store(false, ordering: .releasing)
    }

    /// Out of line, so that the way without a wait stays short.
    @usableFromInline @inline(never)
    func wait() {
        var round = 0
        while true {
            // Looking without writing leaves the line with the holder until there is something to win.
            for _ in 0..<Self.looks where !self.taken.load(ordering: .relaxed) {
                if !self.taken.exchange(true, ordering: .acquiring) { return }
            }
            round += 1
            if round <= Self.yields {
                sched_yield()
            } else {
                var time = timespec(tv_sec: 0, tv_nsec: min(1_000_000, 20_000 * (round - Self.yields)))
                nanosleep(&time, nil)
            }
        }
    }

    private static var looks: Int { 60 }
    private static var yields: Int { 200 }
}

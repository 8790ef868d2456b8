// SPDX-License-Identifier: Apache-2.0

// What keeps this node's own entries from being served when it may be their owner no longer. Each shard has the moment, and a hit looks at it under the
// lock that it holds anyway: a node that nobody fences pays a comparison, and no timer has to fire in time, in a process that was stopped, for instance.
extension Store {
    /// Own entries are served before a moment only. O(shards).
    ///
    /// - Parameters:
    ///   - moment: By `clock`. It may lie in the past.
    ///   - suspect: What is there, and what is being loaded, is not served before its getter has said that it is still right.
    package func fence(until moment: Int64, suspect: Bool, by clock: CacheClock) {
        let until = self.own(moment, clock)
        let floor = suspect ? NumberSource.shared.next() : 0
        for number in 0..<self.shardCount {
            let shard = self.shard(at: number)
            shard.lock.pointee.lock()
            shard.core.pointee.ownUntil = until
            shard.core.pointee.ownFloor = max(floor, shard.core.pointee.ownFloor)
            shard.lock.pointee.unlock()
        }
    }

    /// A moment as this store counts them.
    private func own(_ moment: Int64, _ clock: CacheClock) -> Int64 {
        // The largest means that nobody fences, which does not come back.
        if moment >= .max / 4 { return .max - 1 }
        if moment < 0 { return .min }
        if self.clockIsSystem, case .system = clock.base { return moment - self.birth }
        // Our own clock first: what passes between the two looks makes the moment earlier, and not later.
        let now = self.now()
        return now + moment - clock.milliseconds
    }

    /// Whether an own entry is not to be served now. The shard's lock is held.
    @inlinable @inline(__always)
    func isFenced(_ shard: Shard, _ header: UnsafeMutablePointer<EntryHeader>) -> Bool {
        shard.core.pointee.ownUntil != .max && self.isPast(shard, header)
    }

    @usableFromInline
    func isPast(_ shard: Shard, _ header: UnsafeMutablePointer<EntryHeader>) -> Bool {
        header.pointee.version <= shard.core.pointee.ownFloor || self.now() >= shard.core.pointee.ownUntil
    }
}

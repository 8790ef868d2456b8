// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

// A large item may use the whole capacity, not one shard's part. What it needs beyond that is lent by the other shards, each the same share of
// its own, and goes back when the item has left. Nobody ever holds two locks: capacity is taken from one shard, evicting there what has no room any
// more, and then given to the other. In between it belongs to nobody; so all shards together never have more than the store's.
extension Store {
    /// Borrows what a shard lacks to hold an item of `bytes` that its capacity cannot hold, be it large or this shard's own part lent out.
    @usableFromInline
    func borrow(_ bytes: Int, for home: Shard, releasing victims: inout Victims<Value>) {
        let share = min(self.shardPart, (bytes + self.shardCount - 1) / self.shardCount)
        let floor = self.shardPart - share
        home.lock.pointee.lock()
        // So much that here, too, the same share is left for others.
        let wanted = bytes + floor - home.core.pointee.capacity
        home.lock.pointee.unlock()
        var borrowed = self.takeSpare(wanted)
        for index in 0..<self.shardCount where borrowed < wanted {
            let shard = self.shard(at: index)
            guard shard.base != home.base else { continue }
            borrowed += self.takeCapacity(of: shard, downTo: floor, most: wanted - borrowed, releasing: &victims)
        }
        home.lock.pointee.lock()
        home.core.pointee.capacity += max(0, borrowed)
        home.lock.pointee.unlock()
    }

    private func takeCapacity(of shard: Shard, downTo floor: Int, most: Int, releasing victims: inout Victims<Value>) -> Int {
        var taken = 0
        for round in 0..<Self.maximumRounds {
            victims.reserve(Self.evictionsPerHold)
            shard.lock.pointee.lock()
            if round == 0 {
                taken = max(0, min(most, shard.core.pointee.capacity - floor))
                shard.core.pointee.capacity -= taken
            }
            for _ in 0..<Self.evictionsPerHold {
                guard let slot = shard.core.pointee.evict(toFit: 0, near: false) else { break }
                victims.take(shard, slot)
            }
            let fits = shard.core.pointee.used <= shard.core.pointee.capacity
            shard.lock.pointee.unlock()
            if fits { break }
        }
        return taken
    }

    /// Brings a shard's capacity nearer to its part, with its lock held: gives back what it borrowed once the item has left, takes back what it lent.
    @usableFromInline
    func settle(_ shard: Shard) {
        let core = shard.core
        let over = core.pointee.capacity - core.pointee.part
        if over > 0, core.pointee.used <= core.pointee.part {
            core.pointee.capacity -= over
            self.spare.add(over, ordering: .relaxed)
        } else if over < 0 {
            core.pointee.capacity += self.takeSpare(-over)
        }
    }

    private func takeSpare(_ most: Int) -> Int {
        var spare = self.spare.load(ordering: .relaxed)
        while spare > 0, most > 0 {
            let (done, now) = self.spare.compareExchange(expected: spare, desired: spare - min(spare, most), ordering: .relaxed)
            if done { return min(spare, most) }
            spare = now
        }
        return 0
    }

    /// Attempts to borrow, for others may borrow at the same time.
    @inlinable static var maximumLoans: Int { 4 }
}

// SPDX-License-Identifier: Apache-2.0

extension ShardCore {
    /// Takes out the entry that must leave next for an item of `bytes`, and returns its slot; `nil` if nothing has to, or can.
    @usableFromInline
    mutating func evict(toFit bytes: Int, near: Bool) -> Int? {
        guard !self.fits(bytes, near: near) else { return nil }
        self.replayTouches()
        let nearIsOver = self.lists[2].footprint + (near ? bytes : 0) > self.nearCapacity
        var victim = nearIsOver ? self.lists[2].tail : self.mainVictim()
        if victim < 0 { victim = self.lists[2].tail }
        guard victim >= 0 else { return nil }
        if self.slab.header(Int(victim)).pointee.isNear { self.near.evictions += 1 } else { self.main.evictions += 1 }
        self.remove(Int(victim), .evicted)
        return Int(victim)
    }

    /// Which of this node's own entries the policy gives up; -1 if there is none.
    private mutating func mainVictim() -> Int32 {
        self.countsHits ? self.s3fifoVictim() : self.lists[0].tail
    }

    /// S3-FIFO's eviction (Algorithm 1 of the paper), one entry at a time: while probation has its tenth of the bytes, its oldest entry
    /// leaves, to become a ghost, or moves on if it was asked for twice; otherwise the oldest proven one leaves, or stays for another
    /// round if it was asked for. After 256 entries that were spared, the next leaves in any case.
    private mutating func s3fifoVictim() -> Int32 {
        let budget = self.capacity - self.lists[2].footprint
        for _ in 0..<256 {
            let probation = self.lists[0].tail
            let proven = self.lists[1].tail
            if probation >= 0 && (self.lists[0].footprint >= budget / 10 || proven < 0) {
                let header = self.slab.header(Int(probation))
                if header.pointee.frequency <= 1 {
                    let (ghost, limit) = (self.fingerprint(Int(probation)), self.ghostLimit)
                    self.ghosts?.insert(ghost, limit: limit)
                    return probation
                }
                header.pointee.frequency = 0
                self.move(probation, to: .proven)
            } else if proven >= 0 {
                let header = self.slab.header(Int(proven))
                if header.pointee.frequency == 0 { return proven }
                header.pointee.frequency -= 1
                self.move(proven, to: .proven)
            } else {
                return -1
            }
        }
        return self.lists[1].tail >= 0 ? self.lists[1].tail : self.lists[0].tail
    }

    /// As many ghosts as the proven list has entries when it has its nine tenths.
    private var ghostLimit: Int { (self.lists[0].count + self.lists[1].count) * 9 / 10 }

    /// Whether S3-FIFO remembers evicting this key not long ago.
    mutating func wasGhost(_ hash: UInt32) -> Bool {
        let limit = self.ghostLimit
        return self.ghosts?.remove(hash, limit: limit) ?? false
    }

    /// Counts one get of another node's key.
    mutating func recordRemote(_ hash: UInt64) {
        self.sketch?.record(UInt32(truncatingIfNeeded: hash))
    }

    /// Whether a copy of another node's entry is worth its place: it was asked for twice of late, and, when near is full, more often
    /// than the copy that would leave for it, unless that is over anyway.
    mutating func admitNear(_ hash: UInt64, now: Int64) -> Bool {
        guard self.nearCapacity > 0 else { return false }
        let frequency = self.sketch?.frequency(UInt32(truncatingIfNeeded: hash)) ?? 2
        guard frequency >= 2 else { return false }
        // Full is where an entry of the average size does not fit any more.
        let near = self.lists[2]
        guard near.count > 0, near.footprint + near.footprint / near.count > self.nearCapacity else { return true }
        self.replayTouches()
        let victim = Int(self.lists[2].tail)
        let expires = self.slab.header(victim).pointee.expires
        return (expires != 0 && expires <= now) || frequency > self.sketch?.frequency(self.fingerprint(victim)) ?? 0
    }
}

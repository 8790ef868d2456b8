// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// Where one who samples hits has come to in each part of a store. A value.
package struct HitSampling: Sendable {
    /// How many hits each shard had counted when they were looked at last; empty: never.
    var hits: [Int] = []
}

/// A hit that was seen, and how many it stands for.
package struct SampledHit: Sendable, Hashable {
    /// The bytes of the key.
    package var key: [UInt8]
    /// So many hits, itself among them.
    package var weight: Double
}

// Which entries are hit most is found out from what hits leave behind anyway: the log of touches holds the slots of a shard's last hits, up to 64 of
// them. So a hit pays nothing for being sampled, whether or not anybody samples. Under `.s3fifo` hits of own entries leave only a number in the entry, and
// go by the log while somebody samples.
extension Store {
    /// Lets hits leave their trail until ``endSampling()``, as often as this is called. O(shards).
    func beginSampling() -> HitSampling {
        // Under this lock the shards' are taken, and never the other way around: two who begin and end at the same time leave the shards as the number says.
        self.samplers.withLockedValue { count in
            count += 1
            if count == 1 { self.marksHits(false) }
        }
        return HitSampling(hits: (0..<self.shardCount).map { self.hits(of: $0) })
    }

    /// Ends what ``beginSampling()`` began.
    func endSampling() {
        self.samplers.withLockedValue { count in
            count -= 1
            if count == 0 { self.marksHits(true) }
        }
    }

    private func marksHits(_ isUsual: Bool) {
        for index in 0..<self.shardCount {
            let shard = self.shard(at: index)
            shard.lock.pointee.lock()
            shard.core.pointee.marksHits = isUsual && shard.core.pointee.countsHits
            shard.lock.pointee.unlock()
        }
    }

    private func hits(of index: Int) -> Int {
        let shard = self.shard(at: index)
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        return shard.core.pointee.hits
    }

    /// The last hits of each shard since the last look, at most `most` of each, with what each of them stands for: together all hits since then. Copies at
    /// most `most` keys in one hold of a lock. O(shards × most).
    ///
    /// Which hits are seen depends on when it is looked and not on their keys, so that each key is seen as often as its hits are part of all.
    func sampleHits(_ sampling: inout HitSampling, most: Int) -> [SampledHit] {
        guard sampling.hits.count == self.shardCount else { return [] }
        var found: [SampledHit] = []
        var keys: [[UInt8]] = []
        for index in 0..<self.shardCount {
            let shard = self.shard(at: index)
            keys.removeAll(keepingCapacity: true)
            shard.lock.pointee.lock()
            let hits = shard.core.pointee.hits
            let new = hits &- sampling.hits[index]
            // A slot that lies in the log is not reused before the log is gone through.
            let touches = shard.core.pointee.touches
            for back in 0..<max(0, min(touches.count, new, most)) {
                let slot = Int(touches.slots[touches.count - 1 - back])
                keys.append(shard.core.pointee.slab.header(slot).pointee.withKey { Array($0) })
            }
            shard.lock.pointee.unlock()
            // Where the log has just been gone through, what came since is left for the next look.
            guard !keys.isEmpty else { continue }
            sampling.hits[index] = hits
            let weight = Double(new) / Double(keys.count)
            for key in keys { found.append(SampledHit(key: key, weight: weight)) }
        }
        return found
    }
}

/// A group whose hits can be sampled.
package protocol SampledGroup: PeerServing {
    /// Begins; each that begins ends, too.
    func beginSampling() -> HitSampling
    /// The last hits since the last look: see ``Store/sampleHits(_:most:)``.
    func sampleHits(_ sampling: inout HitSampling, most: Int) -> [SampledHit]
    /// Ends.
    func endSampling()
}

extension GroupServer: SampledGroup {
    func beginSampling() -> HitSampling { self.group.store.beginSampling() }
    func sampleHits(_ sampling: inout HitSampling, most: Int) -> [SampledHit] { self.group.store.sampleHits(&sampling, most: most) }
    func endSampling() { self.group.store.endSampling() }
}

// SPDX-License-Identifier: Apache-2.0

/// The keys that S3-FIFO evicted before they proved themselves, as fingerprints: a first-in-first-out queue without links.
///
/// As in §4.2 of the S3-FIFO paper, a ghost is a fingerprint and the number of its insertion; it is alive while fewer than `limit` ghosts came after
/// it. They lie in buckets of eight, one cache line each, four to a bucket on average. A full bucket loses its oldest ghost a little early.
/// The table grows and shrinks by linear hashing, two buckets an insertion: all operations are O(1).
struct GhostQueue {
    /// Fingerprint in the high half, insertion number in the low; 0 is empty.
    private let slots: UnsafeMutablePointer<UInt64>
    private var memory: GrowingMemory
    private(set) var bucketCount = 1
    private let bucketLimit: Int
    private var insertions: UInt32 = 0

    private static var bucketSize: Int { 8 }
    private static var ghostsPerBucket: Int { 4 }

    /// A queue that is never asked to remember more than `limit` ghosts.
    init(limit: Int) {
        self.bucketLimit = limit / Self.ghostsPerBucket + 1
        self.memory = GrowingMemory(limit: self.bucketLimit * Self.bucketSize * 8)
        self.slots = self.memory.base.bindMemory(to: UInt64.self, capacity: self.bucketLimit * Self.bucketSize)
        self.memory.grow(to: Self.bucketSize * 8)
    }

    /// Ends the queue. Its owner calls this once; copies share the memory.
    func deallocate() { self.memory.deallocate() }

    /// Remembers `hash` as the youngest of at most `limit` ghosts.
    mutating func insert(_ hash: UInt32, limit: Int) {
        let wanted = min(self.bucketLimit, limit / Self.ghostsPerBucket + 1)
        for _ in 0..<2 {
            if self.bucketCount < wanted { self.split() } else if self.bucketCount > wanted + wanted / 4 { self.merge() }
        }
        self.insertions &+= 1
        self.put(UInt64(hash) << 32 | UInt64(self.insertions), replacing: hash)
    }

    /// Forgets `hash`. Whether it was among the youngest `limit` ghosts.
    mutating func remove(_ hash: UInt32, limit: Int) -> Bool {
        let bucket = self.bucket(of: hash)
        for slot in bucket..<bucket + Self.bucketSize where self.slots[slot] != 0 && UInt32(self.slots[slot] >> 32) == hash {
            let age = self.age(slot)
            self.slots[slot] = 0
            return Int(age) < limit
        }
        return false
    }

    /// Into a free slot, that of the same fingerprint, or that of the oldest ghost of the bucket, if the new one is not older.
    private func put(_ ghost: UInt64, replacing hash: UInt32) {
        let bucket = self.bucket(of: hash)
        var target = bucket
        for slot in bucket..<bucket + Self.bucketSize {
            if self.slots[slot] == 0 || UInt32(self.slots[slot] >> 32) == hash {
                target = slot
                break
            }
            if self.age(slot) > self.age(target) { target = slot }
        }
        let isOlder = self.slots[target] != 0 && self.insertions &- UInt32(truncatingIfNeeded: ghost) > self.age(target)
        if !isOlder { self.slots[target] = ghost }
    }

    /// How many ghosts came later. After 4 billion insertions a ghost that nobody met looks young again, once, which costs nothing.
    private func age(_ slot: Int) -> UInt32 { self.insertions &- UInt32(truncatingIfNeeded: self.slots[slot]) }

    private func bucket(of hash: UInt32) -> Int {
        // The least power of two that is not below the number of buckets, and half of it for those that have no twin yet.
        let mask = 1 << (Int.bitWidth - (self.bucketCount - 1).leadingZeroBitCount) - 1
        let bucket = Int(hash) & mask
        return (bucket < self.bucketCount ? bucket : bucket & (mask >> 1)) * Self.bucketSize
    }

    /// A bucket's ghosts go to it and its new twin, so all have room.
    private mutating func split() {
        let new = self.bucketCount * Self.bucketSize
        self.memory.grow(to: (new + Self.bucketSize) * 8)
        (self.slots + new).update(repeating: 0, count: Self.bucketSize)
        let old = self.twin(of: self.bucketCount) * Self.bucketSize
        self.bucketCount += 1
        for place in 0..<Self.bucketSize where self.slots[old + place] != 0 {
            let ghost = self.slots[old + place]
            guard self.bucket(of: UInt32(ghost >> 32)) == new else { continue }
            self.slots[new + place] = ghost
            self.slots[old + place] = 0
        }
    }

    /// The last bucket's ghosts go to its twin, as many of the youngest as have room.
    private mutating func merge() {
        self.bucketCount -= 1
        let last = self.bucketCount * Self.bucketSize
        for slot in last..<last + Self.bucketSize where self.slots[slot] != 0 {
            self.put(self.slots[slot], replacing: UInt32(self.slots[slot] >> 32))
        }
        self.memory.shrink(to: last * 8)
    }

    private func twin(of bucket: Int) -> Int { bucket & ~(1 << (Int.bitWidth - 1 - bucket.leadingZeroBitCount)) }
}

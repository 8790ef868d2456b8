/// The keys that S3-FIFO evicted before they proved themselves, as fingerprints: a first-in-first-out queue without links.
///
/// As in §4.2 of the S3-FIFO paper, a ghost is a fingerprint and the number of its insertion; it is alive while fewer than `limit` ghosts came after
/// it. They lie in buckets of eight, one cache line each. A full bucket loses its oldest ghost a little early.
/// All operations are O(1), but for the doubling of the table.
struct GhostQueue: ~Copyable {
    /// Fingerprint in the high half, insertion number in the low; 0 is empty.
    private var slots: UnsafeMutablePointer<UInt64>
    private(set) var slotCount: Int
    private var insertions: UInt32 = 0

    private static var bucketSize: Int { 8 }

    init() {
        self.slotCount = Self.bucketSize
        self.slots = Self.allocate(Self.bucketSize)
    }

    deinit { self.slots.deallocate() }

    /// Remembers `hash` as the youngest of at most `limit` ghosts.
    mutating func insert(_ hash: UInt32, limit: Int) {
        if limit * 4 > self.slotCount * 3 { self.double() }
        if self.insertions == .max { self.removeAll() }
        self.insertions += 1
        let bucket = self.bucket(of: hash)
        var target = bucket
        for slot in bucket..<bucket + Self.bucketSize {
            // An empty slot has number 0 and so is the oldest.
            if UInt32(truncatingIfNeeded: self.slots[slot]) < UInt32(truncatingIfNeeded: self.slots[target]) { target = slot }
            if UInt32(self.slots[slot] >> 32) == hash {
                target = slot
                break
            }
        }
        self.slots[target] = UInt64(hash) << 32 | UInt64(self.insertions)
    }

    /// Forgets `hash`. Whether it was among the youngest `limit` ghosts.
    mutating func remove(_ hash: UInt32, limit: Int) -> Bool {
        let bucket = self.bucket(of: hash)
        for slot in bucket..<bucket + Self.bucketSize where self.slots[slot] != 0 && UInt32(self.slots[slot] >> 32) == hash {
            let age = self.insertions - UInt32(truncatingIfNeeded: self.slots[slot])
            self.slots[slot] = 0
            return Int(age) < limit
        }
        return false
    }

    /// Forgets everything and gives the memory back.
    mutating func removeAll() {
        self.slots.deallocate()
        self.slotCount = Self.bucketSize
        self.slots = Self.allocate(Self.bucketSize)
        self.insertions = 0
    }

    private func bucket(of hash: UInt32) -> Int {
        Int(hash) & (self.slotCount - 1) & ~(Self.bucketSize - 1)
    }

    /// A bucket's ghosts go to it and its new twin, so all have room.
    private mutating func double() {
        let old = self.slots
        let oldCount = self.slotCount
        self.slotCount *= 2
        self.slots = Self.allocate(self.slotCount)
        for ghost in UnsafeBufferPointer(start: old, count: oldCount) where ghost != 0 {
            let bucket = self.bucket(of: UInt32(ghost >> 32))
            for slot in bucket..<bucket + Self.bucketSize where self.slots[slot] == 0 {
                self.slots[slot] = ghost
                break
            }
        }
        old.deallocate()
    }

    private static func allocate(_ count: Int) -> UnsafeMutablePointer<UInt64> {
        let slots = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64).bindMemory(to: UInt64.self, capacity: count)
        slots.initialize(repeating: 0, count: count)
        return slots
    }
}

// SPDX-License-Identifier: Apache-2.0

/// From the hash of a key to the slot of its entry: open addressing with linear probing over 4-byte places, in many small segments.
///
/// A segment belongs to a range of hashes and grows and shrinks by itself, to as many places as make it 2/3 full: so no step of growth
/// touches more than some hundred entries, however many there are. How many segments there are follows from the most entries that the
/// shard can ever hold, and never changes.
///
/// A place holds the slot in its low bits, as many as the shard's slots need, and above them bits of the hash that have no part in where
/// the place is. A probe for another key so seldom has to look at an entry. Removal shifts back what follows, so there are no tombstones
/// and the load is what the count says. Every probe ends after one round of its segment.
@usableFromInline
struct ShardIndex {
    @usableFromInline
    struct Segment {
        @usableFromInline var places: UnsafeMutablePointer<UInt32>?
        @usableFromInline var size: UInt32
        @usableFromInline var count: UInt32
    }

    @usableFromInline let segments: UnsafeMutablePointer<Segment>
    @usableFromInline let segmentShift: UInt64
    @usableFromInline let segmentMask: UInt64
    @usableFromInline let slotBits: UInt32
    private(set) var count = 0

    /// No slot has all the bits that a slot has, since ``init(slots:shardBits:)`` leaves one free.
    @inlinable static var empty: UInt32 { .max }
    /// As many entries as a segment has when the shard is as full as it can be of the smallest entries.
    static var entriesPerSegment: Int { 1024 }

    /// An index of slots below `slots` for hashes whose uppermost `shardBits` bits are the same.
    init(slots: Int, shardBits: Int) {
        self.slotBits = UInt32(max(1, Int.bitWidth - slots.leadingZeroBitCount))
        let wanted = (max(1, slots) + Self.entriesPerSegment - 1) / Self.entriesPerSegment
        let bits = min(22, Int.bitWidth - (wanted - 1).leadingZeroBitCount)
        self.segmentShift = UInt64(64 - shardBits - bits)
        self.segmentMask = 1 << UInt64(bits) - 1
        // Zeros are segments without places.
        self.segments = GrowingMemory.zeros(MemoryLayout<Segment>.stride << bits).bindMemory(to: Segment.self, capacity: 1 << bits)
    }

    /// Ends the index. Its owner calls this once; copies share the memory. O(segments), so not under a lock.
    func deallocate() {
        for segment in 0..<self.segmentCount { self.segments[segment].places?.deallocate() }
        GrowingMemory.deallocateZeros(self.segments, MemoryLayout<Segment>.stride * self.segmentCount)
    }

    var segmentCount: Int { Int(self.segmentMask) + 1 }

    @inlinable @inline(__always)
    func segment(of hash: UInt64) -> Int { Int(truncatingIfNeeded: (hash &>> self.segmentShift) & self.segmentMask) }

    /// The first place to look for a hash with these low bits in `size` places.
    @inlinable @inline(__always)
    static func home(_ low: UInt32, _ size: UInt32) -> Int { Int(truncatingIfNeeded: (UInt64(low) &* UInt64(size)) &>> 32) }

    /// Calls `matches` with each slot that may hold the key with `hash`, until it says yes. -1: none.
    @inlinable @inline(__always)
    func find(_ hash: UInt64, matches: (Int) -> Bool) -> Int {
        let segment = self.segments[self.segment(of: hash)]
        guard let places = segment.places else { return -1 }
        let low = UInt32(truncatingIfNeeded: hash)
        let bits = self.slotBits
        let tag = low &<< bits
        var place = Self.home(low, segment.size)
        for _ in 0..<segment.size {
            let content = places[place]
            if content == Self.empty { return -1 }
            if (content ^ tag) &>> bits == 0 {
                let slot = Int(content ^ tag)
                if matches(slot) { return slot }
            }
            place &+= 1
            if place == Int(segment.size) { place = 0 }
        }
        return -1
    }

    /// Adds a slot. `hashOf` gives the hashes of the entries that are there, if their segment has to grow.
    mutating func insert(_ hash: UInt64, slot: Int, hashOf: (Int) -> UInt64) {
        let segment = self.segments + self.segment(of: hash)
        if (segment.pointee.count + 1) * 16 > segment.pointee.size * 13 { Self.resize(segment, self.slotMask, hashOf) }
        let low = UInt32(truncatingIfNeeded: hash)
        Self.put(segment, low, low &<< self.slotBits | UInt32(slot))
        segment.pointee.count += 1
        self.count += 1
    }

    /// Removes the place of `slot`, whose entry has `hash`. `hashOf` gives the hashes of the entries that follow.
    mutating func remove(_ hash: UInt64, slot: Int, hashOf: (Int) -> UInt64) {
        guard var hole = self.place(hash, slot) else { return }
        let segment = self.segments + self.segment(of: hash)
        guard let places = segment.pointee.places else { return }
        let size = Int(segment.pointee.size)
        var next = hole
        for _ in 0..<size {
            next = next + 1 == size ? 0 : next + 1
            let content = places[next]
            if content == Self.empty { break }
            // What follows may move into the hole unless that is before its home.
            let home = Self.home(UInt32(truncatingIfNeeded: hashOf(Int(content & self.slotMask))), segment.pointee.size)
            if Self.distance(home, next, size) >= Self.distance(hole, next, size) {
                places[hole] = content
                hole = next
            }
        }
        places[hole] = Self.empty
        segment.pointee.count -= 1
        self.count -= 1
        if segment.pointee.count == 0 {
            places.deallocate()
            segment.pointee = Segment(places: nil, size: 0, count: 0)
        } else if size > 22, segment.pointee.count * 8 < segment.pointee.size * 3 {
            Self.resize(segment, self.slotMask, hashOf)
        }
    }

    /// The entry with `hash` has moved from one slot to another.
    func move(_ hash: UInt64, from: Int, to: Int) {
        guard let place = self.place(hash, from), let places = self.segments[self.segment(of: hash)].places else { return }
        places[place] = UInt32(truncatingIfNeeded: hash) &<< self.slotBits | UInt32(to)
    }

    /// Calls `body` with every slot of a segment.
    func forEach(in segment: Int, _ body: (Int) -> Void) {
        guard let places = self.segments[segment].places else { return }
        for place in 0..<Int(self.segments[segment].size) where places[place] != Self.empty { body(Int(places[place] & self.slotMask)) }
    }

    private var slotMask: UInt32 { 1 << self.slotBits - 1 }

    private func place(_ hash: UInt64, _ slot: Int) -> Int? {
        let segment = self.segments[self.segment(of: hash)]
        guard let places = segment.places else { return nil }
        var place = Self.home(UInt32(truncatingIfNeeded: hash), segment.size)
        for _ in 0..<segment.size {
            if places[place] == Self.empty { return nil }
            if Int(places[place] & self.slotMask) == slot { return place }
            place = place + 1 == Int(segment.size) ? 0 : place + 1
        }
        return nil
    }

    private static func distance(_ a: Int, _ b: Int, _ size: Int) -> Int { b >= a ? b - a : b - a + size }

    private static func resize(_ segment: UnsafeMutablePointer<Segment>, _ slotMask: UInt32, _ hashOf: (Int) -> UInt64) {
        let old = segment.pointee
        // 4 × size + 8 is a multiple of 16, so that nothing of the allocator's chunk is lost.
        let size = ((old.count + 1) * 3 / 2 + 3) / 4 * 4 + 2
        let places = UnsafeMutablePointer<UInt32>.allocate(capacity: Int(size))
        places.initialize(repeating: Self.empty, count: Int(size))
        segment.pointee.places = places
        segment.pointee.size = size
        guard let oldPlaces = old.places else { return }
        for place in 0..<Int(old.size) where oldPlaces[place] != Self.empty {
            Self.put(segment, UInt32(truncatingIfNeeded: hashOf(Int(oldPlaces[place] & slotMask))), oldPlaces[place])
        }
        oldPlaces.deallocate()
    }

    private static func put(_ segment: UnsafeMutablePointer<Segment>, _ low: UInt32, _ content: UInt32) {
        guard let places = segment.pointee.places else { return }
        var place = Self.home(low, segment.pointee.size)
        for _ in 0..<segment.pointee.size {
            if places[place] == Self.empty { break }
            place = place + 1 == Int(segment.pointee.size) ? 0 : place + 1
        }
        places[place] = content
    }
}

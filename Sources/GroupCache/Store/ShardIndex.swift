/// From the hash of a key to the slot of its entry: open addressing with linear probing over 4-byte places.
///
/// A place holds the slot in its low bits, as many as the size of the table has, and the hash's own bits above them. A probe for
/// another key so seldom has to look at an entry. At most 7/8 of the places are taken; removal shifts back what follows, so there are no
/// tombstones and the load is what the count says. Every probe ends after one round of the table.
@usableFromInline
struct ShardIndex {
    @usableFromInline private(set) var places: UnsafeMutablePointer<UInt32>
    @usableFromInline private(set) var mask: UInt32
    private(set) var count = 0

    /// No slot has all the bits of the mask, since slots are fewer than places.
    @inlinable static var empty: UInt32 { .max }
    static var smallest: Int { 16 }

    init() {
        self.mask = UInt32(Self.smallest - 1)
        self.places = Self.allocate(Self.smallest)
    }

    /// Ends the table. Its owner calls this once; copies share the memory.
    func deallocate() { self.places.deallocate() }

    var size: Int { Int(self.mask) + 1 }
    /// Whether one more entry needs ``grow(hashOf:)`` first.
    var isFull: Bool { (self.count + 1) * 8 > self.size * 7 }

    /// Calls `matches` with each slot that may hold the key with `hash`, until it says yes.
    @inlinable @inline(__always)
    func find(_ hash: UInt32, matches: (Int) -> Bool) -> Int? {
        var place = hash & self.mask
        for _ in 0...self.mask {
            let content = self.places[Int(place)]
            if content == Self.empty { return nil }
            if (content ^ hash) & ~self.mask == 0 {
                let slot = Int(content & self.mask)
                if matches(slot) { return slot }
            }
            place = (place &+ 1) & self.mask
        }
        return nil
    }

    /// Adds a slot. The table must not be full.
    mutating func insert(_ hash: UInt32, slot: Int) {
        assert(!self.isFull)
        self.count += 1
        self.put(hash, slot: slot)
    }

    /// Removes the place of `slot`, whose entry has `hash`. `hashOf` gives the hash of the entries that follow.
    mutating func remove(_ hash: UInt32, slot: Int, hashOf: (Int) -> UInt32) {
        var hole = hash & self.mask
        for _ in 0...self.mask {
            let content = self.places[Int(hole)]
            if content == Self.empty { return }
            if Int(content & self.mask) == slot { break }
            hole = (hole &+ 1) & self.mask
        }
        self.count -= 1
        var next = hole
        for _ in 0...self.mask {
            next = (next &+ 1) & self.mask
            let content = self.places[Int(next)]
            if content == Self.empty { break }
            // What follows may move into the hole unless that is before its home.
            let home = hashOf(Int(content & self.mask)) & self.mask
            if (next &- home) & self.mask >= (next &- hole) & self.mask {
                self.places[Int(hole)] = content
                hole = next
            }
        }
        self.places[Int(hole)] = Self.empty
    }

    /// Doubles the table.
    mutating func grow(hashOf: (Int) -> UInt32) {
        let old = self.places
        let oldMask = self.mask
        self.mask = oldMask << 1 | 1
        self.places = Self.allocate(self.size)
        for place in 0...Int(oldMask) where old[place] != Self.empty {
            let slot = Int(old[place] & oldMask)
            self.put(hashOf(slot), slot: slot)
        }
        old.deallocate()
    }

    private func put(_ hash: UInt32, slot: Int) {
        var place = hash & self.mask
        for _ in 0...self.mask {
            if self.places[Int(place)] == Self.empty { break }
            place = (place &+ 1) & self.mask
        }
        self.places[Int(place)] = (hash & ~self.mask) | UInt32(slot)
    }

    private static func allocate(_ count: Int) -> UnsafeMutablePointer<UInt32> {
        let places = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64).bindMemory(to: UInt32.self, capacity: count)
        places.initialize(repeating: Self.empty, count: count)
        return places
    }
}

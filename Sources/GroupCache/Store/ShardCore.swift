/// What a shard knows and decides, apart from its values: index, lists, accounting, policies. A state machine without lock, clock or values.
///
/// It calls entries by their slot. Whoever removes an entry here takes its value out of the slot and releases it after the lock is let go.
/// Times are milliseconds since the store began.
@usableFromInline
struct ShardCore: ~Copyable {
    // Swift 6.3's optimiser fails on inlinable code around a non-copyable property with a deinit; so these three are ended by hand.
    @usableFromInline var index = ShardIndex()
    @usableFromInline var slab: EntrySlab
    @usableFromInline let countsHits: Bool
    @usableFromInline var touches: TouchLog
    @usableFromInline var gets = 0
    @usableFromInline var hits = 0
    @usableFromInline var nearHits = 0
    @usableFromInline var negativeHits = 0
    @usableFromInline var staleHits = 0

    /// What the entries may take, in bytes.
    let capacity: Int
    let nearCapacity: Int
    let footprint: EntryFootprint
    var lists: InlineArray<3, EntryList> = .init(repeating: EntryList())
    var freeHead: Int32 = -1
    /// How many entries have an end; without any, nobody reads the clock to sweep.
    var mortals = 0
    var sweepCursor = 0
    var ghosts: GhostQueue?
    var sketch: FrequencySketch?
    let sketchBytes: Int
    var main = CacheStatistics()
    var near = CacheStatistics()
    var random: UInt64
    let earlyRefreshBeta: Double

    init(capacity: Int, configuration: StoreConfiguration, layout: EntryLayout) {
        let nearCapacity = configuration.near ? capacity / 8 : 0
        // 8 bytes for each key that near may hold, at an average of 256: 1/256 of the capacity, rounded to a power of two.
        let keys = nearCapacity / 256
        self.sketchBytes = keys >= 8 ? FrequencySketch.byteCount(keys: keys) : 0
        self.sketch = keys >= 8 ? FrequencySketch(keys: keys) : nil
        self.capacity = max(0, capacity - self.sketchBytes)
        self.nearCapacity = nearCapacity
        self.countsHits = configuration.eviction == .s3fifo
        self.ghosts = configuration.eviction == .s3fifo ? GhostQueue() : nil
        self.footprint = EntryFootprint(stride: layout.stride, ghosts: configuration.eviction == .s3fifo)
        self.slab = EntrySlab(capacity: 0, layout: layout)
        self.touches = TouchLog()
        self.earlyRefreshBeta = configuration.earlyRefreshBeta
        self.random = .random(in: 1 ... .max)
    }

    deinit {
        // The slab is the store's to end, because of the values in it.
        self.index.deallocate()
        self.touches.deallocate()
    }

    /// Notes that the entry was used.
    @inlinable
    mutating func touch(_ slot: Int) {
        let header = self.slab.header(slot)
        if self.countsHits && !header.pointee.isNear {
            if header.pointee.packed < 0xC000 { header.pointee.packed += 0x4000 }
        } else if self.touches.append(slot) {
            self.replayTouches()
        }
    }

    /// Brings the lists to the order of use. Before anything that looks at a list's order or reuses a slot.
    @usableFromInline
    mutating func replayTouches() {
        for touch in 0..<self.touches.count {
            let slot = self.touches.slots[touch]
            let list = Int(self.slab.header(Int(slot)).pointee.list.rawValue)
            if self.lists[list].head == slot { continue }
            self.unlink(slot, from: list)
            self.link(slot, to: list)
        }
        self.touches.count = 0
    }

    /// What the entries take now.
    var used: Int { self.lists[0].footprint + self.lists[1].footprint + self.lists[2].footprint }

    /// Whether an item of this size can be stored now.
    @usableFromInline
    func fits(_ bytes: Int, near: Bool) -> Bool {
        if near && self.lists[2].footprint + bytes > self.nearCapacity { return false }
        return self.used + bytes <= self.capacity
    }

    /// Whether the next ``insert(_:_:size:near:proven:life:now:)`` needs a larger slab first.
    @usableFromInline var needsSlots: Bool { self.freeHead < 0 && self.slab.used == self.slab.capacity }

    /// How many slots the next slab should have: half as many again, but no more than the capacity can ever fill.
    @usableFromInline var nextSlabCapacity: Int {
        let most = self.capacity / (self.footprint.stride + EntryFootprint.indexShare) + 1
        return max(self.slab.capacity + 1, min(most, max(16, self.slab.capacity + self.slab.capacity / 2)))
    }

    /// Adds an entry, which must fit, and returns its slot. The caller puts the value there; the slot's value is `nil`, or, if the
    /// slot is `slab.used - 1` and `isNew`, not initialised.
    @usableFromInline
    mutating func insert(_ hash: UInt64, _ key: PackedKey, size: EntrySize, near: Bool, proven: Bool, life: EntryLife, now: Int64)
        -> (slot: Int, isNew: Bool)
    {
        // Uses that came before this insert must not end up in front of it.
        self.replayTouches()
        let hash = UInt32(truncatingIfNeeded: hash)
        let isNew = self.freeHead < 0
        let slot = isNew ? self.slab.used : Int(self.freeHead)
        let header = self.slab.header(slot)
        if isNew {
            self.slab.used += 1
        } else {
            self.freeHead = header.pointee.next
        }
        var list = near ? EntryListID.near : .probation
        if !near && self.countsHits && (proven || self.wasGhost(hash)) { list = .proven }
        header.initialize(to: .free)
        header.pointee.hash = hash
        header.pointee.keyLength = UInt16(key.bytes.count)
        (header.pointee.word0, header.pointee.word1) =
            key.bytes.count > PackedKey.inlineLength ? (Self.copy(key.bytes), 0) : (key.word0, key.word1)
        header.pointee.payload = size.payload
        header.pointee.packed = size.overhead
        header.pointee.list = list
        header.pointee.adopt(life, now: now)
        if header.pointee.expires != 0 { self.mortals += 1 }

        if self.index.isFull {
            let slab = self.slab
            self.index.grow { slab.header($0).pointee.hash }
        }
        self.index.insert(hash, slot: slot)
        self.link(Int32(slot), to: Int(list.rawValue))
        self.account(header, sign: 1)
        return (slot, isNew)
    }

    /// Takes an entry out of everything. Its slot is free; its value is still there for the caller to take.
    @usableFromInline
    mutating func remove(_ slot: Int) {
        self.replayTouches()
        let header = self.slab.header(slot)
        let slab = self.slab
        self.index.remove(header.pointee.hash, slot: slot) { slab.header($0).pointee.hash }
        self.account(header, sign: -1)
        self.unlink(Int32(slot), from: Int(header.pointee.list.rawValue))
        if header.pointee.expires != 0 { self.mortals -= 1 }
        header.pointee.longKey?.deallocate()
        header.pointee = .free
        header.pointee.next = self.freeHead
        self.freeHead = Int32(slot)
    }

    /// Empties the shard at once and returns the old slab, whose values and memory the caller lets go without the lock.
    @usableFromInline
    mutating func removeAll() -> EntrySlab {
        let old = self.slab
        self.slab = EntrySlab(capacity: 0, layout: old.layout)
        self.index.deallocate()
        self.index = ShardIndex()
        self.lists = .init(repeating: EntryList())
        self.touches.count = 0
        self.freeHead = -1
        self.mortals = 0
        self.sweepCursor = 0
        if self.countsHits { self.ghosts = GhostQueue() }
        return old
    }

    private mutating func account(_ header: UnsafeMutablePointer<EntryHeader>, sign: Int) {
        let list = Int(header.pointee.list.rawValue)
        self.lists[list].count += sign
        self.lists[list].bytes += sign * (Int(header.pointee.keyLength) + Int(header.pointee.payload))
        self.lists[list].footprint += sign * self.footprint.bytes(header.pointee)
    }

    /// Moves an entry to the head of another list, and its bytes with it.
    mutating func move(_ slot: Int32, to list: EntryListID) {
        let header = self.slab.header(Int(slot))
        self.account(header, sign: -1)
        self.unlink(slot, from: Int(header.pointee.list.rawValue))
        header.pointee.list = list
        self.link(slot, to: Int(list.rawValue))
        self.account(header, sign: 1)
    }

    private mutating func link(_ slot: Int32, to list: Int) {
        let header = self.slab.header(Int(slot))
        let head = self.lists[list].head
        header.pointee.previous = -1
        header.pointee.next = head
        if head >= 0 { self.slab.header(Int(head)).pointee.previous = slot } else { self.lists[list].tail = slot }
        self.lists[list].head = slot
    }

    private mutating func unlink(_ slot: Int32, from list: Int) {
        let header = self.slab.header(Int(slot))
        let (previous, next) = (header.pointee.previous, header.pointee.next)
        if previous >= 0 { self.slab.header(Int(previous)).pointee.next = next } else { self.lists[list].head = next }
        if next >= 0 { self.slab.header(Int(next)).pointee.previous = previous } else { self.lists[list].tail = previous }
    }

    private static func copy(_ key: UnsafeRawBufferPointer) -> UInt64 {
        let copy = UnsafeMutableRawPointer.allocate(byteCount: key.count, alignment: 1)
        copy.copyMemory(from: key.baseAddress ?? UnsafeRawPointer(copy), byteCount: key.count)
        return UInt64(UInt(bitPattern: copy))
    }
}

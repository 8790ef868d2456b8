// SPDX-License-Identifier: Apache-2.0

/// What a shard knows and decides, apart from its values: index, lists, accounting, policies. A state machine without lock, clock or values.
///
/// It calls entries by their slot. Whoever removes an entry here takes its value out of the slot and releases it after the lock is let go.
/// Times are milliseconds since the store began.
@usableFromInline
struct ShardCore: ~Copyable {
    // Swift 6.3's optimiser fails on inlinable code around a non-copyable property with a deinit; so these are ended by hand.
    @usableFromInline var index: ShardIndex
    @usableFromInline var slab: EntrySlab
    @usableFromInline let countsHits: Bool
    /// Whether a hit of an own entry is noted in that entry alone: as ``countsHits``, unless somebody samples hits. Then it goes by the log, too.
    @usableFromInline var marksHits: Bool
    @usableFromInline var touches: TouchLog
    @usableFromInline var gets = 0
    @usableFromInline var hits = 0
    @usableFromInline var nearHits = 0
    @usableFromInline var negativeHits = 0
    @usableFromInline var staleHits = 0

    /// The moment from which own entries are not to be served; the largest: nobody ever says so. See ``Store/fence(until:suspect:by:)``.
    @usableFromInline var ownUntil = Int64.max
    /// Own entries of no greater version may be older than something that was missed.
    @usableFromInline var ownFloor: UInt64 = 0

    let hasher: KeyHash
    let shardBits: Int
    /// This shard's part of the store's capacity, in bytes.
    @usableFromInline let part: Int
    /// What the entries may take now, in bytes: the part, unless some of it is lent to a large item in another shard, or borrowed for one here.
    @usableFromInline var capacity: Int
    let nearCapacity: Int
    let footprint: EntryFootprint
    var lists: InlineArray<3, EntryList> = .init(repeating: EntryList())
    /// Free slots, linked both ways.
    var freeHead: Int32 = -1
    @usableFromInline var freeCount = 0
    let graces = Graces()
    /// How many entries have an end; without any, nobody reads the clock to sweep.
    var mortals = 0
    var sweepCursor = 0
    /// Who walks through it just now, and whether anybody does.
    var walks: [ShardWalk] = []
    var isWalked = false
    /// How many hits there had been when what was counted of uses was last made less of.
    var agedAt = 0
    var ghosts: GhostQueue?
    var sketch: FrequencySketch?
    let sketchBytes: Int
    /// Items that were refused, and the size of the largest of them, in bytes.
    @usableFromInline var tooLarge = 0
    @usableFromInline var largestRefused = 0
    var main = CacheStatistics()
    var near = CacheStatistics()
    var random: UInt64
    let earlyRefreshBeta: Double
    /// `nil`: nobody wants to know what leaves.
    let removals: RemovalLog?
    /// Why entries have left.
    let departures: Departures
    /// Which tags were removed.
    let tags: EntryTags
    /// How many entries have tags; without any, nobody looks for those that are gone.
    var tagged = 0

    init(
        capacity: Int,
        shardBits: Int,
        configuration: StoreConfiguration,
        layout: EntryLayout,
        hasher: KeyHash,
        removals: RemovalLog? = nil,
        departures: Departures? = nil,
        tags: EntryTags = EntryTags()
    ) {
        self.departures = departures ?? Departures(capacity: 0)
        self.removals = removals
        self.tags = tags
        let nearCapacity = configuration.near ? capacity / 8 : 0
        // 8 bytes for each key that near may hold, at an average of 256: 1/256 of the capacity, rounded to a power of two.
        let keys = nearCapacity / 256
        self.sketchBytes = keys >= 8 ? FrequencySketch.byteCount(keys: keys) : 0
        self.sketch = keys >= 8 ? FrequencySketch(keys: keys) : nil
        self.part = max(0, capacity - self.sketchBytes)
        self.capacity = self.part
        self.nearCapacity = nearCapacity
        self.hasher = hasher
        self.shardBits = shardBits
        self.countsHits = configuration.eviction == .s3fifo
        self.marksHits = configuration.eviction == .s3fifo
        self.footprint = EntryFootprint(stride: layout.stride, ghosts: configuration.eviction == .s3fifo)
        // As many as the smallest entries that there can be.
        let slots = min(self.capacity / (layout.stride + EntryFootprint.indexShare) + 1, Int(Int32.max) - 1)
        self.slab = EntrySlab(limit: slots, layout: layout)
        self.index = ShardIndex(slots: slots, shardBits: shardBits)
        self.ghosts = configuration.eviction == .s3fifo ? GhostQueue(limit: slots) : nil
        self.touches = TouchLog()
        self.earlyRefreshBeta = configuration.earlyRefreshBeta
        self.random = .random(in: 1 ... .max)
    }

    deinit {
        // The slab is the store's to end, because of the values in it.
        self.index.deallocate()
        self.ghosts?.deallocate()
        self.graces.deallocate()
        self.touches.deallocate()
    }

    /// Notes that the entry was used.
    @inlinable
    mutating func touch(_ slot: Int) {
        let header = self.slab.header(slot)
        if self.marksHits && !header.pointee.isNear {
            if header.pointee.packed < 0xC000_0000 { header.pointee.packed += 0x4000_0000 }
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
            // A copy that is asked for is wanted: who wants its place is measured by that, too.
            if list == EntryListID.near.rawValue {
                let fingerprint = self.fingerprint(Int(slot))
                self.sketch?.record(fingerprint)
            } else if self.countsHits {
                // It came by the log because somebody samples, and counts as it would have without that.
                let header = self.slab.header(Int(slot))
                if header.pointee.packed < 0xC000_0000 { header.pointee.packed += 0x4000_0000 }
                continue
            } else {
                self.countUse(self.slab.header(Int(slot)))
            }
            if self.lists[list].head == slot { continue }
            self.unlink(slot, from: list)
            self.link(slot, to: list)
        }
        self.touches.count = 0
    }

    /// What the entries take now.
    @usableFromInline var used: Int { self.lists[0].footprint + self.lists[1].footprint + self.lists[2].footprint }

    /// Whether an item of this size can be stored now.
    @usableFromInline
    func fits(_ bytes: Int, near: Bool) -> Bool {
        if near && self.lists[2].footprint + bytes > self.nearCapacity { return false }
        return self.used + bytes <= self.capacity && (self.freeHead >= 0 || self.slab.used < self.slab.limit)
    }

    /// What ``insert(_:_:size:near:proven:life:sidecar:now:)`` would take beyond the footprint: a sidecar for graces that find no other place.
    @usableFromInline
    func surcharge(_ key: PackedKey, _ life: EntryLife, hasSidecar: Bool) -> Int {
        guard life.staleWhileRevalidate > 0 || life.staleIfError > 0 || life.confirmable > 0, !hasSidecar else { return 0 }
        guard self.graces.number(of: Graces.bits(of: life)) == nil else { return 0 }
        return SidecarBox.bytes(Sidecar()) + (key.bytes.count > PackedKey.inlineLength ? 0 : MallocChunk.size(key.bytes.count))
    }

    /// Adds an entry, which must fit, and returns its slot. The caller puts the value there; the slot's value is `nil`, or, if it is new, not
    /// initialised.
    @usableFromInline
    mutating func insert(
        _ hash: UInt64,
        _ key: PackedKey,
        size: EntrySize,
        near: Bool,
        proven: Bool,
        life: EntryLife,
        sidecar: SidecarBox?,
        now: Int64
    ) -> (slot: Int, isNew: Bool) {
        self.departures.tick(now)
        // Uses that came before this insert must not end up in front of it.
        self.replayTouches()
        let isNew = self.freeHead < 0
        let slot = isNew ? self.slab.append() : Int(self.freeHead)
        if !isNew { self.unlinkFree(slot) }
        let header = self.slab.header(slot)
        var list = near ? EntryListID.near : .probation
        if !near && self.countsHits && (proven || self.wasGhost(UInt32(truncatingIfNeeded: hash))) { list = .proven }
        header.initialize(to: .free)
        header.pointee.keyLength = key.bytes.count
        (header.pointee.word0, header.pointee.word1) =
            key.bytes.count > PackedKey.inlineLength ? (Self.copy(key.bytes), 0) : (key.word0, key.word1)
        header.pointee.payload = size.payload
        header.pointee.overhead = Int(size.overhead)
        header.pointee.list = list
        header.pointee.adopt(life, now: now)
        if header.pointee.expires != 0 { self.mortals += 1 }
        let graces = Graces.bits(of: life)
        let number = self.graces.number(of: graces) ?? Graces.aside
        self.graces.retain(number, graces)
        header.pointee.graces = number
        if number == Graces.aside {
            self.put(SidecarBox.make(sidecar?.sidecar ?? Sidecar(), graces: graces, stamp: sidecar?.stamp ?? 0), beside: header)
        } else if let sidecar {
            self.put(sidecar, beside: header)
        }
        if sidecar?.tagged != nil { self.tagged += 1 }

        let core = (self.slab, self.hasher)
        self.index.insert(hash, slot: slot) { Self.hash(core.0.header($0), core.1) }
        if self.isWalked { self.comes(slot) }
        self.link(Int32(slot), to: Int(list.rawValue))
        self.account(header, sign: 1)
        return (slot, isNew)
    }

    /// Takes an entry out of everything. Its slot is free; its value and its sidecar are still there for the caller to take.
    @usableFromInline
    mutating func remove(_ slot: Int, _ reason: Removal.Reason) {
        self.replayTouches()
        let header = self.slab.header(slot)
        self.removals?.note(header, reason)
        let core = (self.slab, self.hasher)
        let hash = Self.hash(header, self.hasher)
        if let reason = reason.miss { self.departures.note(hash, reason) }
        self.index.remove(hash, slot: slot) { Self.hash(core.0.header($0), core.1) }
        self.account(header, sign: -1)
        self.unlink(Int32(slot), from: Int(header.pointee.list.rawValue))
        if header.pointee.expires != 0 { self.mortals -= 1 }
        if header.pointee.sidecar?._withUnsafeGuaranteedRef({ $0.tagged != nil }) ?? false { self.tagged -= 1 }
        self.graces.release(header.pointee.graces)
        header.pointee.ownKey?.deallocate()
        let sidecar = header.pointee.hasSidecar ? header.pointee.word1 : 0
        header.pointee = .free
        if sidecar != 0 {
            header.pointee.word1 = sidecar
            header.pointee.packed |= EntryHeader.sidecarBit
        }
        header.pointee.next = self.freeHead
        if self.freeHead >= 0 { self.slab.header(Int(self.freeHead)).pointee.previous = Int32(slot) }
        self.freeHead = Int32(slot)
        self.freeCount += 1
    }

    private mutating func unlinkFree(_ slot: Int) {
        let (previous, next) = (self.slab.header(slot).pointee.previous, self.slab.header(slot).pointee.next)
        if previous >= 0 { self.slab.header(Int(previous)).pointee.next = next } else { self.freeHead = next }
        if next >= 0 { self.slab.header(Int(next)).pointee.previous = previous }
        self.freeCount -= 1
    }

    /// Whether there are so many free slots that the slab should become smaller.
    @usableFromInline var isSparse: Bool { self.freeCount > 64 + self.slab.used >> 5 }

    /// Makes the slab one slot shorter: the last slot's entry goes to a free one, `to`, where its value has to follow; if the last is free
    /// itself, `to` is the same. There must be a free slot.
    @usableFromInline
    mutating func closeGap() -> (from: Int, to: Int) {
        let from = self.slab.used - 1
        let header = self.slab.header(from)
        self.slab.used = from
        if header.pointee.isFree {
            self.unlinkFree(from)
            return (from, from)
        }
        self.replayTouches()
        let to = Int(self.freeHead)
        self.unlinkFree(to)
        let list = Int(header.pointee.list.rawValue)
        let (previous, next) = (header.pointee.previous, header.pointee.next)
        if previous >= 0 { self.slab.header(Int(previous)).pointee.next = Int32(to) } else { self.lists[list].head = Int32(to) }
        if next >= 0 { self.slab.header(Int(next)).pointee.previous = Int32(to) } else { self.lists[list].tail = Int32(to) }
        self.slab.header(to).pointee = header.pointee
        self.index.move(Self.hash(header, self.hasher), from: from, to: to)
        if self.isWalked { self.moves(from: from, to: to) }
        return (from, to)
    }

    /// Empties the shard at once and returns what it had, which the caller lets go without the lock.
    @usableFromInline
    mutating func removeAll() -> Emptied {
        let old = Emptied(slab: self.slab, index: self.index, ghosts: self.ghosts)
        self.slab = EntrySlab(limit: old.slab.limit, layout: old.slab.layout)
        self.index = ShardIndex(slots: old.slab.limit, shardBits: self.shardBits)
        self.ghosts = self.countsHits ? GhostQueue(limit: old.slab.limit) : nil
        self.graces.removeAll()
        self.lists = .init(repeating: EntryList())
        self.touches.count = 0
        for walk in self.walks { walk.empty() }
        self.freeHead = -1
        self.freeCount = 0
        self.mortals = 0
        self.tagged = 0
        self.sweepCursor = 0
        return old
    }

    /// The hash of the entry's key. It is computed anew where it is needed: not for hits.
    fileprivate static func hash(_ header: UnsafeMutablePointer<EntryHeader>, _ hasher: KeyHash) -> UInt64 {
        if header.pointee.ownKey != nil { return header.pointee.withKey { hasher($0) } }
        return hasher.finish((header.pointee.word0, header.pointee.word1), count: header.pointee.keyLength)
    }

    /// The hash that ghosts and sketch know an entry by.
    func fingerprint(_ slot: Int) -> UInt32 { UInt32(truncatingIfNeeded: Self.hash(self.slab.header(slot), self.hasher)) }

    /// The place of an entry in the order of a listing, which is that of hashes and so of the index's segments: 63 bits.
    func position(_ slot: Int) -> Int { self.position(ofHash: Self.hash(self.slab.header(slot), self.hasher)) }

    func position(ofHash hash: UInt64) -> Int { Int((hash &<< UInt64(self.shardBits)) >> 1) }

    mutating func account(_ header: UnsafeMutablePointer<EntryHeader>, sign: Int) {
        let list = Int(header.pointee.list.rawValue)
        self.lists[list].count += sign
        self.lists[list].bytes += sign * (header.pointee.keyLength + Int(header.pointee.payload))
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
        if self.isWalked { self.leavesList(slot, next: next) }
        if previous >= 0 { self.slab.header(Int(previous)).pointee.next = next } else { self.lists[list].head = next }
        if next >= 0 { self.slab.header(Int(next)).pointee.previous = previous } else { self.lists[list].tail = previous }
    }

    static func copy(_ key: UnsafeRawBufferPointer) -> UInt64 {
        let copy = UnsafeMutableRawPointer.allocate(byteCount: key.count, alignment: 1)
        copy.copyMemory(from: key.baseAddress ?? UnsafeRawPointer(copy), byteCount: key.count)
        return UInt64(UInt(bitPattern: copy))
    }
}

/// The ends of a doubly linked list of slots, and what its entries hold together.
struct EntryList {
    /// The entry used last, or that came last; -1: none.
    var head: Int32 = -1
    /// The entry that leaves first; -1: none.
    var tail: Int32 = -1
    var count = 0
    /// Key and value bytes.
    var bytes = 0
    /// All that the entries take of the capacity.
    var footprint = 0
}

/// What was in a shard that was emptied.
@usableFromInline
struct Emptied {
    @usableFromInline let slab: EntrySlab
    let index: ShardIndex
    let ghosts: GhostQueue?

    func note(in removals: RemovalLog) {
        for slot in 0..<self.slab.used where !self.slab.header(slot).pointee.isFree { removals.note(self.slab.header(slot), .cleared) }
    }

    /// Of the last ones, as many as are remembered.
    func note(in departures: Departures, _ hasher: KeyHash) {
        var slot = self.slab.used
        var rest = departures.limit
        while slot > 0, rest > 0 {
            slot -= 1
            let header = self.slab.header(slot)
            if header.pointee.isFree { continue }
            rest -= 1
            departures.note(ShardCore.hash(header, hasher), .cleared)
        }
    }

    /// Lets all of it go: O(entries), without a lock.
    @inlinable
    func destroy<Value>(valuesAs type: Value.Type) {
        self.slab.destroy(valuesAs: type)
        self.deallocate()
    }

    @usableFromInline
    func deallocate() {
        self.index.deallocate()
        self.ghosts?.deallocate()
    }
}

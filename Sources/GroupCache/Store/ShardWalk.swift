// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Where a walk through one shard is, and what it has passed. While it lasts the shard knows it, and whatever moves an entry tells it: a walk that only
/// followed the links of the lists would lose its place when the entry where it stands is used, and miss those that are used just before their turn.
///
/// It has three parts. The lists come first, proven entries before others, each from head to tail, for the sake of the order. What is used meanwhile goes to
/// a head, behind the walk, and so does what is new; so the slots are gone through at last, from the uppermost down, for what was not passed in a list.
/// Entries that fill gaps come from above and bring the mark of having been passed with them: none is missed, and none comes twice.
///
/// `@unchecked Sendable` is sound because all but ``isAbandoned`` is touched under the lock of its shard only.
final class ShardWalk: @unchecked Sendable {
    enum Part {
        case begin, proven, others, slots, done
    }

    var part = Part.begin
    /// The slot of a list whose turn is next; -1: none.
    var next: Int32 = -1
    /// How many entries the list had when the walk came to it, and how many were passed.
    var count = 0
    var passed = 0
    /// The slots from here on were looked at.
    var slot = 0
    /// One bit a slot: it holds an entry that was passed.
    private(set) var marks: [UInt64] = []
    /// Whether what was counted of uses is old, and counts a quarter from here on.
    var ages = false
    /// Whoever walked does so no more. The shard forgets it when it is next told of something.
    let isAbandoned = Atomic(false)

    func mark(_ slot: Int, used: Int) {
        let word = slot >> 6
        if word >= self.marks.count {
            // At once for all slots that there are, so that this happens again only when the slab has grown.
            self.marks += [UInt64](repeating: 0, count: max(word + 1, (used + 63) >> 6) - self.marks.count)
        }
        self.marks[word] |= 1 << UInt64(slot & 63)
    }

    func unmark(_ slot: Int) {
        if slot >> 6 < self.marks.count { self.marks[slot >> 6] &= ~(1 << UInt64(slot & 63)) }
    }

    func isMarked(_ slot: Int) -> Bool { slot >> 6 < self.marks.count && self.marks[slot >> 6] & 1 << UInt64(slot & 63) != 0 }

    /// The next slot without a mark, downwards; `nil`: there is none among the next 64, or none at all.
    func descend() -> Int? {
        let word = (self.slot - 1) >> 6
        let below: UInt64 = self.slot & 63 == 0 ? .max : 1 << UInt64(self.slot & 63) - 1
        let open = (word < self.marks.count ? ~self.marks[word] : .max) & below
        guard open != 0 else {
            self.slot = word << 6
            return nil
        }
        self.slot = word << 6 + 63 - open.leadingZeroBitCount
        return self.slot
    }

    func end() {
        (self.part, self.next, self.slot, self.marks) = (.done, -1, 0, [])
    }

    /// The shard was emptied.
    func empty() {
        (self.next, self.slot, self.marks) = (-1, 0, [])
    }
}

// What a shard does for those that walk through it.
extension ShardCore {
    /// Adds a walk. Those that were abandoned are let go.
    mutating func add(_ walk: ShardWalk) {
        self.walks.removeAll { $0.isAbandoned.load(ordering: .relaxed) }
        self.walks.append(walk)
        self.isWalked = true
    }

    mutating func end(_ walk: ShardWalk) {
        walk.end()
        self.walks.removeAll { $0 === walk || $0.isAbandoned.load(ordering: .relaxed) }
        self.isWalked = !self.walks.isEmpty
    }

    /// An entry leaves its place in a list: who stands there goes on to the one behind it.
    mutating func leavesList(_ slot: Int32, next: Int32) {
        for walk in self.walks where walk.next == slot { walk.next = next }
    }

    /// An entry has come into a slot: what was there has been passed, it has not.
    mutating func comes(_ slot: Int) {
        var isAnyAbandoned = false
        for walk in self.walks {
            walk.unmark(slot)
            if walk.isAbandoned.load(ordering: .relaxed) { isAnyAbandoned = true }
        }
        guard isAnyAbandoned else { return }
        self.walks.removeAll { $0.isAbandoned.load(ordering: .relaxed) }
        self.isWalked = !self.walks.isEmpty
    }

    /// An entry has moved to a lower slot.
    mutating func moves(from: Int, to: Int) {
        for walk in self.walks {
            if walk.next == Int32(from) { walk.next = Int32(to) }
            if walk.isMarked(from) { walk.mark(to, used: self.slab.used) } else { walk.unmark(to) }
            walk.unmark(from)
        }
    }

    /// The next slot of a walk, which has been passed then; `nil`: there is none, or so many looks were made. Copies do not come.
    mutating func step(_ walk: ShardWalk, looks: inout Int) -> Int? {
        while looks > 0 {
            looks -= 1
            switch walk.part {
            case .begin:
                self.replayTouches()
                walk.ages = !self.countsHits && self.hits &- self.agedAt >= Self.usesPerAge * self.index.count
                if walk.ages { self.agedAt = self.hits }
                self.add(walk)
                (walk.part, walk.next, walk.count) = (.proven, self.lists[1].head, self.lists[1].count)
            case .proven, .others:
                if walk.next >= 0 {
                    let slot = Int(walk.next)
                    walk.next = self.slab.header(slot).pointee.next
                    walk.passed += 1
                    walk.mark(slot, used: self.slab.used)
                    return slot
                }
                if walk.part == .proven {
                    (walk.part, walk.next, walk.count, walk.passed) = (.others, self.lists[0].head, self.lists[0].count, 0)
                } else {
                    (walk.part, walk.slot) = (.slots, self.slab.used)
                }
            case .slots:
                walk.slot = min(walk.slot, self.slab.used)
                guard walk.slot > 0 else {
                    self.end(walk)
                    return nil
                }
                guard let slot = walk.descend() else { continue }
                let header = self.slab.header(slot)
                if header.pointee.isFree || header.pointee.isNear { continue }
                walk.mark(slot, used: self.slab.used)
                return slot
            case .done:
                return nil
            }
        }
        return nil
    }

    /// How much an entry is used against the others, 0 to 255. It is asked once in a walk.
    ///
    /// Under `.lru` uses count more than their order: what was used last says little of how often it will be. Among those that were used as often, the last
    /// comes first.
    func hotness(_ slot: Int, in walk: ShardWalk) -> UInt8 {
        let header = self.slab.header(slot)
        let uses = Int(header.pointee.frequency)
        if self.countsHits { return UInt8((header.pointee.list == .proven ? 128 : 0) + 32 * uses) }
        // What the lists had not was used since the walk began, or came since.
        let place = walk.part == .slots ? 63 : 63 - min(63, 64 * (walk.passed - 1) / max(1, walk.count))
        // So that fame fades, and who had enough of it is told from others again.
        if walk.ages, uses > 0 { header.pointee.frequency = UInt32(uses - 1) }
        return UInt8(64 * uses + place)
    }

    /// After so many hits for each entry, what was counted of their uses counts less.
    private static var usesPerAge: Int { 8 }

    /// Counts a use under `.lru`, in the two bits of an entry: the first one, then about one in 4, then about one in 16.
    @inline(__always)
    mutating func countUse(_ header: UnsafeMutablePointer<EntryHeader>) {
        let uses = header.pointee.packed >> 30
        if uses == 3 { return }
        if uses > 0 {
            self.drawRandom()
            if self.random >> 60 & (1 << UInt64(2 * uses) - 1) != 0 { return }
        }
        header.pointee.packed += 0x4000_0000
    }

    /// One more of the shard's random numbers (xorshift, Marsaglia): ``random``.
    @inline(__always)
    mutating func drawRandom() {
        self.random ^= self.random << 13
        self.random ^= self.random >> 7
        self.random ^= self.random << 17
    }
}

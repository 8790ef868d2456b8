// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Why a get was a miss: what became of the entry that it might have found. As far as that is remembered.
package enum MissReason: UInt64, Sendable, Hashable, CaseIterable {
    /// There was none, or it is forgotten why it left.
    case absent = 1
    /// Its time was over.
    case expired
    /// Others needed its room.
    case evicted
    /// Somebody removed it, or one of its tags.
    case removed
    /// Everything was removed.
    case cleared
    /// Another node's value, not asked for often enough to be copied.
    case notAdmitted
    /// It is larger than what may be kept.
    case tooLarge
    /// A copy of which nobody can say just now whether its owner has changed it.
    case unconfirmed

    /// The name, as in statistics.
    package var name: String { "\(self)" }
}

/// Why what has left a store did, for those who ask for it afterwards: by hash, the last few thousand, and no keys.
///
/// Each departure overwrites an older one. It is one store into a table that never grows, made where an entry leaves, and looked at by misses only. Eight bytes
/// for each 8 KiB of the capacity, at least 512 bytes and at most 64 KiB; that is not counted.
///
/// `@unchecked Sendable` is sound because the memory is atomics that live as long as this does.
@usableFromInline
final class Departures: @unchecked Sendable {
    private let slots: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int
    /// When, in seconds: of the last insert, or of whoever looked after the store or asked since. So who notes something, and who misses, need not read a clock.
    private let second = Atomic<UInt64>(0)

    private static let seconds: UInt64 = 1 << 28 - 1

    init(capacity: Int) {
        var count = 64
        while count < 8192, count * 8192 < capacity { count *= 2 }
        self.count = count
        self.slots = .allocate(capacity: count)
        for index in 0..<count { (self.slots + index).initialize(to: Atomic(0)) }
    }

    deinit {
        self.slots.deinitialize(count: self.count)
        self.slots.deallocate()
    }

    /// The most that are remembered.
    var limit: Int { self.count }

    func tick(_ milliseconds: Int64) {
        let second = UInt64(max(0, milliseconds) / 1_000) & Self.seconds
        // A line of the cache that is written by every insert would go from core to core.
        if self.second.load(ordering: .relaxed) != second { self.second.store(second, ordering: .relaxed) }
    }

    func note(_ hash: UInt64, _ reason: MissReason) {
        let word = hash & 0xFFFF_FFFF_0000_0000 | self.second.load(ordering: .relaxed) << 4 | reason.rawValue
        self.slots[self.index(hash)].store(word, ordering: .relaxed)
    }

    /// Why and how many seconds ago; `nil`: nothing is known of it.
    func find(_ hash: UInt64) -> (reason: MissReason, seconds: Int)? {
        let word = self.slots[self.index(hash)].load(ordering: .relaxed)
        guard word != 0, (word ^ hash) >> 32 == 0, let reason = MissReason(rawValue: word & 15) else { return nil }
        return (reason, Int((self.second.load(ordering: .relaxed) &- (word >> 4)) & Self.seconds))
    }

    private func index(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (self.count - 1) }
}

extension Removal.Reason {
    /// What it is to who misses the entry; `nil`: nobody does.
    var miss: MissReason? {
        switch self {
        case .evicted: .evicted
        case .expired: .expired
        case .removed, .tagRemoved: .removed
        case .cleared: .cleared
        default: nil
        }
    }
}

extension Store {
    /// Why there is nothing to serve for `key`. Counts nothing. O(1).
    package func missReason(_ hash: UInt64, _ key: UnsafeRawBufferPointer) -> MissReason {
        let packed = PackedKey(key)
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        let slot = shard.find(hash, packed)
        var held: MissReason?
        if slot >= 0 {
            let header = shard.core.pointee.slab.header(slot)
            held = (header.pointee.isNear ? self.isBypassed(header) : self.isFenced(shard, header)) ? .unconfirmed : .expired
        }
        shard.lock.pointee.unlock()
        return held ?? self.departures.find(hash)?.reason ?? .absent
    }

    /// Why and how many seconds ago the last entry of `key` left; `nil`: nothing is known of that.
    package func departure(_ hash: UInt64) -> (reason: MissReason, seconds: Int)? {
        self.departures.tick(self.now())
        return self.departures.find(hash)
    }

    /// What each shard holds.
    package var shardStatistics: [StoreStatistics] {
        (0..<self.shardCount).map { index in
            let shard = self.shard(at: index)
            shard.lock.pointee.lock()
            defer { shard.lock.pointee.unlock() }
            return shard.core.pointee.statistics
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Where a walk through what a store holds is, most used entries first: see ``Store/ranked(_:limit:values:)``. It takes one bit an entry, and is one thread's.
package final class RankedWalk {
    fileprivate var places: [ShardWalk] = []
    /// Whose turn it is.
    fileprivate var shard = 0

    /// The beginning.
    package init() {}

    deinit {
        for place in self.places { place.isAbandoned.store(true, ordering: .relaxed) }
    }
}

/// An entry as a walk finds it.
struct RankedEntry<Value: Sendable>: Sendable {
    var key: [UInt8]
    var info: EntryInfo<Value>
    /// How much it is used against the others, 0 to 255.
    var hotness: UInt8
}

/// What is copied of an entry while its shard's lock is held, but for the value.
private struct RankedLook {
    var details: EntryDetails
    var sidecar: Sidecar?
    var hotness: UInt8
    /// Where its key ends among the bytes of all.
    var keyEnd: Int
}

extension Store {
    /// Copies out the next own entries of one shard, at most `limit`, and goes on with the next shard at the next call, so that what was used last comes
    /// first, roughly; `nil`: that was all. Looks at no more than `limit` slots in one hold of the lock, and at less where keys are long: with 64 of them some
    /// ten microseconds. O(entries) for a whole walk.
    ///
    /// An entry that is there all the time, and is not replaced, is found exactly once, however much it and others are used, and whatever else comes and
    /// goes. One that comes or goes meanwhile is found or not, and one that is replaced perhaps again, as it is then.
    func ranked(_ walk: RankedWalk, limit: Int) -> [RankedEntry<Value>]? {
        if walk.places.isEmpty { walk.places = (0..<self.shardCount).map { _ in ShardWalk() } }
        // The next shard whose part is not done.
        var turns = 0
        while turns < self.shardCount, walk.places[walk.shard].part == .done {
            walk.shard = (walk.shard + 1) % self.shardCount
            turns += 1
        }
        guard turns < self.shardCount else { return nil }
        let place = walk.places[walk.shard]
        let shard = self.shard(at: walk.shard)
        walk.shard = (walk.shard + 1) % self.shardCount

        // Memory is asked for before the lock and not under it, and what can be made of the copies is made after it. Values have an array of their own since
        // here, where nobody knows their type, all that has one in it is slow to move.
        let now = self.now()
        let limit = max(1, limit)
        var looked: [RankedLook] = []
        var values: [Value?] = []
        var keys: [UInt8] = []
        looked.reserveCapacity(limit)
        values.reserveCapacity(limit)
        keys.reserveCapacity(limit * 32)
        var looks = limit
        shard.lock.pointee.lock()
        while keys.count < Self.keyBytesPerHold, let slot = shard.core.pointee.step(place, looks: &looks) {
            let header = shard.core.pointee.slab.header(slot)
            let hotness = shard.core.pointee.hotness(slot, in: place)
            if header.pointee.hasSidecar, shard.core.pointee.isGone(slot) { continue }
            header.pointee.withKey { keys.append(contentsOf: $0) }
            values.append(shard.core.pointee.slab.value(slot, as: Value.self).pointee)
            looked.append(
                RankedLook(
                    details: shard.core.pointee.details(slot, isNegative: false, birth: self.birth, now: now),
                    sidecar: shard.core.pointee.sidecar(slot),
                    hotness: hotness,
                    keyEnd: keys.count
                )
            )
        }
        shard.lock.pointee.unlock()

        var found: [RankedEntry<Value>] = []
        found.reserveCapacity(looked.count)
        var keyStart = 0
        for (index, var look) in looked.enumerated() {
            look.details.isNegative = values[index] == nil
            let info = EntryInfo(value: values[index], details: look.details, sidecar: look.sidecar)
            found.append(RankedEntry(key: Array(keys[keyStart..<look.keyEnd]), info: info, hotness: look.hotness))
            keyStart = look.keyEnd
        }
        return found
    }

    /// More than this is not copied of keys in one hold of a lock, but for one key.
    private static var keyBytesPerHold: Int { 16 << 10 }
}

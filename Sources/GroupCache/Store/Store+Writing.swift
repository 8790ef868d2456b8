/// What became of an insert.
@usableFromInline
package enum InsertOutcome: Sendable {
    /// The entry is new.
    case inserted
    /// The entry took the place of another of the same key.
    case replaced
    /// The item is larger than its shard, or than near's part of it, and was not stored. An older entry of the key was removed.
    case tooLarge
}

extension Store {
    /// Stores `value` under `key`, or, if it is `nil`, that there is none. An entry of that key is replaced.
    ///
    /// Makes room first, at most 64 entries in one hold of the lock, so that one large item does not keep others waiting while it
    /// pushes out many small ones. The shard never holds more than its capacity. O(1) amortised, and O(evicted entries).
    @discardableResult @inlinable
    package func insert(
        _ hash: UInt64,
        _ key: UnsafeRawBufferPointer,
        _ value: Value?,
        size: ValueSize,
        kind: EntryKind = .main,
        life: EntryLife = EntryLife(),
        sidecar: Sidecar? = nil
    ) -> InsertOutcome {
        var victims = Victims<Value>()
        return self.insert(hash, key, value, size: size, kind: kind, life: life, sidecar: sidecar, releasing: &victims)
    }

    /// As ``insert(_:_:_:size:kind:life:sidecar:)``, for a caller who holds a lock of its own: values that leave are handed to it, to be
    /// released after that lock, too, is let go.
    @inlinable
    func insert(
        _ hash: UInt64,
        _ key: UnsafeRawBufferPointer,
        _ value: Value?,
        size: ValueSize,
        kind: EntryKind,
        life: EntryLife,
        sidecar: Sidecar? = nil,
        releasing victims: inout Victims<Value>
    ) -> InsertOutcome {
        let packed = PackedKey(key)
        let near = kind == .near
        let now = self.now()
        let shard = self.shard(of: hash)
        guard let size = EntrySize(size), key.count <= Key.maximumLength else {
            _ = self.remove(hash, key, releasing: &victims)
            return .tooLarge
        }
        let box = sidecar.map { SidecarBox($0) }
        let bytes = self.footprint.bytes(
            keyLength: key.count,
            payload: Int(size.payload),
            overhead: Int(size.overhead),
            near: near,
            sidecar: box?.bytes ?? 0
        )
        guard bytes <= (near ? self.largestNearItem : self.largestItem) else {
            _ = self.remove(hash, key, releasing: &victims)
            return .tooLarge
        }
        var replaced = false
        var proven = false
        // Others may fill the room again between two holds of the lock. Who never finds any gives up; a cache may.
        for round in 0..<Self.maximumRounds {
            if round > 0 { victims.reserve(Self.evictionsPerHold) }
            shard.lock.pointee.lock()
            let old = shard.find(hash, packed)
            if old >= 0 {
                replaced = true
                proven = shard.core.pointee.slab.header(old).pointee.list == .proven
                shard.core.pointee.remove(old)
                victims.take(shard, old)
            }
            let needed = bytes + shard.core.pointee.surcharge(packed, life, hasSidecar: box != nil)
            for _ in 0..<Self.evictionsPerHold {
                guard let slot = shard.core.pointee.evict(toFit: needed, near: near) else { break }
                victims.take(shard, slot)
            }
            let fits = shard.core.pointee.fits(needed, near: near)
            if fits {
                var looks = Self.looksPerInsert
                while let slot = shard.core.pointee.sweep(looks: &looks, now: now) { victims.take(shard, slot) }
                let (slot, isNew) = shard.core.pointee.insert(
                    hash,
                    packed,
                    size: size,
                    near: near,
                    proven: proven,
                    life: life,
                    sidecar: box,
                    now: now
                )
                let target = shard.core.pointee.slab.value(slot, as: Value.self)
                if isNew { target.initialize(to: value) } else { target.pointee = value }
            }
            shard.lock.pointee.unlock()
            if fits { return replaced ? .replaced : .inserted }
        }
        return .tooLarge
    }

    @inlinable static var evictionsPerHold: Int { 64 }
    @inlinable static var maximumRounds: Int { 1 << 20 }
    @inlinable static var looksPerInsert: Int { 4 }

    /// Gives the entry of `key` a new life, as after "not modified"; a version of 0 leaves the old one. Whether there is an entry.
    @inlinable @discardableResult
    package func extend(_ hash: UInt64, _ key: UnsafeRawBufferPointer, life: EntryLife) -> Bool {
        let packed = PackedKey(key)
        let now = self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        let slot = shard.find(hash, packed)
        let replaced = slot >= 0 ? shard.core.pointee.extend(slot, life: life, now: now) : nil
        shard.lock.pointee.unlock()
        withExtendedLifetime(replaced) {}
        return slot >= 0
    }

    /// Lets the entry of `key` end, with all its grace, at the latest in `time` milliseconds; not later than it would. Whether there is an entry.
    package func shorten(_ hash: UInt64, _ key: UnsafeRawBufferPointer, to time: Int64) -> Bool {
        let packed = PackedKey(key)
        let now = self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        let slot = shard.find(hash, packed)
        guard slot >= 0 else { return false }
        shard.core.pointee.shorten(slot, to: time, now: now)
        return true
    }

    /// Removes the entry of `key`. Whether there was one.
    @inlinable @discardableResult
    package func remove(_ hash: UInt64, _ key: UnsafeRawBufferPointer) -> Bool {
        var victims = Victims<Value>()
        return self.remove(hash, key, releasing: &victims)
    }

    /// As ``remove(_:_:)``, for a caller who holds a lock of its own.
    @inlinable
    func remove(_ hash: UInt64, _ key: UnsafeRawBufferPointer, releasing victims: inout Victims<Value>) -> Bool {
        let packed = PackedKey(key)
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        let slot = shard.find(hash, packed)
        if slot >= 0 {
            shard.core.pointee.remove(slot)
            victims.take(shard, slot)
        }
        shard.lock.pointee.unlock()
        return slot >= 0
    }

    /// Removes every entry that is there when its shard's turn comes. A shard is emptied at once; its values go without the lock.
    package func removeAll() {
        for index in 0..<self.shardCount {
            let shard = self.shard(at: index)
            shard.lock.pointee.lock()
            let old = shard.core.pointee.removeAll()
            shard.lock.pointee.unlock()
            old.destroy(valuesAs: Value.self)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What became of an insert.
@usableFromInline
package enum InsertOutcome: Sendable {
    /// The entry is new.
    case inserted
    /// The entry took the place of another of the same key.
    case replaced
    /// The item is larger than the capacity, or than near's part of a shard, and was not stored. An older entry of the key was removed.
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
            let (sum, overflow) = max(0, size.payload).addingReportingOverflow(max(0, size.overhead))
            return self.refuse(hash, key, bytes: overflow ? .max : sum, releasing: &victims)
        }
        let box = sidecar.map { SidecarBox.make($0, life) }
        let bytes = self.footprint.bytes(
            keyLength: key.count,
            payload: Int(size.payload),
            overhead: Int(size.overhead),
            near: near,
            sidecar: box?.bytes ?? 0
        )
        guard bytes <= (near ? self.largestNearItem : self.largestItem) else {
            return self.refuse(hash, key, bytes: bytes, releasing: &victims)
        }
        var replaced = false
        var proven = false
        var loans = 0
        // Others may fill the room again between two holds of the lock. Who never finds any gives up; a cache may.
        for round in 0..<Self.maximumRounds {
            if round > 0 { victims.reserve(Self.evictionsPerHold) }
            shard.lock.pointee.lock()
            let old = shard.find(hash, packed)
            if old >= 0 {
                replaced = true
                proven = shard.core.pointee.slab.header(old).pointee.list == .proven
                shard.core.pointee.remove(old, .replaced)
                victims.take(shard, old)
            }
            // A part that was lent is taken back, if it has come back, before anything leaves for want of room.
            if shard.core.pointee.capacity < shard.core.pointee.part { self.settle(shard) }
            let needed = bytes + shard.core.pointee.surcharge(packed, life, hasSidecar: box != nil)
            for _ in 0..<Self.evictionsPerHold where needed <= shard.core.pointee.capacity {
                guard let slot = shard.core.pointee.evict(toFit: needed, near: near) else { break }
                victims.take(shard, slot)
            }
            let fits = shard.core.pointee.fits(needed, near: near)
            let lacks = needed > shard.core.pointee.capacity
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
            // Not before: what was borrowed for this item would go back while it makes room.
            if fits, shard.core.pointee.capacity != shard.core.pointee.part { self.settle(shard) }
            shard.lock.pointee.unlock()
            if fits { return replaced ? .replaced : .inserted }
            if lacks {
                loans += 1
                if loans > Self.maximumLoans { return self.refuse(hash, key, bytes: needed, releasing: &victims) }
                self.borrow(needed, for: shard, releasing: &victims)
            }
        }
        return .tooLarge
    }

    /// Counts an item that cannot be kept, and removes the older entry of its key.
    @usableFromInline
    func refuse(_ hash: UInt64, _ key: UnsafeRawBufferPointer, bytes: Int, releasing victims: inout Victims<Value>) -> InsertOutcome {
        _ = self.remove(hash, key, releasing: &victims)
        self.departures.note(hash, .tooLarge)
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        shard.core.pointee.tooLarge += 1
        shard.core.pointee.largestRefused = max(shard.core.pointee.largestRefused, bytes)
        if shard.core.pointee.capacity != shard.core.pointee.part { self.settle(shard) }
        shard.lock.pointee.unlock()
        return .tooLarge
    }

    @inlinable static var evictionsPerHold: Int { 64 }
    @inlinable static var maximumRounds: Int { 1 << 20 }
    @inlinable static var looksPerInsert: Int { 4 }

    /// Keeps the bytes of an entry's value as they cross the wire beside it, for the next who asks from outside, if it is still the entry of
    /// that version and has none, and if that costs other entries little: at most 8 of them leave for it. Whether it was done.
    @discardableResult
    package func attach(_ hash: UInt64, _ key: UnsafeRawBufferPointer, version: UInt64, encoded: ByteView) -> Bool {
        let packed = PackedKey(key)
        let shard = self.shard(of: hash)
        var victims = Victims<Value>()
        defer { withExtendedLifetime(victims) {} }
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        for _ in 0...Self.evictionsForSidecar {
            // Looked up anew after each eviction, which may have moved it.
            let slot = shard.find(hash, packed)
            guard slot >= 0 else { return false }
            let header = shard.core.pointee.slab.header(slot)
            let had = shard.core.pointee.sidecar(slot)
            guard header.pointee.version == version, had?.encoded == nil else { return false }
            var sidecar = had ?? Sidecar()
            sidecar.encoded = encoded
            let box = shard.core.pointee.box(sidecar, for: slot)
            let more =
                box.bytes - (had.map { SidecarBox.bytes($0) } ?? 0)
                + (header.pointee.ownKey == nil ? MallocChunk.size(packed.bytes.count) : 0)
            guard shard.core.pointee.fits(more, near: header.pointee.isNear) else {
                // Of which entries of the average size would be more.
                guard shard.core.pointee.isAtMost(Self.evictionsForSidecar, entries: more) else { return false }
                guard let victim = shard.core.pointee.evict(toFit: more, near: header.pointee.isNear) else { return false }
                victims.take(shard, victim)
                continue
            }
            if let old = shard.core.pointee.attach(box, to: slot) { victims.sidecars.append(old) }
            return true
        }
        return false
    }

    static var evictionsForSidecar: Int { 8 }

    /// Lets entries go whose time is over: looks at the next `looks` slots or so, in turn, of all shards, at most 256 in one hold of a lock. Called
    /// from time to time it keeps them from staying where nothing is inserted.
    package func sweepExpired(looks: Int = 4096) {
        let now = self.now()
        self.departures.tick(now)
        for index in 0..<self.shardCount {
            let shard = self.shard(at: index)
            var rest = max(16, looks / self.shardCount)
            while rest > 0 {
                var looks = min(256, rest)
                rest -= looks
                var victims = Victims<Value>()
                victims.reserve(looks)
                shard.lock.pointee.lock()
                // No more than there are, whatever was asked for.
                rest = min(rest, shard.core.pointee.slab.used)
                while let slot = shard.core.pointee.sweep(looks: &looks, now: now) { victims.take(shard, slot) }
                // Looks that are left: nothing here has an end.
                if looks > 0 { rest = 0 }
                if shard.core.pointee.capacity != shard.core.pointee.part { self.settle(shard) }
                shard.lock.pointee.unlock()
                withExtendedLifetime(victims) {}
            }
        }
    }

    /// Gives the entry of `key` a new life, as after "not modified"; a version of 0 leaves the old one. Whether there is an entry.
    @inlinable @discardableResult
    package func extend(_ hash: UInt64, _ key: UnsafeRawBufferPointer, life: EntryLife) -> Bool {
        let packed = PackedKey(key)
        let now = self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        let slot = shard.find(hash, packed)
        // What is gone does not come back by being confirmed.
        let isThere = slot >= 0 && !(shard.core.pointee.slab.header(slot).pointee.hasSidecar && shard.core.pointee.isGone(slot))
        let replaced = isThere ? shard.core.pointee.extend(slot, life: life, now: now) : nil
        shard.lock.pointee.unlock()
        withExtendedLifetime(replaced) {}
        return isThere
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
            shard.core.pointee.remove(slot, .removed)
            victims.take(shard, slot)
            if shard.core.pointee.capacity != shard.core.pointee.part { self.settle(shard) }
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
            if shard.core.pointee.capacity != shard.core.pointee.part { self.settle(shard) }
            shard.lock.pointee.unlock()
            if let removals { old.note(in: removals) }
            old.note(in: self.departures, self.hasher)
            old.destroy(valuesAs: Value.self)
        }
    }
}

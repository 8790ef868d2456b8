// SPDX-License-Identifier: Apache-2.0

// Looks at what there is by somebody who is no get: none of them is a use of the entry, and none lets anything go, for who asks may hold a lock.
extension Store {
    /// What there is for `key`, for a caller that is no get: it counts nothing and is no use of the entry. O(1).
    @inlinable
    package func peek(_ hash: UInt64, _ key: UnsafeRawBufferPointer) -> Lookup<Value> {
        let packed = PackedKey(key)
        var now = self.clockIsSystem ? 0 : self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        let slot = shard.find(hash, packed)
        guard slot >= 0 else { return Lookup(no: .miss) }
        var state = EntryState.fresh
        let header = shard.core.pointee.slab.header(slot)
        // It stays where it is: who peeks may hold a lock under which no value is to be let go.
        if header.pointee.hasSidecar, shard.core.pointee.isGone(slot) { return Lookup(no: .miss) }
        if header.pointee.isNear ? self.isBypassed(header) : self.isFenced(shard, header) { return Lookup(no: .expired) }
        if header.pointee.expires != 0 {
            if self.clockIsSystem { now = self.now() }
            state = shard.core.pointee.state(slot, now: now)
            if state == .expired { return Lookup(no: .expired) }
        }
        let value = shard.core.pointee.slab.value(slot, as: Value.self).pointee
        return Lookup(value: value, state: state, isNear: header.pointee.isNear)
    }

    /// All that is known about the entry of `key`, also when its time is over but it is still here. Counts nothing. O(1).
    @inlinable
    package func entry(_ hash: UInt64, _ key: UnsafeRawBufferPointer) -> EntryInfo<Value>? {
        let packed = PackedKey(key)
        let now = self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        let slot = shard.find(hash, packed)
        guard slot >= 0 else { return nil }
        if shard.core.pointee.slab.header(slot).pointee.hasSidecar, shard.core.pointee.isGone(slot) { return nil }
        let value = shard.core.pointee.slab.value(slot, as: Value.self).pointee
        var details = shard.core.pointee.details(slot, isNegative: value == nil, birth: self.birth, now: now)
        let header = shard.core.pointee.slab.header(slot)
        if header.pointee.isNear ? self.isBypassed(header) : self.isFenced(shard, header) { details.bypass() }
        return EntryInfo(value: value, details: details, sidecar: shard.core.pointee.sidecar(slot))
    }

    /// Whether there is an entry for `key`, whatever it is worth. Counts nothing. O(1).
    package func holds(_ hash: UInt64, _ key: UnsafeRawBufferPointer) -> Bool {
        let packed = PackedKey(key)
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        return shard.find(hash, packed) >= 0
    }

    /// The version of the value that there is for `key`, if it would be served, if only in place of an error; 0: there is none. Counts nothing, and lets nothing
    /// go: who asks may hold a lock. O(1).
    package func heldVersion(_ hash: UInt64, _ key: UnsafeRawBufferPointer) -> UInt64 {
        let packed = PackedKey(key)
        var now = self.clockIsSystem ? 0 : self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        let slot = shard.find(hash, packed)
        guard slot >= 0 else { return 0 }
        let header = shard.core.pointee.slab.header(slot)
        if header.pointee.hasSidecar, shard.core.pointee.isGone(slot) { return 0 }
        if header.pointee.isNear ? self.isBypassed(header) : self.isFenced(shard, header) { return 0 }
        if header.pointee.expires != 0 {
            if self.clockIsSystem { now = self.now() }
            guard shard.core.pointee.state(slot, now: now).isServable else { return 0 }
        }
        return shard.core.pointee.slab.value(slot, as: Value.self).pointee == nil ? 0 : header.pointee.version
    }

    /// Whether there is nothing to serve for `key`, not even a stale entry. Knows nothing of values, so it stays cheap where the type of them is
    /// not known.
    ///
    /// - Parameter counts: Whether this is a get, when there is nothing; when there is something, ``lookup(_:_:)`` will count it.
    package func isMissing(_ hash: UInt64, _ key: UnsafeRawBufferPointer, counts: Bool) -> Bool {
        let packed = PackedKey(key)
        var now = self.clockIsSystem ? 0 : self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        let slot = shard.find(hash, packed)
        if slot >= 0, !(shard.core.pointee.slab.header(slot).pointee.hasSidecar && shard.core.pointee.isGone(slot)) {
            let header = shard.core.pointee.slab.header(slot)
            if !(header.pointee.isNear ? self.isBypassed(header) : self.isFenced(shard, header)) {
                if header.pointee.expires == 0 { return false }
                if self.clockIsSystem { now = self.now() }
                if shard.core.pointee.state(slot, now: now).isServable { return false }
            }
        }
        if counts { shard.core.pointee.gets &+= 1 }
        return true
    }
}

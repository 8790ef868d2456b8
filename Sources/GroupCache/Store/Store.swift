// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import Synchronization

/// The entries of one group on this node: a sharded hash table with eviction, bounded in bytes.
///
/// A shard is chosen by the top bits of a key's hash and has one short lock. A hit takes the lock, looks at one place of the index and
/// one entry, notes the use and copies the value out, which is one retain; it allocates nothing. Values that leave are always released
/// after the lock is let go, so a value's `deinit` may use the store.
///
/// `@unchecked Sendable` is sound because after `init` all mutable memory is inside the shards and touched only under their locks.
@usableFromInline
package final class Store<Value: Sendable>: @unchecked Sendable {
    /// What all entries may take together, in bytes.
    package let capacity: Int
    /// Into how many parts the store is divided.
    @usableFromInline package let shardCount: Int

    @usableFromInline let shards: UnsafeMutableRawPointer
    @usableFromInline let shift: UInt64
    @usableFromInline let hasher: KeyHash
    @usableFromInline let clock: CacheClock
    @usableFromInline let clockIsSystem: Bool
    @usableFromInline let birth: Int64
    /// Capacity that no shard has for the moment, in bytes: on its way back from a large item that has left.
    let spare = Atomic<Int>(0)
    // The same in all shards, and here because a shard may be looked at under its lock only.
    @usableFromInline let footprint: EntryFootprint
    @usableFromInline let largestItem: Int
    let shardPart: Int
    @usableFromInline let largestNearItem: Int
    @usableFromInline let leases: CopyLeases?
    /// What has left, if somebody wants to know.
    let removals: RemovalLog?
    /// Why what has left did.
    let departures: Departures
    /// How many sample hits now.
    let samplers = NIOLockedValueBox(0)
    /// Which tags were removed. Entries that have one are judged where they are found: every look at an entry with a sidecar begins with
    /// ``ShardCore/isGone(_:)``.
    let tags = EntryTags()

    /// An empty store. Entries take their times from `clock`.
    package init(_ configuration: StoreConfiguration, clock: CacheClock = .system, hasher: KeyHash = KeyHash()) {
        let count = configuration.resolvedShardCount
        self.capacity = max(0, configuration.capacity)
        self.shardCount = count
        self.shift = UInt64(64 - count.trailingZeroBitCount)
        self.hasher = hasher
        self.clock = clock
        if case .system = clock.base { self.clockIsSystem = true } else { self.clockIsSystem = false }
        // So that even in its first moment there is one before, for an end that has passed.
        self.birth = clock.milliseconds - 1
        self.shards = .allocate(byteCount: count * Shard.stride, alignment: 128)
        let layout = EntryLayout(of: Value.self)
        let bits = count.trailingZeroBitCount
        let part = self.capacity / count
        let removals = configuration.removals > 0 ? RemovalLog(limit: configuration.removals) : nil
        self.removals = removals
        let departures = Departures(capacity: self.capacity)
        self.departures = departures
        self.leases = configuration.leases
        let tags = self.tags
        func core() -> ShardCore {
            ShardCore(
                capacity: part,
                shardBits: bits,
                configuration: configuration,
                layout: layout,
                hasher: hasher,
                removals: removals,
                departures: departures,
                tags: tags
            )
        }
        let first = core()
        self.footprint = first.footprint
        self.shardPart = first.part
        self.largestItem = first.part * count
        self.largestNearItem = min(first.nearCapacity, first.part)
        Shard(base: self.shards).initialize(first)
        for shard in 1..<max(1, count) {
            Shard(base: self.shards + shard * Shard.stride).initialize(core())
        }
    }

    deinit {
        for shard in 0..<self.shardCount {
            let shard = self.shard(at: shard)
            shard.core.pointee.slab.destroy(valuesAs: Value.self)
            shard.deinitialize()
        }
        self.shards.deallocate()
    }

    /// The hash that every other function wants, of `key`.
    @inlinable
    package func hash(_ key: UnsafeRawBufferPointer) -> UInt64 { self.hasher(key) }

    @inlinable
    func shard(of hash: UInt64) -> Shard {
        self.shard(at: Int(truncatingIfNeeded: hash >> self.shift))
    }

    @inlinable
    func shard(at index: Int) -> Shard {
        Shard(base: self.shards + index &* Shard.stride)
    }

    /// Milliseconds since the store began.
    @usableFromInline
    func now() -> Int64 { max(0, self.clock.milliseconds - self.birth) }

    /// What there is for `key`. It counts, and it is a use of the entry. O(1).
    @inlinable @inline(__always)
    package func lookup(_ hash: UInt64, _ key: UnsafeRawBufferPointer) -> Lookup<Value> {
        let packed = PackedKey(key)
        // A clock of the user's own is foreign code and runs before the lock; the machine's is read under it, and only for an entry with an end.
        var now = self.clockIsSystem ? 0 : self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        shard.core.pointee.gets &+= 1
        let slot = shard.find(hash, packed)
        guard slot >= 0 else {
            shard.lock.pointee.unlock()
            return Lookup(no: .miss)
        }
        var state = EntryState.fresh
        let header = shard.core.pointee.slab.header(slot)
        if header.pointee.hasSidecar, shard.core.pointee.isGone(slot) {
            self.dropGone(shard, slot)
            return Lookup(no: .miss)
        }
        let isNear = header.pointee.isNear
        if isNear ? self.isBypassed(header) : self.isFenced(shard, header) {
            shard.lock.pointee.unlock()
            return Lookup(no: .expired)
        }
        if header.pointee.expires != 0 {
            if self.clockIsSystem { now = self.now() }
            state = shard.core.pointee.state(slot, now: now)
            if state == .expired {
                shard.lock.pointee.unlock()
                return Lookup(no: .expired)
            }
            if state == .stale { shard.core.pointee.staleHits &+= 1 }
        }
        shard.core.pointee.hits &+= 1
        if isNear { shard.core.pointee.nearHits &+= 1 }
        let value = shard.core.pointee.slab.value(slot, as: Value.self).pointee
        if value == nil { shard.core.pointee.negativeHits &+= 1 }
        shard.core.pointee.touch(slot)
        shard.lock.pointee.unlock()
        return Lookup(value: value, state: state, isNear: isNear)
    }

    /// The value of `key` if there is a fresh one: a get, and a use of the entry. If not, it is neither and nothing is counted. O(1).
    @inlinable
    package func fresh(_ hash: UInt64, _ key: UnsafeRawBufferPointer) -> Value? {
        let packed = PackedKey(key)
        var now = self.clockIsSystem ? 0 : self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        let slot = shard.find(hash, packed)
        guard slot >= 0 else {
            shard.lock.pointee.unlock()
            return nil
        }
        let header = shard.core.pointee.slab.header(slot)
        if header.pointee.hasSidecar, shard.core.pointee.isGone(slot) {
            self.dropGone(shard, slot)
            return nil
        }
        defer { shard.lock.pointee.unlock() }
        guard let value = shard.core.pointee.slab.value(slot, as: Value.self).pointee else { return nil }
        if header.pointee.isNear ? self.isBypassed(header) : self.isFenced(shard, header) { return nil }
        if header.pointee.expires != 0 {
            if self.clockIsSystem { now = self.now() }
            guard now < header.pointee.expires else { return nil }
        }
        shard.core.pointee.gets &+= 1
        shard.core.pointee.hits &+= 1
        if header.pointee.isNear { shard.core.pointee.nearHits &+= 1 }
        shard.core.pointee.touch(slot)
        return value
    }

    /// Takes out an entry one of whose tags was removed, and lets go the lock, which is held, and then the value.
    @usableFromInline @inline(never)
    func dropGone(_ shard: Shard, _ slot: Int) {
        var victims = Victims<Value>()
        shard.core.pointee.removeGone(slot)
        victims.take(shard, slot)
        if shard.core.pointee.capacity != shard.core.pointee.part { self.settle(shard) }
        shard.lock.pointee.unlock()
        withExtendedLifetime(victims) {}
    }

    /// ``lookup(_:_:)`` for somebody who also wants to know all about the entry: value and details are of one moment.
    package func lookupEntry(_ hash: UInt64, _ key: UnsafeRawBufferPointer) -> EntryInfo<Value>? {
        let packed = PackedKey(key)
        let now = self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        let slot = shard.find(hash, packed)
        if slot >= 0, shard.core.pointee.slab.header(slot).pointee.hasSidecar, shard.core.pointee.isGone(slot) {
            self.dropGone(shard, slot)
            return nil
        }
        defer { shard.lock.pointee.unlock() }
        guard slot >= 0 else { return nil }
        let value = shard.core.pointee.slab.value(slot, as: Value.self).pointee
        var details = shard.core.pointee.details(slot, isNegative: value == nil, birth: self.birth, now: now)
        // Whether to refresh early is drawn for each get.
        if details.expires != nil { details.state = shard.core.pointee.state(slot, now: now) }
        let header = shard.core.pointee.slab.header(slot)
        if details.kind == .near ? self.isBypassed(header) : self.isFenced(shard, header) { return nil }
        guard details.state.isServable else { return nil }
        shard.core.pointee.gets &+= 1
        shard.core.pointee.hits &+= 1
        if details.state == .stale { shard.core.pointee.staleHits &+= 1 }
        if details.kind == .near { shard.core.pointee.nearHits &+= 1 }
        if details.isNegative { shard.core.pointee.negativeHits &+= 1 }
        shard.core.pointee.touch(slot)
        return EntryInfo(value: value, details: details, sidecar: shard.core.pointee.sidecar(slot))
    }

    /// ``lookup(_:_:)`` of an array of bytes, hashed here.
    @inlinable
    package func lookup(_ key: [UInt8]) -> Lookup<Value> {
        key.withUnsafeBytes { self.lookup(self.hash($0), $0) }
    }

    /// Whether a copy is not to be served now: the stream that it lives by is not fresh, or has missed something since. It may be fresh again later.
    @inlinable @inline(__always)
    func isBypassed(_ header: UnsafeMutablePointer<EntryHeader>) -> Bool {
        let row = header.pointee.stream
        guard row != 0, let leases = self.leases else { return row != 0 }
        return !leases.allows(row, number: header.pointee.version)
    }

    /// Counts one get of another node's key by this node.
    package func recordRemote(_ hash: UInt64) {
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        shard.core.pointee.recordRemote(hash)
    }

    /// Whether to keep a copy of another node's entry: whether its key was asked for twice of late, and more often than what would leave for it.
    package func admitNear(_ hash: UInt64) -> Bool {
        let now = self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        return shard.core.pointee.admitNear(hash, now: now)
    }

    /// ``recordRemote(_:)`` and ``admitNear(_:)`` in one.
    package func admitRemote(_ hash: UInt64) -> Bool {
        let now = self.now()
        let shard = self.shard(of: hash)
        shard.lock.pointee.lock()
        defer { shard.lock.pointee.unlock() }
        shard.core.pointee.recordRemote(hash)
        let isAdmitted = shard.core.pointee.admitNear(hash, now: now)
        if !isAdmitted { self.departures.note(hash, .notAdmitted) }
        return isAdmitted
    }

    /// The counters. Each shard's are of one moment; the shards are read one after the other.
    package var statistics: StoreStatistics {
        var sum = StoreStatistics()
        for shard in 0..<self.shardCount {
            let shard = self.shard(at: shard)
            shard.lock.pointee.lock()
            let part = shard.core.pointee.statistics
            shard.lock.pointee.unlock()
            sum += part
        }
        return sum
    }
}

extension Store {
    /// What an entry with a key of `keyLength` bytes and a value of this size takes of the capacity, in bytes.
    package func footprint(keyLength: Int, size: ValueSize, kind: EntryKind = .main) -> Int {
        let footprint = self.shard(at: 0).core.pointee.footprint
        return footprint.bytes(keyLength: keyLength, payload: size.payload, overhead: size.overhead, near: kind == .near)
    }
}

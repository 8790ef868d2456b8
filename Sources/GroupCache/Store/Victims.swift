// SPDX-License-Identifier: Apache-2.0

/// What left a shard and waits for its lock to be let go, before it goes itself. Two values need no memory of their own.
@usableFromInline
struct Victims<Value: Sendable> {
    @usableFromInline var first: Value?
    @usableFromInline var second: Value?
    @usableFromInline var others: [Value] = []
    @usableFromInline var sidecars: [SidecarBox] = []

    @inlinable @inline(__always) init() {}

    /// Takes the value and the sidecar out of a slot that was just freed.
    @inlinable @inline(__always)
    mutating func take(_ shard: Shard, _ slot: Int) {
        let place = shard.core.pointee.slab.value(slot, as: Value.self)
        let value = place.move()
        place.initialize(to: nil)
        if shard.core.pointee.slab.header(slot).pointee.hasSidecar { self.takeSidecar(shard, slot) }
        shard.tidy(valuesAs: Value.self)
        // What is assigned over here is always nil, so nothing goes under the lock.
        guard let value else { return }
        if self.first == nil {
            self.first = value
        } else if self.second == nil {
            self.second = value
        } else {
            self.others.append(value)
        }
    }

    @usableFromInline
    mutating func takeSidecar(_ shard: Shard, _ slot: Int) {
        if let sidecar = shard.core.pointee.detachSidecar(slot) { self.sidecars.append(sidecar) }
    }

    /// Room for `count` more, made while no lock is held: a large item may push out a million small ones.
    @usableFromInline
    mutating func reserve(_ count: Int) {
        guard self.others.capacity - self.others.count < count else { return }
        self.others.reserveCapacity(2 * self.others.count + count)
    }
}

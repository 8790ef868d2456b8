// SPDX-License-Identifier: Apache-2.0

/// What the store has for a key.
@usableFromInline
package struct Lookup<Value: Sendable>: Sendable {
    /// The value; `nil` on a miss, and on a hit of a negative entry.
    @usableFromInline package let value: Value?
    /// Whether it is a hit, and of which age.
    @usableFromInline package let state: EntryState
    /// Whether the entry is a copy of another node's.
    @usableFromInline package let isNear: Bool

    @inlinable
    init(value: Value?, state: EntryState, isNear: Bool) {
        self.value = value
        self.state = state
        self.isNear = isNear
    }

    @inlinable
    init(no state: EntryState) {
        self.init(value: nil, state: state, isNear: false)
    }

    /// Whether the entry may be served.
    @inlinable package var isHit: Bool { self.state.isServable }
    /// Whether it says that the key does not exist.
    @inlinable package var isNegative: Bool { self.isHit && self.value == nil }
}

/// The age of an entry.
@usableFromInline
package enum EntryState: UInt8, Sendable {
    /// There is no entry.
    case miss
    /// Within its time.
    case fresh
    /// Within its time, but this caller shall refresh it in the background (XFetch).
    case refreshEarly
    /// Past its time, but within stale-while-revalidate: serve it and refresh it.
    case stale
    /// Past its time; kept for the case that the next load fails, or says "not modified".
    case expired

    /// Whether an entry of this age may be served without a load.
    @inlinable package var isServable: Bool { self != .miss && self != .expired }
}

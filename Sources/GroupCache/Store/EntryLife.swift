// SPDX-License-Identifier: Apache-2.0

/// Whose key an entry is.
@usableFromInline
package enum EntryKind: UInt8, Sendable {
    /// This node's own.
    case main
    /// Another node's: a copy that is hot here.
    case near
}

/// How long an entry lives and where it comes from: what a load gives the store beside the value.
@usableFromInline
package struct EntryLife: Sendable, Hashable {
    /// How long the entry is fresh, in milliseconds; `nil`: without end. At most 34 years.
    package var ttl: Int64?
    /// How long after that it may still be served while somebody refreshes it, in milliseconds; kept to 1/2048.
    package var staleWhileRevalidate: Int64
    /// How long after its time it is kept for the case that a load fails, in milliseconds; kept to 1/2048.
    package var staleIfError: Int64
    /// How long after its time it is kept, without being served, to be confirmed by its getter; in milliseconds; kept to 1/2048.
    package var confirmable: Int64
    /// How long the load took, in microseconds, 0 if it is not known; kept to an eighth.
    package var cost: Int64
    /// The origin's version, 48 bits; 0 if there is none. Of a copy that lives by a stream, the number that was drawn when it was asked for.
    package var version: UInt64
    /// Of a copy: the row of ``CopyLeases`` that it lives by; 0: none.
    package var stream = 0
    /// How old the value is already, in milliseconds; kept to the second. Not negative.
    package var age: Int64
    /// The number that was drawn when the load began, to be compared with those of tags' removals; 0 leaves the old one. Kept of what has tags.
    package var stamp: UInt64

    /// A life without end, unless told otherwise.
    @usableFromInline
    package init(
        ttl: Int64? = nil,
        staleWhileRevalidate: Int64 = 0,
        staleIfError: Int64 = 0,
        confirmable: Int64 = 0,
        cost: Int64 = 0,
        version: UInt64 = 0,
        age: Int64 = 0,
        stamp: UInt64? = nil
    ) {
        self.ttl = ttl
        self.staleWhileRevalidate = staleWhileRevalidate
        self.staleIfError = staleIfError
        self.confirmable = confirmable
        self.cost = cost
        self.version = version
        self.age = age
        self.stamp = stamp ?? version
    }
}

// SPDX-License-Identifier: Apache-2.0

/// All that the store knows about one entry. Times are milliseconds on the store's clock.
@usableFromInline
package struct EntryInfo<Value: Sendable>: Sendable {
    /// The value; `nil` says that the key does not exist.
    package var value: Value?
    /// What is known beside the value.
    package var details: EntryDetails
    /// What a few entries have beside their value.
    package var sidecar: Sidecar?

    @usableFromInline
    init(value: Value?, details: EntryDetails, sidecar: Sidecar?) {
        self.value = value
        self.details = details
        self.sidecar = sidecar
    }
}

/// An entry without its value. Times are milliseconds on the store's clock.
@usableFromInline
package struct EntryDetails: Sendable, Hashable {
    /// Whose key it is.
    package var kind: EntryKind
    /// Whether it says that the key does not exist.
    package var isNegative: Bool
    /// The origin's version; 0 if there is none.
    package var version: UInt64
    /// When it was stored or last confirmed, less the age that it had then; to the second.
    package var created: Int64
    /// Until when it is fresh; `nil`: without end.
    package var expires: Int64?
    /// Until when it may be served while somebody refreshes it.
    package var staleUntil: Int64?
    /// Until when it is kept for the case that a load fails.
    package var staleIfErrorUntil: Int64?
    /// How long its load took, in microseconds; 0 if it is not known.
    package var cost: Int64
    /// The bytes of the value.
    package var payload: Int
    /// Its age: fresh, stale or expired.
    package var state: EntryState
    /// It is not to be served, whatever its times say.
    package var isBypassed = false
    /// Of a copy: the row of ``CopyLeases`` that it lives by; 0: none.
    package var stream = 0

    /// It is not to be served, whatever its times say.
    @usableFromInline
    mutating func bypass() { (self.state, self.staleUntil, self.staleIfErrorUntil, self.isBypassed) = (.expired, nil, nil, true) }
}

/// An entry as a listing shows it.
@usableFromInline
package struct ScannedEntry: Sendable, Hashable {
    /// The bytes of the key.
    package var key: [UInt8]
    /// All but the value.
    package var details: EntryDetails
}

/// Where a listing goes on.
@usableFromInline
package struct ScanCursor: Sendable, Hashable {
    package var shard: Int
    /// In the order of hashes, which entries keep wherever they move.
    package var position: Int
    /// The beginning.
    package static let start = ScanCursor(shard: 0, position: 0)

    /// A place; one that does not exist is the end.
    package init(shard: Int, position: Int) {
        self.shard = shard
        self.position = position
    }
}

/// One page of a listing.
@usableFromInline
package struct ScanPage: Sendable {
    /// At most as many entries as were asked for, in no order that means anything.
    package var entries: [ScannedEntry]
    /// Where the next page begins; `nil` after the last.
    package var next: ScanCursor?
}

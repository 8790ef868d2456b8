// SPDX-License-Identifier: Apache-2.0

/// The counters of a store since it began, and what it holds.
@usableFromInline
package struct StoreStatistics: Sendable, Hashable {
    /// Lookups that count.
    package var gets = 0
    /// Of these, those answered by an entry.
    package var hits = 0
    /// Of the hits, those answered by a near entry.
    package var nearHits = 0
    /// Of the hits, those answered "there is none".
    package var negativeHits = 0
    /// Of the hits, those answered by an entry past its time.
    package var staleHits = 0
    /// Items that were refused because they are larger than what may be kept.
    package var tooLarge = 0
    /// The size of the largest of these, in bytes of the capacity.
    package var largestRefused = 0
    /// This node's own keys. Memory that is nobody's own (the sketch of remote gets) counts here as overhead.
    package var main = CacheStatistics()
    /// Copies of other nodes' entries.
    package var near = CacheStatistics()

    /// Nothing counted yet.
    package init() {}

    static func += (sum: inout Self, part: Self) {
        sum.gets += part.gets
        sum.hits += part.hits
        sum.nearHits += part.nearHits
        sum.negativeHits += part.negativeHits
        sum.staleHits += part.staleHits
        sum.tooLarge += part.tooLarge
        sum.largestRefused = max(sum.largestRefused, part.largestRefused)
        sum.main += part.main
        sum.near += part.near
    }
}

extension CacheStatistics {
    static func += (sum: inout Self, part: Self) {
        sum.items += part.items
        sum.bytes += part.bytes
        sum.overheadBytes += part.overheadBytes
        sum.evictions += part.evictions
        sum.expirations += part.expirations
        sum.tagRemovals += part.tagRemovals
    }
}

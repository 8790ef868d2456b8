// SPDX-License-Identifier: Apache-2.0

package import GroupCache
internal import Informers
internal import Synchronization

/// A change of this node's log, for people.
package struct RecentChange: Sendable {
    package var number: UInt64
    /// `set`, `remove`, `removeTag`, `clear`.
    package var change: String
    package var group: String?
    package var key: Key?
}

extension HTTPPool {
    /// Changes of this node's log after a place, at most `limit` of them: the last ones, if there are more. O(limit).
    ///
    /// - Parameter after: the number of a change; `nil`, or one that is not known: the beginning.
    /// - Returns: Also the number of the last change of all.
    package func changes(after: UInt64?, limit: Int) -> (items: [RecentChange], last: UInt64) {
        guard let log = self.core.feed?.log else { return ([], 0) }
        let statistics = log.statistics
        let last = statistics.last
        let earliest = last > UInt64(limit) ? last - UInt64(limit) : 0
        var place = max(after ?? 0, earliest)
        // It is of another life of this node.
        if place > last { place = earliest }
        if statistics.oldest > 0 { place = max(place, statistics.oldest - 1) }
        guard let (entries, end) = log.read(after: place, entries: limit, bytes: 256 << 10) else { return ([], last) }
        let items = entries.map { entry -> RecentChange in
            let number = entry.sequence
            switch entry.event.change {
            case .key(let key, let group), .copies(let key, let group):
                return RecentChange(number: number, change: entry.event.isSet ? "set" : "remove", group: group, key: key)
            case .tag(_, let group, _): return RecentChange(number: number, change: "removeTag", group: group, key: nil)
            case .group(let group): return RecentChange(number: number, change: "clear", group: group, key: nil)
            case .everything: return RecentChange(number: number, change: "everything", group: nil, key: nil)
            }
        }
        return (items, items.count < limit ? end : items.last?.number ?? end)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import Synchronization

/// ``TagFloors`` of one kind of entries, behind a short lock which only those take who have a tag and were loaded before the last removal.
final class TagRemovals: Sendable {
    private let floors = NIOLockedValueBox(TagFloors())
    /// The number of the last removal.
    private let last = Atomic<UInt64>(0)

    /// Whether any tag has been removed.
    var isAny: Bool { self.last.load(ordering: .relaxed) != 0 }

    /// How many tags are told apart.
    var count: Int { self.floors.withLockedValue { $0.count } }

    /// Everything that has `tag` and began before this is gone, or, if `soft`, stale. O(1).
    func remove(_ tag: EntryTag, soft: Bool, now: Int64) {
        let name = tag.number
        self.floors.withLockedValue { floors in
            // Drawn under the lock, so that who knows of a removal knows of those with smaller numbers, too.
            let number = NumberSource.shared.next()
            floors.raise(name, to: number, soft: soft, now: now)
            self.last.store(number, ordering: .releasing)
        }
    }

    /// What becomes of something with these tags whose load began at `stamp`.
    ///
    /// - Returns: Also the number up to which removals were looked at: what is valid now is as good as if it had begun then.
    func verdict(_ attributes: EntryAttributes, stamp: UInt64) -> (verdict: TagFloors.Verdict, upTo: UInt64) {
        guard attributes.hasTags, stamp < self.last.load(ordering: .acquiring) else { return (.valid, stamp) }
        return self.floors.withLockedValue { floors in
            let verdict = floors.verdict(attributes.tags.lazy.map { EntryTag.number(of: $0) }, stamp: stamp)
            return (verdict, self.last.load(ordering: .relaxed))
        }
    }

    /// Whether something with these tags whose load began at `stamp` is not what a get should return that begins now.
    func isOld(_ attributes: EntryAttributes, stamp: UInt64) -> Bool { self.verdict(attributes, stamp: stamp).verdict != .valid }
}

/// Removals of tags as a store's entries see them: a node is told of a removal for what it owns, and hears of it, perhaps later, for what it has copied
/// from other nodes.
@usableFromInline
final class EntryTags: Sendable {
    /// For this node's own entries.
    let own = TagRemovals()
    /// For copies.
    let copies = TagRemovals()

    /// Whether any tag has been removed.
    var isAny: Bool { self.own.isAny || self.copies.isAny }
}

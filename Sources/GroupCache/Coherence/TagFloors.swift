// SPDX-License-Identifier: Apache-2.0

/// Which tags were removed when: a value, without locks. Every operation is O(1), whatever a tag covers, and memory is bounded. Tags are known by their
/// numbers, ``EntryTag/number``.
///
/// Entries are not looked for when their tag is removed. Instead every tagged entry has a *stamp*, a number that was drawn when its load began, and a
/// removal draws a number of its own, the tag's *floor*. An entry whose stamp is below the floor of one of its tags began before that tag was
/// removed. All numbers are drawn from one source on this node and mean nothing elsewhere.
///
/// A node has floors for its own entries, and others for the copies from each stream: a removal may have been heard on one stream and not yet on
/// another.
package struct TagFloors: Sendable {
    /// What becomes of an entry.
    package enum Verdict: Sendable, Equatable {
        /// Nothing has happened to its tags.
        case valid
        /// Past its time since a moment: that of the last soft removal, for no older one is remembered.
        case stale(since: Int64)
        /// As if it were not there.
        case gone
    }

    private struct Floor {
        var hard: UInt64 = 0
        var soft: UInt64 = 0
        /// When `soft` was drawn.
        var softened: Int64 = 0

        mutating func raise(to other: Floor) {
            self.hard = max(self.hard, other.hard)
            if other.soft > self.soft { (self.soft, self.softened) = (other.soft, other.softened) }
        }
    }

    /// How many tags are told apart.
    package let limit: Int
    /// Two halves, of which the older one is given up as a whole when the newer one is full. So no removal takes longer than another, as one would that
    /// sorted them by age.
    private var newer: [UInt64: Floor] = [:]
    private var older: [UInt64: Floor] = [:]
    private var newest = Floor()
    private var highestOlder = Floor()
    /// The floor of every tag: the highest of those given up. It takes some tagged entries for older than they are, which costs a load each.
    private var all = Floor()

    /// No floors.
    package init(limit: Int = 65_536) { self.limit = max(2, limit) }

    /// How many tags have a floor of their own; one that is in both halves counts twice.
    package var count: Int { self.newer.count + self.older.count }

    /// Everything that has `tag` and a stamp below `number` is gone, or, if `soft`, stale since `now`.
    package mutating func raise(_ tag: UInt64, to number: UInt64, soft: Bool, now: Int64) {
        let floor = soft ? Floor(soft: number, softened: now) : Floor(hard: number)
        self.newer[tag, default: Floor()].raise(to: floor)
        self.newest.raise(to: floor)
        guard self.newer.count > self.limit / 2 else { return }
        self.all.raise(to: self.highestOlder)
        (self.older, self.highestOlder) = (self.newer, self.newest)
        (self.newer, self.newest) = ([:], Floor())
    }

    /// What becomes of an entry with these tags that has this stamp.
    package func verdict(_ tags: some Sequence<UInt64>, stamp: UInt64) -> Verdict {
        var floor = self.all
        var isTagged = false
        for tag in tags {
            isTagged = true
            if let some = self.newer[tag] { floor.raise(to: some) }
            if let some = self.older[tag] { floor.raise(to: some) }
        }
        if !isTagged || stamp >= max(floor.hard, floor.soft) { return .valid }
        return stamp < floor.hard ? .gone : .stale(since: floor.softened)
    }
}

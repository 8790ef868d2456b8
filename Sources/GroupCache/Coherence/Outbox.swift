// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// What a node that cannot be reached has still to hear of: a value, without I/O. Until it is empty nothing else may be sent to that node, or it would
/// answer with what it should have dropped.
///
/// Only invalidations wait here, each once, however often its key has changed; a set waits as a removal. Beyond a bound everything of a group waits as
/// one, and beyond that everything.
package struct Outbox: Sendable {
    /// Some changes, to be sent and acknowledged together.
    package struct Parcel: Sendable, Equatable {
        /// What it is acknowledged by; greater is later.
        package var number: UInt64
        /// In the order in which they came.
        package var changes: [Change]
    }

    /// How many changes wait at the most.
    package let maximumCount: Int
    /// How many bytes they have at the most, by ``Change/size``.
    package let maximumBytes: Int
    private var waiting: Set<Change> = []
    private var order = CircularBuffer<Change>()
    private var bytes = 0
    private var sent: Parcel?
    private var lastNumber: UInt64 = 0
    /// Keys that wait as a part of a whole, should the node leave: the last of them, as many as may wait by themselves.
    private var covered = CoveredKeys()
    /// Those whose whole is on its way.
    private var sentCovered = CoveredKeys()

    /// An empty one.
    package init(maximumCount: Int = 65_536, maximumBytes: Int = 8 << 20) {
        self.maximumCount = max(1, maximumCount)
        self.maximumBytes = max(1, maximumBytes)
    }

    /// Whether the node has acknowledged everything.
    package var isEmpty: Bool { self.waiting.isEmpty && self.sent == nil }
    /// How many changes have not been acknowledged.
    package var count: Int { self.waiting.count + (self.sent?.changes.count ?? 0) }

    /// The node has to hear of a change. O(1), but for the rare case that it does not fit: O(changes that wait).
    package mutating func put(_ change: Change) {
        guard !self.covers(change) else { return self.cover(change) }
        switch change {
        case .everything: self.empty(where: { _ in true })
        case .group(let group): self.empty(where: { $0.group == group })
        case .key, .copies, .tag: break
        }
        self.add(change)
        guard self.waiting.count > self.maximumCount || self.bytes > self.maximumBytes else { return }
        // A group's changes together tell less than each of them, and cost its node some loads. If it has few of them, it is all groups' turn.
        if case .group = change { return self.put(.everything) }
        if let group = change.group, self.waiting.count > 1 { self.put(.group(group)) }
    }

    /// The next changes to send; `nil`: none, or those that were sent are not acknowledged yet.
    package mutating func next(count: Int = 256, bytes: Int = 64 << 10) -> Parcel? {
        guard self.sent == nil, !self.order.isEmpty else { return nil }
        var changes: [Change] = []
        var total = 0
        while let change = self.order.first, changes.count < max(1, count), changes.isEmpty || total + change.size <= bytes {
            self.order.removeFirst()
            self.waiting.remove(change)
            self.bytes -= change.size
            total += change.size
            changes.append(change)
        }
        for change in changes { self.sentCovered.take(from: &self.covered, of: change) }
        self.lastNumber += 1
        let parcel = Parcel(number: self.lastNumber, changes: changes)
        self.sent = parcel
        return parcel
    }

    /// The node has applied a parcel. `false`: that one is not on its way.
    ///
    /// A change that came again while it was on its way waits still: the node may have loaded the old value anew in between.
    package mutating func acknowledged(_ number: UInt64) -> Bool {
        guard self.sent?.number == number else { return false }
        (self.sent, self.sentCovered) = (nil, CoveredKeys())
        return true
    }

    /// The parcel that is on its way may not have come: its changes wait again.
    package mutating func failed() {
        guard let parcel = self.sent else { return }
        self.sent = nil
        // They came before those that have been put since.
        let later = self.covered.removeAll()
        for key in self.sentCovered.removeAll() + later { self.cover(key) }
        for change in parcel.changes { self.put(change) }
    }

    /// All that waits, for another node to deliver; nothing waits here after.
    package mutating func handOn() -> [Change] {
        self.failed()
        defer { (self.waiting, self.order, self.bytes, self.covered) = ([], CircularBuffer(), 0, CoveredKeys()) }
        return Array(self.order)
    }

    /// What a node that leaves has not heard of, key by key as far as that is known, for those who own its keys from now on; nothing waits here after.
    ///
    /// To them a whole says nothing: it is for who may have missed any change, which they have not. The last keys are enough, since what they might have had
    /// before that node owned the key is kept for a short time only.
    package mutating func leave() -> [Change] {
        self.failed()
        let keys = self.covered.removeAll()
        return self.handOn() + keys
    }

    private func covers(_ change: Change) -> Bool {
        if self.waiting.contains(change) || self.waiting.contains(.everything) { return true }
        guard let group = change.group else { return false }
        return self.waiting.contains(.group(group))
    }

    private mutating func cover(_ change: Change) {
        if case .key = change { self.covered.put(change, atMost: self.maximumCount, bytes: self.maximumBytes) }
    }

    private mutating func add(_ change: Change) {
        self.waiting.insert(change)
        self.order.append(change)
        self.bytes += change.size
    }

    private mutating func empty(where goes: (Change) -> Bool) {
        var kept = CircularBuffer<Change>()
        for change in self.order {
            if goes(change) {
                self.waiting.remove(change)
                self.bytes -= change.size
                self.cover(change)
            } else {
                kept.append(change)
            }
        }
        self.order = kept
    }
}

/// The last of some keys, each once: a value.
private struct CoveredKeys {
    private var keys: Set<Change> = []
    private var order = CircularBuffer<Change>()
    private var bytes = 0

    /// O(1); the first ones go when there are too many.
    mutating func put(_ key: Change, atMost count: Int, bytes: Int) {
        guard self.keys.insert(key).inserted else { return }
        self.order.append(key)
        self.bytes += key.size
        while self.order.count > count || self.bytes > bytes, let first = self.order.popFirst() {
            self.keys.remove(first)
            self.bytes -= first.size
        }
    }

    /// Takes those that are a part of a change of many. O(their number), for such a change.
    mutating func take(from other: inout CoveredKeys, of whole: Change) {
        let isPart: (Change) -> Bool
        switch whole {
        case .everything: isPart = { _ in true }
        case .group(let group): isPart = { $0.group == group }
        case .key, .copies, .tag: return
        }
        for key in other.removeAll() {
            if isPart(key) { self.put(key, atMost: .max, bytes: .max) } else { other.put(key, atMost: .max, bytes: .max) }
        }
    }

    mutating func removeAll() -> [Change] {
        defer { self = CoveredKeys() }
        return Array(self.order)
    }
}

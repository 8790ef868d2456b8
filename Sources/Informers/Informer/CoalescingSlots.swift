internal import DequeModule

/// The changes that wait for a handler, one for each key, in the order in which the keys first changed: a value without locks.
struct CoalescingSlots<Object: Sendable>: Sendable {
    /// What is to be told about a key. The old state, and that within a deletion, is the one that was told last, whatever came between: the
    /// handler, a filter before it and an index behind it know no other.
    enum Pending: Sendable {
        case added(Object)
        case updated(old: Object, new: Object, recreated: Bool)
        case deleted(Deletion<Object>)
    }

    private struct Slot: Sendable {
        var pending: Pending
        /// Tells the key's place in the line from an earlier one that was given up.
        var ticket: Int
    }

    private var slots: [String: Slot] = [:]
    private var order: Deque<Place> = []
    private var nextTicket = 0

    var count: Int { self.slots.count }

    mutating func put(_ notice: StoreNotice<Object>) {
        guard let slot = self.slots[notice.key] else { return self.append(notice.key, Self.first(notice.change)) }
        if let pending = Self.combine(slot.pending, notice.change) {
            self.slots[notice.key]?.pending = pending
        } else {
            self.remove(notice.key)
        }
    }

    /// Takes the first.
    mutating func popFirst() -> Pending? {
        while let place = self.order.popFirst() {
            guard let slot = self.slots[place.key], slot.ticket == place.ticket else { continue }
            self.slots[place.key] = nil
            return slot.pending
        }
        return nil
    }

    /// Takes what waits for a key, out of its turn.
    mutating func take(_ key: String) -> Pending? {
        let pending = self.slots[key]?.pending
        if pending != nil { self.remove(key) }
        return pending
    }

    /// What one change is that comes after another that was not told yet; `nil`: nothing.
    static func combine(_ pending: Pending, _ change: StoreNotice<Object>.Change) -> Pending? {
        switch (pending, change) {
        case (.added, .added(let new)), (.added, .updated(_, let new)), (.added, .sync(let new)): .added(new)
        case (.added, .deleted): nil
        case (.updated(let old, _, let recreated), .updated(_, let new)): .updated(old: old, new: new, recreated: recreated)
        case (.updated(let old, _, let recreated), .added(let new)), (.updated(let old, _, let recreated), .sync(let new)):
            .updated(old: old, new: new, recreated: recreated)
        case (.updated(let old, _, _), .deleted(let deletion, _)): .deleted(deletion.told(old))
        case (.deleted(let deletion), .added(let new)), (.deleted(let deletion), .updated(_, let new)),
            (.deleted(let deletion), .sync(let new)):
            deletion.told.map { .updated(old: $0, new: new, recreated: true) } ?? .added(new)
        case (.deleted(let before), .deleted(let deletion, _)): .deleted(deletion.told(before.told))
        }
    }

    private static func first(_ change: StoreNotice<Object>.Change) -> Pending {
        switch change {
        case .added(let object): .added(object)
        case .updated(let old, let new): .updated(old: old, new: new, recreated: false)
        case .deleted(let deletion, let old): .deleted(deletion.told(old))
        case .sync(let object): .updated(old: object, new: object, recreated: false)
        }
    }

    private mutating func append(_ key: String, _ pending: Pending) {
        self.nextTicket += 1
        self.slots[key] = Slot(pending: pending, ticket: self.nextTicket)
        self.order.append(Place(key: key, ticket: self.nextTicket))
    }

    private mutating func remove(_ key: String) {
        self.slots[key] = nil
        // Places that were given up must not pile up while objects come and go.
        if self.order.count > 2 * self.slots.count + 64 {
            self.order = Deque(self.order.filter { self.slots[$0.key]?.ticket == $0.ticket })
        }
    }
}

/// A key's place in the line. Not within the generic type: so the line is compiled for it.
private struct Place: Sendable {
    var key: String
    var ticket: Int
}

// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// What waits for one handler: a value without locks.
///
/// First come the objects that were there when the handler came, read from a copy of the store that all handlers share until it changes; then
/// the changes since.
struct Mailbox<Object: Sendable>: Sendable {
    typealias Items = [String: IndexedItems<Object>.Item]

    private let delivery: HandlerDelivery
    private var initial = InitialProgress.unknown
    private var snapshot: Items.Iterator?
    /// How many objects of the snapshot are still to be told.
    private var left = 0
    private var slots = CoalescingSlots<Object>()
    private var events: Deque<InformerEvent<Object>> = []

    /// Too many changes would have waited: the handler waits for all objects as a whole.
    private(set) var needsReset = false
    /// How often changes were dropped.
    private(set) var resets = 0

    init(_ delivery: HandlerDelivery) { self.delivery = delivery }

    /// How much waits.
    var count: Int { self.left + self.slots.count + self.events.count + (self.needsReset ? 1 : 0) }

    /// Whether the objects that were there when the handler came have all been handled.
    var hasSynced: Bool { self.initial == .told }

    /// These objects are there: the first thing that the handler is told. Comes before any change.
    mutating func begin(_ items: Items) {
        guard self.initial == .unknown else { return }
        self.initial = items.isEmpty ? .told : .telling
        self.left = items.count
        if !items.isEmpty { self.snapshot = items.makeIterator() }
    }

    /// Something has changed.
    mutating func put(_ notice: StoreNotice<Object>) {
        guard case .everyChange(let limit) = self.delivery.kind else { return self.slots.put(notice) }
        // Whatever happens until then is in the reset.
        if self.needsReset { return }
        guard self.events.count < limit else {
            self.needsReset = true
            self.resets += 1
            self.events = []
            self.snapshot = nil
            self.left = 0
            return
        }
        switch notice.change {
        case .added(let object): self.events.append(.added(object, isInInitialList: false))
        case .updated(let old, let new): self.events.append(.updated(old: old, new: new, recreated: false))
        case .deleted(let deletion, let old): self.events.append(.deleted(deletion.told(old)))
        case .sync(let object): self.events.append(.updated(old: object, new: object, recreated: false))
        }
    }

    /// These objects are there: what comes next for a handler that has lost changes.
    mutating func reset(_ objects: [Object]) {
        guard self.needsReset else { return }
        self.needsReset = false
        self.events = [.reset(objects)]
    }

    /// Takes what is to be told next; `nil`: nothing, for now.
    ///
    /// A call says that what was taken before has been handled, well or not.
    mutating func next() -> InformerEvent<Object>? {
        if self.initial == .tellingLast { self.initial = .told }
        // Asked here, not there: what is generic and has locals costs before it does anything, and this is every event's way.
        if self.initial == .telling, let event = self.nextInitial() { return event }
        if case .coalescing = self.delivery.kind { return self.nextSlot() }
        guard let event = self.events.popFirst() else { return nil }
        // A reset tells what is left of the first objects as well.
        if case .reset = event, self.initial == .telling { self.initial = .tellingLast }
        return event
    }

    private mutating func nextSlot() -> InformerEvent<Object>? {
        switch self.slots.popFirst() {
        case .added(let object)?: return .added(object, isInInitialList: false)
        case .updated(let old, let new, let recreated)?: return .updated(old: old, new: new, recreated: recreated)
        case .deleted(let deletion)?: return .deleted(deletion)
        case nil: return nil
        }
    }

    private mutating func nextInitial() -> InformerEvent<Object>? {
        while let (key, item) = self.snapshot?.next() {
            self.left -= 1
            // What has happened to it since is told along with it: the handler need not hear of what is long gone.
            var object: Object? = item.object
            switch self.slots.take(key) {
            case nil: break
            case .added(let new)?, .updated(_, let new, _)?: object = new
            case .deleted?: object = nil
            }
            if self.left == 0 {
                self.snapshot = nil
                self.initial = object == nil ? .told : .tellingLast
            }
            if let object { return .added(object, isInInitialList: true) }
        }
        return nil
    }
}

/// How far a handler is with the objects that were there when it came. Not within the generic type, where comparing two costs a look-up.
private enum InitialProgress {
    case unknown
    case telling
    /// The last of them is being handled.
    case tellingLast
    case told
}

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
        var key: String
        /// `nil`: it was given up, and the key may stand further back.
        var pending: Pending?
    }

    /// Where each key's slot is, counted from the first that there ever was.
    private var waiting: [String: Int] = [:]
    private var slots: Deque<Slot> = []
    /// How many slots have gone from the front.
    private var gone = 0

    var count: Int { self.waiting.count }
    /// How many slots there are, given-up ones included.
    var places: Int { self.slots.count }

    mutating func put(_ notice: StoreNotice<Object>) {
        let next = self.gone + self.slots.count
        // One look at the table, whether the key is there or not: of all that this does it is what takes time.
        let place = Self.value(&self.waiting[notice.key, default: next])
        guard place != next else { return self.slots.append(Slot(key: notice.key, pending: Self.first(notice.change))) }
        let pending = self.slots[place - self.gone].pending.flatMap { Self.combine($0, notice.change) }
        self.slots[place - self.gone].pending = pending
        if pending == nil { self.giveUp(notice.key) }
    }

    private static func value(_ place: inout Int) -> Int { place }

    /// Takes the first.
    mutating func popFirst() -> Pending? {
        while let slot = self.slots.popFirst() {
            self.gone += 1
            guard let pending = slot.pending else { continue }
            self.waiting[slot.key] = nil
            return pending
        }
        return nil
    }

    /// Takes what waits for a key, out of its turn.
    mutating func take(_ key: String) -> Pending? {
        guard let place = self.waiting[key] else { return nil }
        let pending = self.slots[place - self.gone].pending
        self.slots[place - self.gone].pending = nil
        self.giveUp(key)
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

    private mutating func giveUp(_ key: String) {
        self.waiting[key] = nil
        // Slots that were given up must not pile up while objects come and go.
        guard self.slots.count > 2 * self.waiting.count + 64 else { return }
        self.slots = Deque(self.slots.filter { $0.pending != nil })
        for (index, slot) in self.slots.enumerated() { self.waiting[slot.key] = self.gone + index }
    }
}

/// What the owner of a store has done to it, for the mailboxes of handlers.
struct StoreNotice<Object: Sendable>: Sendable {
    enum Change: Sendable {
        case added(Object)
        case updated(old: Object, new: Object)
        /// With what the store had.
        case deleted(Deletion<Object>, old: Object)
        /// As it was: only for those whose time for a resync has come.
        case sync(Object)
    }

    var key: String
    var change: Change

    var isSync: Bool {
        if case .sync = self.change { true } else { false }
    }
}

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

// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// Changes in the order in which they came: a value without locks.
struct OrderedQueueCore<Object: Sendable>: QueueCore {
    struct Batch: Sendable {
        var changes: [OrderedChange<Object>]
        var isInInitialList: Bool
        /// How many of them the end of the first list waits for.
        var awaited: Int
        /// Whether the consumer was to look up.
        var wasNudged: Bool
    }

    let limit: Int
    private(set) var changes: Deque<OrderedChange<Object>> = []
    private var weight = 0
    private var populated = false
    private var initialCount = 0
    private(set) var isClosed = false
    /// The consumer is to look up, though there may be nothing for it here.
    var isNudged = false

    init(limit: Int) { self.limit = limit }

    var available: Int { self.changes.count + (self.isNudged ? 1 : 0) }
    /// May be negative: a list is let in whole.
    var room: Int { self.limit - self.weight }
    var hasSynced: Bool { self.populated && self.initialCount == 0 }

    mutating func close() { self.isClosed = true }

    mutating func add(_ key: String, _ delta: Delta<Object>) { self.add(OrderedChange(.delta(delta, key: key))) }

    /// A change of one object.
    mutating func add(_ change: OrderedChange<Object>) {
        self.populated = true
        self.append(change)
    }

    /// A list as one change.
    mutating func replaceAll(_ objects: [String: Object], resourceVersion: String) {
        self.append(OrderedChange(.replacedAll(objects), resourceVersion: resourceVersion))
        self.becomePopulated()
    }

    /// A list as one change for each object that is gone, then one for each that is there.
    mutating func replace(_ list: [(key: String, object: Object)], resourceVersion: String, known: any KnownObjects<Object>) {
        let keys = Set(list.map(\.key))
        let queued = self.lastDeltas
        // What is queued as deleted needs no second deletion.
        for (key, delta) in queued.inOrder where !keys.contains(key) && !delta.isDeletion {
            self.append(tombstone: key, delta.object)
        }
        for key in known.listKeys() where !keys.contains(key) && queued.byKey[key] == nil {
            self.append(tombstone: key, try? known.get(key: key))
        }
        for (key, object) in list { self.append(OrderedChange(.delta(.replaced(object), key: key))) }
        self.becomePopulated()
        self.bookmark(resourceVersion)
    }

    /// Has everything told once more, after what is queued.
    mutating func syncAll() {
        // Twice in a row is once.
        if case .syncAll? = self.changes.last?.kind { return }
        self.append(OrderedChange(.syncAll))
    }

    /// Tells each known object once more about which nothing is queued.
    mutating func resync(_ known: any KnownObjects<Object>) {
        let queued = self.lastDeltas.byKey
        for key in known.listKeys() where queued[key] == nil {
            if let object = try? known.get(key: key) { self.append(OrderedChange(.delta(.sync(object), key: key))) }
        }
    }

    /// Everything up to this version is queued.
    mutating func bookmark(_ resourceVersion: String) {
        if self.changes.isEmpty {
            self.append(OrderedChange(.bookmark, resourceVersion: resourceVersion))
        } else {
            // It rides on the last change: one after the other they would fill the queue.
            self.changes[self.changes.count - 1].resourceVersion = resourceVersion
        }
    }

    /// Takes the first changes: at most `limit`, none twice about one object if they are to be distinct, not from both sides of the first list's end.
    mutating func take(limit: Int, isDistinct: Bool = true) -> Batch? {
        let wasNudged = self.isNudged
        self.isNudged = false
        if self.changes.isEmpty { return wasNudged ? Batch(changes: [], isInInitialList: false, awaited: 0, wasNudged: true) : nil }
        let isInInitialList = !self.hasSynced
        let most = isInInitialList && self.initialCount > 0 ? min(limit, self.initialCount) : limit
        var batch: [OrderedChange<Object>] = []
        batch.reserveCapacity(min(most, self.changes.count))
        var keys: Set<String> = []
        while batch.count < max(1, most), !self.changes.isEmpty {
            let isAlone = self.changes[0].isAlone
            if isAlone, !batch.isEmpty { break }
            if isDistinct, case .delta(_, let key) = self.changes[0].kind, !keys.insert(key).inserted { break }
            let next = self.changes.removeFirst()
            self.weight -= next.weight
            batch.append(next)
            if isAlone { break }
        }
        return Batch(
            changes: batch,
            isInInitialList: isInInitialList,
            awaited: min(self.initialCount, batch.count),
            wasNudged: wasNudged
        )
    }

    /// A batch has been processed. Not earlier is it counted: who sees hasSynced finds everything processed.
    mutating func processed(_ batch: Batch) {
        self.initialCount -= batch.awaited
    }

    // MARK: Within

    private mutating func becomePopulated() {
        if self.populated { return }
        self.populated = true
        self.initialCount = self.changes.count
    }

    private mutating func append(_ change: OrderedChange<Object>) {
        self.weight += change.weight
        self.changes.append(change)
    }

    private mutating func append(tombstone key: String, _ object: Object?) {
        self.append(OrderedChange(.delta(.deleted(.tombstone(DeletedFinalStateUnknown(key: key, object: object))), key: key)))
    }

    /// The last delta of each key, in the order in which the keys came.
    private var lastDeltas: (inOrder: [(key: String, delta: Delta<Object>)], byKey: [String: Delta<Object>]) {
        var order: [String] = []
        var last: [String: Delta<Object>] = [:]
        for change in self.changes {
            guard case .delta(let delta, let key) = change.kind else { continue }
            if last.updateValue(delta, forKey: key) == nil { order.append(key) }
        }
        return (order.compactMap { key in last[key].map { (key, $0) } }, last)
    }
}

/// What an ``OrderedQueue`` hands out.
public struct OrderedChange<Object: Sendable>: Sendable {
    /// What happened.
    public enum Kind: Sendable {
        /// Something happened to one object.
        case delta(Delta<Object>, key: String)
        /// These are all objects, by key: whatever else the consumer has is gone.
        case replacedAll([String: Object])
        /// Everything the consumer has is to be told once more.
        case syncAll
        /// Nothing happened up to the resource version.
        case bookmark
    }

    /// What happened.
    public var kind: Kind
    /// The version of the source's state after this, if it is known.
    public var resourceVersion: String?

    /// A change.
    public init(_ kind: Kind, resourceVersion: String? = nil) {
        self.kind = kind
        self.resourceVersion = resourceVersion
    }

    /// How much room it takes in the queue: one for each object.
    var weight: Int {
        if case .replacedAll(let objects) = self.kind { max(1, objects.count) } else { 1 }
    }

    /// Whether nothing else may be handed out along with it.
    var isAlone: Bool {
        switch self.kind {
        case .replacedAll, .syncAll: true
        case .delta, .bookmark: false
        }
    }
}

extension OrderedChange.Kind: Equatable where Object: Equatable {}
extension OrderedChange: Equatable where Object: Equatable {}

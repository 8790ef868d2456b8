internal import DequeModule

/// The newest object of each key, in the order in which the keys came: a value without locks.
struct FIFOCore<Object: Sendable>: QueueCore {
    private(set) var items: [String: Object] = [:]
    /// Keys in the order to be taken. A key that is not in ``items`` is a *ghost*: the object was deleted while it waited.
    private(set) var queue: Deque<String> = []
    private var populated = false
    /// How many of the first keys in ``queue`` belong to the first list.
    private var initialCount = 0
    private(set) var isClosed = false

    var available: Int { self.items.count }
    var hasSynced: Bool { self.populated && self.initialCount == 0 }

    mutating func set(_ key: String, _ object: Object) {
        self.populated = true
        if self.items.updateValue(object, forKey: key) == nil { self.queue.append(key) }
    }

    /// Does nothing if something is queued for the key: that is newer.
    mutating func setIfAbsent(_ key: String, _ object: Object) {
        self.populated = true
        if self.items[key] == nil { self.set(key, object) }
    }

    mutating func delete(_ key: String) {
        self.populated = true
        self.items[key] = nil
        self.dropGhosts()
    }

    mutating func replace(_ objects: [(key: String, object: Object)]) {
        self.items = [:]
        self.queue.removeAll(keepingCapacity: true)
        for (key, object) in objects where self.items.updateValue(object, forKey: key) == nil { self.queue.append(key) }
        if self.populated {
            // What was left of the first list and is not in this one will never be taken.
            self.initialCount = min(self.initialCount, self.queue.count)
        } else {
            self.populated = true
            self.initialCount = self.queue.count
        }
    }

    /// Queues every object once more that is not queued.
    mutating func resync() {
        let queued = Set(self.queue)
        for key in self.items.keys where !queued.contains(key) { self.queue.append(key) }
    }

    /// Takes the first object and has it processed; `nil` if there is none.
    mutating func pop(_ process: (Object, Bool) throws -> Void) throws -> Object? {
        while let key = self.queue.popFirst() {
            let isInInitialList = !self.hasSynced
            // Counted after processing, however that ends: who sees hasSynced finds everything processed.
            defer { self.initialCount = max(0, self.initialCount - 1) }
            guard let object = self.items.removeValue(forKey: key) else { continue }
            do {
                try process(object, isInInitialList)
            } catch let requeue as Requeue {
                self.setIfAbsent(key, object)
                if let cause = requeue.cause { throw cause }
            }
            return object
        }
        return nil
    }

    mutating func close() { self.isClosed = true }

    /// Ghosts would pile up if objects came and went and nobody took any.
    private mutating func dropGhosts() {
        guard self.queue.count > 2 * self.items.count + 64 else { return }
        var seen: Set<String> = []
        var kept: Deque<String> = []
        var initial = 0
        for (position, key) in self.queue.enumerated() where self.items[key] != nil && seen.insert(key).inserted {
            kept.append(key)
            if position < self.initialCount { initial += 1 }
        }
        self.queue = kept
        self.initialCount = initial
    }
}

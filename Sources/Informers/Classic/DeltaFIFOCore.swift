internal import DequeModule

/// What happened to each object since it was last taken, in the order in which the keys came: a value without locks.
///
/// A key is in ``queue`` exactly if it is in ``items``, and its list is never empty.
struct DeltaFIFOCore<Object: Sendable>: QueueCore {
    private(set) var items: [String: [Delta<Object>]] = [:]
    private(set) var queue: Deque<String> = []
    private var populated = false
    private var initialCount = 0
    private(set) var isClosed = false

    var available: Int { self.queue.count }
    var hasSynced: Bool { self.populated && self.initialCount == 0 }

    /// An addition or an update.
    mutating func add(_ key: String, _ delta: Delta<Object>) {
        self.populated = true
        self.append(key, delta)
    }

    /// A deletion. One of something that nobody ever saw is no news.
    mutating func delete(_ key: String, _ deletion: Deletion<Object>, known: (any KnownObjects<Object>)?) {
        self.populated = true
        if self.items[key] == nil {
            guard let known else { return }
            // A store that cannot say is taken to know it: better a deletion too many than one too few.
            if case .success(nil) = Result(catching: { try known.get(key: key) }) { return }
        }
        self.append(key, .deleted(deletion))
    }

    /// A list: each of its objects is queued, and a deletion for whatever is known and not in it.
    mutating func replace(_ list: [(key: String, delta: Delta<Object>)], known: (any KnownObjects<Object>)?) {
        var keys: Set<String> = []
        keys.reserveCapacity(list.count)
        for (key, delta) in list {
            keys.insert(key)
            // Whatever is queued, a deletion too: it is older than the list.
            self.append(key, delta)
        }
        var deletions = 0
        // Objects that only the queue knows: the consumer has not seen them, but will.
        for key in self.queue where !keys.contains(key) {
            deletions += 1
            let last = self.items[key]?.last?.object
            self.append(key, .deleted(.tombstone(DeletedFinalStateUnknown(key: key, object: last))))
        }
        if let known {
            for key in known.listKeys() where !keys.contains(key) && self.items[key] == nil {
                deletions += 1
                let last = try? known.get(key: key)
                self.append(key, .deleted(.tombstone(DeletedFinalStateUnknown(key: key, object: last))))
            }
        }
        if !self.populated {
            self.populated = true
            self.initialCount = keys.count + deletions
        }
    }

    /// Queues every known object about which nothing is queued: that would be newer.
    mutating func resync(_ known: (any KnownObjects<Object>)?) {
        guard let known else { return }
        for key in known.listKeys() where self.items[key] == nil {
            // It may have gone since the keys were listed.
            if let object = try? known.get(key: key) { self.append(key, .sync(object)) }
        }
    }

    /// Puts deltas back at the end, unless newer ones are queued.
    mutating func addIfAbsent(_ key: String, _ deltas: [Delta<Object>]) {
        self.populated = true
        guard self.items[key] == nil, !deltas.isEmpty else { return }
        self.items[key] = deltas
        self.queue.append(key)
    }

    /// Takes what is queued for the first key and has it processed; `nil` if there is nothing.
    mutating func pop(_ process: ([Delta<Object>], Bool) throws -> Void) throws -> [Delta<Object>]? {
        guard let key = self.queue.popFirst(), let deltas = self.items.removeValue(forKey: key) else { return nil }
        let isInInitialList = !self.hasSynced
        // Counted after processing, however that ends: who sees hasSynced finds everything processed.
        defer { self.initialCount = max(0, self.initialCount - 1) }
        do {
            try process(deltas, isInInitialList)
        } catch let requeue as Requeue {
            self.addIfAbsent(key, deltas)
            if let cause = requeue.cause { throw cause }
        }
        return deltas
    }

    mutating func close() { self.isClosed = true }

    private mutating func append(_ key: String, _ delta: Delta<Object>) {
        guard var deltas = self.items.removeValue(forKey: key) else {
            self.items[key] = [delta]
            self.queue.append(key)
            return
        }
        // Only two deletions in a row are one. Which of them: the one that knows the object's last state.
        if case .deleted = delta, case .deleted(let last)? = deltas.last {
            if last.tombstone != nil { deltas[deltas.count - 1] = delta }
        } else {
            deltas.append(delta)
        }
        self.items[key] = deltas
    }
}

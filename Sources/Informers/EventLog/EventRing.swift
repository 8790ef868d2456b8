internal import DequeModule

/// The last entries of a log, within limits: a value without locks.
struct EventRing<Event: Sendable>: Sendable {
    private struct Slot: Sendable {
        var event: Event
        var bytes: Int
        var time: Duration
    }

    private var slots: Deque<Slot> = []
    /// The number of the oldest entry held, or of the next one if none is.
    private(set) var oldest: UInt64 = 1
    private(set) var bytes = 0
    private(set) var capacity: Int
    private let smallest: Int
    private let largest: Int
    private let maximumBytes: Int
    private let minimumAge: Duration

    init(maximumEntries: Int, maximumBytes: Int, minimumAge: Duration) {
        self.largest = max(1, maximumEntries)
        self.smallest = min(128, self.largest)
        self.capacity = self.smallest
        self.maximumBytes = maximumBytes
        self.minimumAge = minimumAge
    }

    var count: Int { self.slots.count }
    /// The number of the last entry; 0 if there never was one.
    var last: UInt64 { self.oldest + UInt64(self.slots.count) - 1 }

    /// Adds an entry and returns its number. O(1), but for the rare case that the ring becomes smaller or larger.
    mutating func append(_ event: Event, bytes: Int, now: Duration) -> UInt64 {
        if self.slots.count >= self.capacity { self.makeRoom(now) }
        self.slots.append(Slot(event: event, bytes: bytes, time: now))
        self.bytes += bytes
        // An entry that is larger than all that is allowed goes at once, like one that nobody came for in time.
        while self.bytes > self.maximumBytes, !self.slots.isEmpty { self.dropFirst() }
        return self.last
    }

    /// Whether a watcher that has seen everything up to `sequence` can go on.
    func continues(after sequence: UInt64) -> Bool { sequence >= self.oldest - 1 && sequence <= self.last }

    /// The next entries after a place; at least one, if there is any. The place must be one that ``continues(after:)``.
    func batch(after sequence: UInt64, entries: Int, bytes: Int) -> [EventLogEntry<Event>] {
        let start = Int(sequence - (self.oldest - 1))
        var batch: [EventLogEntry<Event>] = []
        var total = 0
        for index in start..<min(self.slots.count, start + max(1, entries)) {
            let slot = self.slots[index]
            total += slot.bytes
            if total > bytes, !batch.isEmpty { break }
            batch.append(EventLogEntry(sequence: self.oldest + UInt64(index), event: slot.event, time: slot.time))
        }
        return batch
    }

    private mutating func makeRoom(_ now: Duration) {
        if let first = self.slots.first, now - first.time < self.minimumAge, self.capacity < self.largest {
            self.capacity = min(self.largest, self.capacity * 2)
        } else if self.capacity > self.smallest, now - self.slots[self.slots.count / 4 * 3].time > self.minimumAge {
            // The newest quarter alone is old enough.
            self.capacity = max(self.smallest, self.capacity / 2)
        }
        while self.slots.count >= self.capacity { self.dropFirst() }
    }

    private mutating func dropFirst() {
        self.bytes -= self.slots.removeFirst().bytes
        self.oldest += 1
    }
}

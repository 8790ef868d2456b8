// Inlined into whoever appends: an append lies within the critical section of the change that it tells, and unspecialised it takes several times as long.
public import DequeModule

/// The last entries of a log, within limits: a value without locks.
@usableFromInline
struct EventRing<Event: Sendable>: Sendable {
    @usableFromInline
    struct Slot: Sendable {
        @usableFromInline var event: Event
        @usableFromInline var bytes: Int
        @usableFromInline var time: Duration

        @inlinable
        init(event: Event, bytes: Int, time: Duration) {
            self.event = event
            self.bytes = bytes
            self.time = time
        }
    }

    @usableFromInline var slots: Deque<Slot> = []
    /// The number of the oldest entry held, or of the next one if none is.
    @usableFromInline var oldest: UInt64 = 1
    @usableFromInline var bytes = 0
    @usableFromInline var capacity: Int
    @usableFromInline let smallest: Int
    @usableFromInline let largest: Int
    @usableFromInline let maximumBytes: Int
    @usableFromInline let minimumAge: Duration

    init(maximumEntries: Int, maximumBytes: Int, minimumAge: Duration) {
        self.largest = max(1, maximumEntries)
        self.smallest = min(128, self.largest)
        self.capacity = self.smallest
        self.maximumBytes = maximumBytes
        self.minimumAge = minimumAge
    }

    @inlinable var count: Int { self.slots.count }
    /// The number of the last entry; 0 if there never was one.
    @inlinable var last: UInt64 { self.oldest + UInt64(self.slots.count) - 1 }

    /// Adds an entry and returns its number. O(1), but for the rare case that the ring becomes smaller or larger.
    @inlinable
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

    @inlinable
    mutating func makeRoom(_ now: Duration) {
        if let first = self.slots.first, now - first.time < self.minimumAge, self.capacity < self.largest {
            self.capacity = min(self.largest, self.capacity * 2)
        } else if self.capacity > self.smallest, now - self.slots[self.slots.count / 4 * 3].time > self.minimumAge {
            // The newest quarter alone is old enough.
            self.capacity = max(self.smallest, self.capacity / 2)
        }
        while self.slots.count >= self.capacity { self.dropFirst() }
    }

    @inlinable
    mutating func dropFirst() {
        self.bytes -= self.slots.removeFirst().bytes
        self.oldest += 1
    }
}

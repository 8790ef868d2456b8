// SPDX-License-Identifier: Apache-2.0

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
        /// As the index of topics numbers it.
        @usableFromInline var topic: Int

        @inlinable
        init(event: Event, bytes: Int, time: Duration, topic: Int) {
            self.event = event
            self.bytes = bytes
            self.time = time
            self.topic = topic
        }
    }

    @usableFromInline var slots: Deque<Slot> = []
    @usableFromInline var topics = TopicIndex()
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
    ///
    /// - Parameter topic: What it is about; `nil` concerns everybody.
    @inlinable
    mutating func append(_ event: Event, topic: String? = nil, bytes: Int, now: Duration) -> UInt64 {
        if self.slots.count >= self.capacity { self.makeRoom(now) }
        let number = self.topics.append(topic, self.last + 1)
        self.slots.append(Slot(event: event, bytes: bytes, time: now, topic: number))
        self.bytes += bytes
        // An entry that is larger than all that is allowed goes at once, like one that nobody came for in time.
        while self.bytes > self.maximumBytes, !self.slots.isEmpty { self.dropFirst() }
        return self.last
    }

    /// Whether a watcher that has seen everything up to `sequence` that concerns `topic` can go on: nothing of it is held no more.
    func continues(after sequence: UInt64, topic: String? = nil) -> Bool {
        guard sequence <= self.last else { return false }
        return sequence >= self.oldest - 1 || topic.map { self.topics.isComplete($0, after: sequence) } ?? false
    }

    /// Whether there is nothing after a place that concerns a watcher of `topic`, of any topic without one. O(1).
    func isQuiet(after sequence: UInt64, topic: String?) -> Bool {
        sequence >= self.last || topic.map { self.topics.isQuiet($0, after: sequence) } ?? false
    }

    /// The next entries after a place that concern a watcher of `topic`; at least one, if there is any. The place must be one that
    /// ``continues(after:topic:)``.
    func batch(after sequence: UInt64, topic: String? = nil, entries: Int, bytes: Int) -> [EventLogEntry<Event>] {
        let limit = max(1, entries)
        if let topic { return self.batch(self.topics.sequences(topic, after: sequence, limit: limit), bytes: bytes) }
        let end = min(self.last, sequence + UInt64(limit))
        return sequence < end ? self.batch(sequence + 1...end, bytes: bytes) : []
    }

    private func batch(_ sequences: some Sequence<UInt64>, bytes: Int) -> [EventLogEntry<Event>] {
        var batch: [EventLogEntry<Event>] = []
        var total = 0
        for sequence in sequences {
            let slot = self.slots[Int(sequence - self.oldest)]
            total += slot.bytes
            if total > bytes, !batch.isEmpty { break }
            batch.append(EventLogEntry(sequence: sequence, event: slot.event, time: slot.time))
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
        let slot = self.slots.removeFirst()
        self.bytes -= slot.bytes
        self.topics.drop(slot.topic, self.oldest)
        self.oldest += 1
    }
}

/// One entry of an ``EventLog``.
public struct EventLogEntry<Event: Sendable>: Sendable {
    /// Its number: one more than that of the entry before it.
    public var sequence: UInt64
    /// What happened.
    public var event: Event
    /// When, on the log's clock.
    public var time: Duration

    /// An entry.
    public init(sequence: UInt64, event: Event, time: Duration) {
        self.sequence = sequence
        self.event = event
        self.time = time
    }
}

extension EventLogEntry: Equatable where Event: Equatable {}

/// A place in an ``EventLog``: `<epoch>.<sequence>`, the epoch in hexadecimal.
///
/// Clients take it as opaque: good for going on from it, and for comparing with `==`.
public struct ResourceVersion: Sendable, Hashable, LosslessStringConvertible {
    /// Which life of the log: another one for each start of the process.
    public var epoch: UInt64
    /// The entry; 0: before the first.
    public var sequence: UInt64

    /// A place.
    public init(epoch: UInt64, sequence: UInt64) {
        self.epoch = epoch
        self.sequence = sequence
    }

    /// Reads what ``description`` writes; `nil` for anything else.
    public init?(_ description: String) {
        let parts = description.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = Self.number(parts[0], radix: 16), let sequence = Self.number(parts[1], radix: 10) else {
            return nil
        }
        self.init(epoch: epoch, sequence: sequence)
    }

    /// `9f3c.42`
    public var description: String { "\(String(self.epoch, radix: 16)).\(self.sequence)" }

    /// Digits only, without zeros in front: each place has one spelling, because it is compared as text.
    private static func number(_ digits: Substring.UTF8View, radix: Int) -> UInt64? {
        let text = Substring(digits)
        guard let number = UInt64(text, radix: radix), String(number, radix: radix) == text else { return nil }
        return number
    }
}

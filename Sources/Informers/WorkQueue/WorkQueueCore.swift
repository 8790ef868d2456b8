// SPDX-License-Identifier: Apache-2.0

/// The state of a ``WorkQueue``: a value without locks, tasks or a clock of its own. What happens goes in, whom to wake comes out.
///
/// A *waiter* is a task that wants a key and found none. While any of them waits no key is ready, and while keys are delayed one of them is the
/// *timekeeper*, which wakes when the first of those is due: nobody else has to watch the clock, because whoever comes for a key looks at it.
struct WorkQueueCore<Key: Hashable & Sendable>: Sendable {
    /// What a waiter is woken with.
    enum Grant: Sendable {
        /// A key to work on.
        case key(Key)
        /// There is something to look at: ask again.
        case again
        /// No more keys will come, or whatever else was waited for has happened.
        case ended
        case cancelled
    }

    /// How work on a key ended.
    enum Outcome: Sendable {
        /// Somehow; failures are counted by whoever worked.
        case done
        case succeeded
        case failed(waitAtLeast: Duration)
        /// It was broken off, and is still to be done.
        case abandoned
    }

    enum Step: Sendable {
        case key(Key)
        case ended
        /// Nothing at present. If a moment is given, the one who waits has to watch the clock.
        case wait(alarm: Duration?)
    }

    typealias Wakes = [(waiter: Int, grant: Grant)]

    struct Waiting: Sendable {
        var priority: Int
        /// Tells its place in the line from earlier ones.
        var ticket: Int
        var since: Duration
    }

    struct Work: Sendable {
        var priority: Int
        var since: Duration
    }

    struct Delayed: Sendable {
        var due: Duration
        var number: Int
        var priority: Int
    }

    /// How many delayed keys become ready at once, at most: more of them do so as soon as somebody comes for these.
    private static var batch: Int { 64 }

    /// What is to be worked on, keys included that are being worked on and were added again: those have no place in the line.
    var queued: [Key: Waiting] = [:]
    var working: [Key: Work] = [:]
    var ready = ReadyKeys<Key>()
    var readyCount = 0
    var delayed = Self.noDelays()
    private var failures: [Key: Int] = [:]
    private var limiter: RateLimiter
    let maximumRetries: Int
    var lastNumber = 0
    var waiters: [Int] = []
    var drainers: [Int] = []
    var timekeeper: (waiter: Int, alarm: Duration)?
    private(set) var isShutDown = false
    var counts = WorkQueueStatistics()

    init(limiter: RateLimiter, maximumRetries: Int = .max) {
        self.limiter = limiter
        self.maximumRetries = maximumRetries
    }

    private static func noDelays() -> HeapCore<Key, Delayed> { HeapCore { ($0.due, $0.number) < ($1.due, $1.number) } }

    // MARK: Adding

    /// Adds a key; when the queue has been shut down, it does not.
    mutating func add(_ key: Key, priority: Int, now: Duration) -> Wakes {
        if self.isShutDown { return [] }
        self.enqueue(key, priority, now)
        return self.handOut(now)
    }

    /// Adds a key later. One that is delayed already comes at the earlier of both moments, with the higher of both priorities.
    mutating func add(_ key: Key, after delay: Duration, priority: Int, now: Duration) -> Wakes {
        if self.isShutDown { return [] }
        guard delay > .zero else { return self.add(key, priority: priority, now: now) }
        self.delay(key, delay, priority, now)
        return self.handOut(now)
    }

    /// Adds a key when its limiter says.
    mutating func addRateLimited(_ key: Key, priority: Int, now: Duration) -> Wakes {
        if self.isShutDown { return [] }
        self.retry(key, waitAtLeast: .zero, priority, now)
        return self.handOut(now)
    }

    /// Its failures are over.
    mutating func forget(_ key: Key) {
        if self.failures.removeValue(forKey: key) != nil { self.failures.shrinkIfSparse() }
    }

    func retries(of key: Key) -> Int { self.failures[key] ?? 0 }

    private mutating func enqueue(_ key: Key, _ priority: Int, _ since: Duration) {
        var entry = Waiting(priority: priority, ticket: 0, since: since)
        if let there = self.queued[key] {
            guard priority > there.priority else { return }
            entry.since = there.since
            if self.working[key] == nil { self.readyCount -= 1 }
        } else {
            self.counts.added += 1
        }
        self.lastNumber += 1
        entry.ticket = self.lastNumber
        self.queued[key] = entry
        // What is being worked on gets its place when that has ended: no two workers have the same key.
        if self.working[key] == nil { self.makeReady(key, entry) }
    }

    mutating func makeReady(_ key: Key, _ entry: Waiting, inFront: Bool = false) {
        let place = ReadyKeys<Key>.Place(key: key, ticket: entry.ticket)
        if inFront { self.ready.prepend(place, priority: entry.priority) } else { self.ready.append(place, priority: entry.priority) }
        self.readyCount += 1
        // Keys that rise again and again must not pile up.
        if self.ready.count > 2 * self.readyCount + 64 { self.ready.removeVoid { [queued] in queued[$0.key]?.ticket == $0.ticket } }
    }

    private mutating func delay(_ key: Key, _ delay: Duration, _ priority: Int, _ now: Duration) {
        self.lastNumber += 1
        var entry = Delayed(due: now + delay, number: self.lastNumber, priority: priority)
        if let there = self.delayed[key] {
            entry.priority = max(priority, there.priority)
            if there.due <= entry.due { (entry.due, entry.number) = (there.due, there.number) }
        }
        self.delayed.set(key, entry)
    }

    mutating func retry(_ key: Key, waitAtLeast: Duration, _ priority: Int, _ now: Duration) {
        let before = self.failures[key] ?? 0
        self.failures[key] = before + 1
        self.counts.retries += 1
        let delay = max(waitAtLeast, self.limiter.delay(failures: before, now: now))
        if delay > .zero { self.delay(key, delay, priority, now) } else { self.enqueue(key, priority, now) }
    }

    /// Makes ready what is due.
    mutating func promote(_ now: Duration) {
        for _ in 0..<Self.batch {
            guard let first = self.delayed.min, first.element.due <= now else { break }
            self.delayed.remove(first.key)
            // However many there were: their memory is given back.
            if self.delayed.count == 0 { self.delayed = Self.noDelays() }
            self.enqueue(first.key, first.element.priority, first.element.due)
        }
    }

    // MARK: Ending

    /// Whether no more keys will be handed out.
    var hasEnded: Bool { self.isShutDown && self.queued.isEmpty }

    /// Nothing can be added any more; what is delayed is dropped. Whoever waits for the queue to drain does so no longer.
    mutating func shutDown(now: Duration) -> Wakes {
        self.close()
        let forced = self.drainers.map { (waiter: $0, grant: Grant.ended) }
        self.drainers = []
        return forced + self.handOut(now)
    }

    /// As ``shutDown(now:)``, and waits until nothing is queued and nothing worked on; a grant: so it is.
    mutating func drain(_ waiter: Int, now: Duration) -> (grant: Grant?, wakes: Wakes) {
        self.close()
        if self.queued.isEmpty, self.working.isEmpty { return (.ended, self.handOut(now)) }
        self.drainers.append(waiter)
        return (nil, self.handOut(now))
    }

    private mutating func close() {
        self.isShutDown = true
        self.delayed = Self.noDelays()
    }

    mutating func endDrains() -> Wakes {
        guard !self.drainers.isEmpty, self.queued.isEmpty, self.working.isEmpty else { return [] }
        defer { self.drainers = [] }
        return self.drainers.map { ($0, .ended) }
    }

    // MARK: Looking

    /// Whether it waits to be worked on, or is being worked on.
    func contains(_ key: Key) -> Bool { self.queued[key] != nil || self.working[key] != nil }

    func statistics(now: Duration) -> WorkQueueStatistics {
        var counts = self.counts
        counts.depth = self.queued.count
        counts.delayed = self.delayed.count
        counts.working = self.working.count
        for work in self.working.values {
            counts.unfinished += now - work.since
            counts.longestRunning = max(counts.longestRunning, now - work.since)
        }
        return counts
    }
}

extension Dictionary {
    /// Gives memory back that was needed once: a dictionary does not by itself. Copies what is left, at most once for each seven removals of it.
    mutating func shrinkIfSparse() {
        guard self.capacity > 4096, self.count * 8 < self.capacity else { return }
        var smaller = Self(minimumCapacity: self.count * 2)
        for (key, value) in self { smaller[key] = value }
        self = smaller
    }
}

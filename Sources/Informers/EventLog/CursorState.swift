/// Where a watcher of a log is, and when it is to be told what: a value without locks.
struct CursorState: Sendable {
    enum Look<Event: Sendable>: Sendable {
        /// There are these entries; the cursor has passed them.
        case entries([EventLogEntry<Event>])
        /// Everything up to the position has been told.
        case bookmark(elapsed: Duration)
        /// The log has gone past the cursor.
        case overtaken
        /// The log is closed, and all has been told.
        case end
        /// Nothing to tell before this moment, if the log stays as it is; `nil`: ever.
        case idle(until: Duration?)
    }

    /// The last entry that was passed.
    private(set) var position: UInt64
    /// What is wanted; `nil`: everything.
    let topic: String?
    private let heartbeat: Duration?
    private let started: Duration
    private var lastBookmark: Duration
    /// A bookmark that is due: what it will say, and how far the cursor must be for it.
    private var stamp: (elapsed: Duration, sequence: UInt64)?
    private var hasEnded = false

    init(position: UInt64, topic: String? = nil, heartbeat: Duration?, now: Duration) {
        self.position = position
        self.topic = topic
        self.heartbeat = heartbeat
        self.started = now
        self.lastBookmark = now
    }

    /// When the next bookmark is due.
    var deadline: Duration? { self.heartbeat.map { self.lastBookmark + $0 } }

    /// Whether there is nothing to do for the cursor.
    func isIdle<Event>(_ ring: EventRing<Event>, isClosed: Bool, now: Duration) -> Bool {
        !isClosed && ring.isQuiet(after: self.position, topic: self.topic) && self.stamp == nil && self.deadline.map { now < $0 } ?? true
    }

    /// What comes next.
    ///
    /// - Parameter now: Read before the ring was: then whatever is in the ring at that moment is told before the bookmark that says so.
    mutating func look<Event>(
        _ ring: EventRing<Event>,
        isClosed: Bool,
        now: Duration,
        entries: Int,
        bytes: Int
    ) -> Look<Event> {
        // What is about other topics has passed, however much it is, and whether it is still held or not.
        if ring.continues(after: self.position, topic: self.topic), ring.isQuiet(after: self.position, topic: self.topic) {
            self.position = ring.last
        }
        if self.stamp == nil, let deadline, now >= deadline { self.stamp = (now - self.started, ring.last) }
        if let stamp, self.position >= stamp.sequence {
            self.stamp = nil
            self.lastBookmark = now
            return .bookmark(elapsed: stamp.elapsed)
        }
        guard ring.continues(after: self.position, topic: self.topic) else { return .overtaken }
        let batch = ring.batch(after: self.position, topic: self.topic, entries: entries, bytes: bytes)
        if let last = batch.last {
            self.position = ring.isQuiet(after: last.sequence, topic: self.topic) ? ring.last : last.sequence
            return .entries(batch)
        }
        guard isClosed else { return .idle(until: self.deadline) }
        if self.hasEnded { return .end }
        self.hasEnded = true
        return .bookmark(elapsed: now - self.started)
    }
}

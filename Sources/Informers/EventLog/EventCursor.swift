// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers

/// A watcher of an ``EventLog``: reads on whenever it is asked to, at its own pace. For one task.
public final class EventCursor<Event: Sendable>: AsyncSequence, AsyncIteratorProtocol {
    /// Entries or a bookmark.
    public typealias Element = EventLogStep<Event>
    /// A ``Status`` or `CancellationError`.
    public typealias Failure = any Error

    private let log: EventLog<Event>
    private let id: Int
    private let isWanted: (@Sendable (Event) -> Bool)?
    private var state: CursorState
    private var isDone = false
    /// What the call that runs is going to return.
    private var prepared: EventLogStep<Event>?

    init(log: EventLog<Event>, id: Int, state: CursorState, isWanted: (@Sendable (Event) -> Bool)?) {
        self.log = log
        self.id = id
        self.state = state
        self.isWanted = isWanted
    }

    deinit { self.log.state.withLockedValue { $0.watchers -= 1 } }

    /// The last place that has been passed: where another cursor can go on.
    public var version: ResourceVersion { ResourceVersion(epoch: self.log.epoch, sequence: self.state.position) }

    /// The cursor itself: it can be read once.
    public func makeAsyncIterator() -> EventCursor { self }

    /// The next entries or bookmark; `nil` when the log is closed and all has been told. Waits if there is nothing.
    ///
    /// - Throws: ``Status`` 410 if the log went past the cursor; `CancellationError`. After that there is nothing more.
    public func next() async throws -> EventLogStep<Event>? {
        // Ten thousand tasks may stand here. A task's frames are cut from blocks of a kilobyte, and a watcher that waits is to do with one:
        // so whatever needs room of its own is done in functions that do not wait.
        while try !self.prepare() {
            await withTaskCancellationHandler {
                await withCheckedContinuation { self.park($0) }
            } onCancel: { [log, id] in
                log.unpark(id)
            }
        }
        return self.takePrepared()
    }

    /// Puts by what is to be told next; `false`: nothing can be told yet.
    private func prepare() throws -> Bool {
        if self.isDone { return true }
        do {
            try Task.checkCancellation()
            self.prepared = try self.look()
        } catch {
            self.isDone = true
            throw error
        }
        return self.prepared != nil || self.isDone
    }

    private func takePrepared() -> EventLogStep<Event>? {
        defer { self.prepared = nil }
        return self.prepared
    }

    private func park(_ continuation: CheckedContinuation<Void, Never>) {
        self.log.park(self.id, self.state, continuation)
    }

    /// What can be told at once.
    private func look() throws(Status) -> EventLogStep<Event>? {
        let configuration = self.log.configuration
        while true {
            // Before the log is looked at: see CursorState.
            let now = self.log.clock.now
            var next = self.state
            let (look, expired) = self.log.state.withLockedValue { state -> (CursorState.Look<Event>, Status?) in
                let look = next.look(
                    state.ring,
                    isClosed: state.isClosed,
                    now: now,
                    entries: configuration.batchEntries,
                    bytes: configuration.batchBytes
                )
                guard case .overtaken = look else { return (look, nil) }
                state.overtaken += 1
                return (look, self.log.expired(state.ring))
            }
            self.state = next
            if let expired { throw expired }
            switch look {
            case .entries(let entries):
                // Without the lock: the filter is not ours.
                let wanted = self.isWanted.map { isWanted in entries.filter { isWanted($0.event) } } ?? entries
                if !wanted.isEmpty { return .entries(wanted, upTo: self.version) }
            case .bookmark(let elapsed): return .bookmark(self.version, elapsed: elapsed)
            case .end, .overtaken:
                self.isDone = true
                return nil
            case .idle: return nil
            }
        }
    }
}

/// What an ``EventCursor`` tells.
public enum EventLogStep<Event: Sendable>: Sendable {
    /// Some entries, in order, and how far they go: entries that the watcher did not ask for are passed, too.
    case entries([EventLogEntry<Event>], upTo: ResourceVersion)
    /// Everything up to this place has been told.
    ///
    /// `elapsed` is the time since the cursor began, read before the end of the log was: whatever was in the log at that moment has been told.
    /// So who knows when it asked for the watch knows how old its view can be at most, without trusting any clock but its own.
    case bookmark(ResourceVersion, elapsed: Duration)
}

extension EventLogStep: Equatable where Event: Equatable {}

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

// SPDX-License-Identifier: Apache-2.0

public import Logging
public import NIOConcurrencyHelpers

/// The last changes of something, numbered, for any number of watchers to read: each is but a place in the log.
///
/// ```swift
/// let log = EventLog<Change>(size: { $0.key.utf8.count })
/// log.append(.set("Tom"))
/// let cursor = try log.cursor(after: "")
/// for try await step in cursor { … }
/// ```
///
/// A slow watcher costs the others nothing; if the log goes past it, it is told so (410) and lists anew. A watcher that comes back with the last
/// version it saw goes on right there. There is no seam between what was and what comes, so nothing is missed or told twice.
///
/// An append costs O(1), a batch O(its entries), an idle watcher less than 2 KiB, its task included.
public final class EventLog<Event: Sendable>: Sendable {
    @usableFromInline
    struct State: Sendable {
        @usableFromInline var ring: EventRing<Event>
        var watchers = 0
        var nextID = 0
        var overtaken = 0
        var isClosed = false
        var strangers = Repeated()
        @usableFromInline var parked = ParkedCursors()
        /// When the timer is to wake; `nil`: it has nobody to wake.
        var timer: Duration?
    }

    /// The name of this life of the log.
    public let epoch: UInt64
    let configuration: EventLogConfiguration
    @usableFromInline let clock: InformerClock
    @usableFromInline let state: NIOLockedValueBox<State>
    let timerChanged = Wakeup()
    @usableFromInline let topic: @Sendable (Event) -> String?
    @usableFromInline let size: @Sendable (Event) -> Int
    private let logger: Logger

    /// An empty log.
    ///
    /// - Parameters:
    ///   - configuration: Its limits.
    ///   - clock: Tells the age of entries, and when a watcher is to be sent a bookmark.
    ///   - logger: Is told what cannot be.
    ///   - topic: What an event is about: watchers of one topic are not woken by those of another. `nil` concerns everybody.
    ///   - size: How many bytes an event counts.
    public init(
        configuration: EventLogConfiguration = EventLogConfiguration(),
        clock: InformerClock = .continuous,
        logger: Logger = Logger(label: "Informers.EventLog"),
        topic: @escaping @Sendable (Event) -> String? = { _ in nil },
        size: @escaping @Sendable (Event) -> Int
    ) {
        self.epoch = configuration.epoch
        self.configuration = configuration
        self.clock = clock
        self.logger = logger
        self.topic = topic
        self.size = size
        let ring = EventRing<Event>(
            maximumEntries: configuration.maximumEntries,
            maximumBytes: configuration.maximumBytes,
            minimumAge: configuration.minimumAge
        )
        self.state = NIOLockedValueBox(State(ring: ring))
    }

    // MARK: Writing

    /// Adds an entry and wakes the watchers whom it concerns. A closed log still takes entries, for whoever has not read to the end yet.
    ///
    /// - Returns: Its place.
    @inlinable
    @discardableResult
    public func append(_ event: Event) -> ResourceVersion {
        let version = self.record(event)
        self.wakeWatchers()
        return version
    }

    /// Adds an entry without waking anybody: for use within the critical section of the change itself, where an append belongs, so that no
    /// change has a number that came before it. Call ``wakeWatchers()`` when that lock is let go.
    ///
    /// - Returns: Its place.
    @inlinable
    public func record(_ event: Event) -> ResourceVersion {
        ResourceVersion(epoch: self.epoch, sequence: self.note(event, topic: self.topic(event), size: self.size(event)).sequence)
    }

    /// Adds an entry, as ``record(_:)``, whose topic and size the caller knows.
    ///
    /// - Returns: Its number, and whether anybody waits whom it may concern: if not, there is nobody to wake for it.
    @inlinable
    package func note(_ event: Event, topic: String?, size: Int) -> (sequence: UInt64, isAwaited: Bool) {
        let size = max(0, size)
        let now = self.clock.now
        return self.state.withLockedValue { state in
            let sequence = state.ring.append(event, topic: topic, bytes: size, now: now)
            // Who comes to wait after this finds the entry.
            if state.parked.isEmpty { return (sequence, false) }
            state.parked.recorded(topic)
            return (sequence, true)
        }
    }

    /// Wakes the watchers whom what was recorded concerns.
    @inlinable
    public func wakeWatchers() {
        let woken = self.state.withLockedValue { $0.parked.takeConcerned() }
        for continuation in woken { continuation.resume() }
    }

    /// Wakes some of the watchers whom what was recorded concerns, at most `limit`, so that a writer with many watchers need not wake them all itself, nor all
    /// at once. Call it until none is left, and again after each record: calls must not overlap.
    ///
    /// - Returns: How many were woken, and how many are left of those whom it concerned when the first of them were.
    package func wakeWatchers(atMost limit: Int) -> (woken: Int, rest: Int) {
        let (woken, rest) = self.state.withLockedValue { $0.parked.takeConcerned(atMost: limit) }
        for continuation in woken { continuation.resume() }
        return (woken.count, rest)
    }

    /// The place of the last entry. Read it before what the log is about: then whatever is newer in what was read comes again from the log.
    public var version: ResourceVersion { ResourceVersion(epoch: self.epoch, sequence: self.state.withLockedValue { $0.ring.last }) }

    /// Lets each watcher read to the end, with a last bookmark, and refuses new ones.
    public func close() {
        let woken = self.state.withLockedValue { state in
            state.isClosed = true
            return state.parked.takeAll()
        }
        for continuation in woken { continuation.resume() }
    }

    /// What is in the log, and who watches.
    public var statistics: EventLogStatistics {
        self.state.withLockedValue { state in
            EventLogStatistics(
                entries: state.ring.count,
                bytes: state.ring.bytes,
                capacity: state.ring.capacity,
                oldest: state.ring.oldest,
                last: state.ring.last,
                watchers: state.watchers,
                parked: state.parked.count,
                overtaken: state.overtaken
            )
        }
    }

    // MARK: Reading

    /// A watcher.
    ///
    /// - Parameters:
    ///   - version: The last place it has seen. `""` and `"0"`: it wants what comes from now on.
    ///   - topic: Only events of this topic, and those without one.
    ///   - heartbeat: How often to tell how far it has come; `nil`: never. The log must ``run()`` for it.
    ///   - isWanted: Which of these events it wants. The answer for an event must always be the same.
    /// - Throws: ``Status``: 410 if the log does not go back that far or is another one, with its oldest and its current place among the causes;
    ///   400 for what is no place; 429 if there are too many watchers; 503 if the log is closed.
    public func cursor(
        after version: String,
        topic: String? = nil,
        heartbeat: Duration? = nil,
        where isWanted: (@Sendable (Event) -> Bool)? = nil
    ) throws(Status) -> EventCursor<Event> {
        var wanted: ResourceVersion?
        if version != "", version != "0" {
            wanted = ResourceVersion(version)
            if wanted == nil { throw Status(.badRequest, message: "the resource version is malformed") }
        }
        let place = wanted
        let now = self.clock.now
        let result = self.state.withLockedValue { state -> Result<(id: Int, cursor: CursorState), Status> in
            if state.isClosed { return .failure(Status(.serviceUnavailable, message: "the log is closed")) }
            let position = place?.sequence ?? state.ring.last
            if let place, place.epoch != self.epoch || !state.ring.continues(after: position, topic: topic) {
                return .failure(self.expired(state.ring))
            }
            guard state.watchers < self.configuration.maximumWatchers else {
                return .failure(
                    Status(.tooManyRequests, message: "there are too many watchers", details: Status.Details(retryAfterSeconds: 1))
                )
            }
            state.watchers += 1
            state.nextID += 1
            return .success((state.nextID, CursorState(position: position, topic: topic, heartbeat: heartbeat, now: now)))
        }
        if case .failure = result, let place, place.epoch == self.epoch, place.sequence > self.version.sequence {
            let count = self.state.withLockedValue { $0.strangers.happened(now: now) }
            if let count { self.logger.error("a watcher knows a place that this log has not reached", metadata: ["count": "\(count)"]) }
        }
        let (id, state) = try result.get()
        return EventCursor(log: self, id: id, state: state, isWanted: isWanted)
    }

    /// What a watcher is told that is not served any more.
    func expired(_ ring: EventRing<Event>) -> Status {
        let oldest = ResourceVersion(epoch: self.epoch, sequence: ring.oldest - 1)
        let current = ResourceVersion(epoch: self.epoch, sequence: ring.last)
        return Status(
            .expired,
            message: "too old resource version",
            details: Status.Details(causes: [
                Status.Cause(reason: "Oldest", message: "\(oldest)"), Status.Cause(reason: "Current", message: "\(current)"),
            ])
        )
    }
}

/// The settings of an ``EventLog``.
public struct EventLogConfiguration: Sendable {
    /// How many entries are held at most, at least 1.
    public var maximumEntries = 65_536
    /// How many bytes the entries may have together, by the log's `size`.
    public var maximumBytes = 16 << 20
    /// How long an entry is to be held if the two limits above allow it: longer than the time between bookmarks, so that a watcher that
    /// comes back with the last one finds its place. The log holds as few entries as do for this.
    public var minimumAge: Duration = .seconds(75)
    /// How many watchers there may be at once.
    public var maximumWatchers = 20_000
    /// How many entries a watcher is handed at once, at least 1.
    public var batchEntries = 256
    /// How many bytes a watcher is handed at once; one entry at least.
    public var batchBytes = 64 << 10
    /// The name of this life of the log. By default drawn by chance, so that a place in an earlier life is known for what it is.
    public var epoch = UInt64.random(in: 1...UInt64.max)

    /// The usual settings.
    public init() {}
}

/// What is in an ``EventLog``, and who watches it.
public struct EventLogStatistics: Sendable, Hashable {
    /// How many entries are held.
    public var entries: Int
    /// How many bytes they have.
    public var bytes: Int
    /// How many entries may be held at present.
    public var capacity: Int
    /// The number of the oldest entry that is held; one more than `last` if none is.
    public var oldest: UInt64
    /// The number of the last entry; 0 if there never was one.
    public var last: UInt64
    /// How many watchers there are.
    public var watchers: Int
    /// How many of them wait for something to happen.
    public var parked: Int
    /// How many watchers were too slow so far: the log went past them.
    public var overtaken: Int
}

extension EventLog {
    /// What comes after a place, without waiting: for readers that ask again and again instead of holding a cursor. O(entries).
    ///
    /// - Returns: Some entries, fewer than there are if they exceed a limit, and the place of the last entry of all; `nil`: the log does not go back that far,
    ///   or has not come there.
    package func read(after sequence: UInt64, entries: Int, bytes: Int) -> (entries: [EventLogEntry<Event>], last: UInt64)? {
        self.state.withLockedValue { state in
            guard state.ring.continues(after: sequence) else { return nil }
            return (state.ring.batch(after: sequence, entries: entries, bytes: bytes), state.ring.last)
        }
    }
}

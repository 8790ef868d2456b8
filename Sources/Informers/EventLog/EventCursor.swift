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

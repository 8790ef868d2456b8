// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
public import GroupCacheHTTP
internal import Informers
internal import NIOConcurrencyHelpers
public import ServiceLifecycle

/// The operations of a node: work that takes its time, and that somebody wants to see and to stop.
///
/// They are taken at once, up to a limit, and done one after the other, a few at a time, while ``run()`` runs. An ``AdminServer`` that is given one runs it and
/// shows it at `/v1/operations`.
public final class Operations: Service, Sendable {
    struct Event: Sendable, Equatable {
        enum Kind: String { case added = "ADDED", modified = "MODIFIED", deleted = "DELETED" }

        var kind: Kind
        var operation: OperationState
    }

    private struct State {
        var table: OperationTable
        var requests: [UInt64: OperationRequest] = [:]
        var stops: [UInt64: Wakeup] = [:]
        /// It has been told to end: nothing is taken any more.
        var isClosed = false
    }

    /// What has become of operations, for those who watch; the topic of each event is the id.
    let log: EventLog<Event>
    let clock: InformerClock
    private let kinds: [String: OperationKind]
    private let wallClock: @Sendable () -> Int64
    private let state: NIOLockedValueBox<State>
    /// There is something to start.
    private let work = Wakeup()

    /// The operations that can be done with a pool's groups.
    ///
    /// - Parameters:
    ///   - pool: whose groups they are.
    ///   - snapshots: `nil`: `snapshot` and `restore` are not known.
    ///   - drain: lets the process stop, as SIGTERM does; `nil`: `drain` is not known.
    public convenience init(pool: HTTPPool, snapshots: Snapshots? = nil, drain: (@Sendable () async -> Void)? = nil) {
        self.init(kinds: OperationKind.all(pool: pool, snapshots: snapshots, drain: drain))
    }

    init(
        kinds: [String: OperationKind],
        limits: OperationTable.Limits = OperationTable.Limits(),
        clock: InformerClock = .continuous,
        wallClock: @escaping @Sendable () -> Int64 = WallClock.milliseconds
    ) {
        self.kinds = kinds
        self.clock = clock
        self.wallClock = wallClock
        self.state = NIOLockedValueBox(State(table: OperationTable(limits)))
        var configuration = EventLogConfiguration()
        configuration.maximumEntries = 4_096
        configuration.maximumBytes = 4 << 20
        configuration.maximumWatchers = 1_000
        self.log = EventLog(configuration: configuration, clock: clock, topic: { "\($0.operation.id)" }) { event in
            256 + (event.operation.failure?.message.utf8.count ?? 0) + 64 * event.operation.result.count
        }
    }

    /// What can be done, sorted.
    public var kindNames: [String] { self.kinds.keys.sorted() }

    // MARK: What is asked

    /// Takes an operation. It is there when this returns.
    ///
    /// - Throws: `Status`: 400 for a kind that there is not, or without what it needs; 404 for a group that there is not; 429 when too many wait; 503 when
    ///   this node stops.
    public func submit(_ request: OperationRequest) throws -> OperationState {
        guard let kind = self.kinds[request.kind] else {
            throw Status(
                .badRequest,
                message: "there is no such kind of operation; there are \(self.kindNames.joined(separator: ", "))",
                details: .init(kind: "operation")
            )
        }
        try kind.check(request)
        let now = self.clock.now
        let result = self.state.withLockedValue { state -> Result<OperationState, Status> in
            if state.isClosed { return .failure(Status(.serviceUnavailable, message: "this node is stopping")) }
            do throws(Status) {
                self.tell(state.table.expire(now: now), .deleted)
                let operation = try state.table.add(kind: request.kind, group: request.group, now: now, moment: self.wallClock())
                state.requests[operation.id] = request
                self.tell([operation], .added)
                return .success(operation)
            } catch {
                return .failure(error)
            }
        }
        self.log.wakeWatchers()
        self.work.signal()
        return try result.get()
    }

    /// All that are known, by id.
    public var all: [OperationState] { self.list.operations }

    /// All that are known, and the place in the log that has told of them.
    var list: (operations: [OperationState], version: ResourceVersion) {
        self.expire()
        return self.state.withLockedValue { ($0.table.all, self.log.version) }
    }

    /// The operation with that id; `nil`: there is none, or it ended long ago.
    public func operation(_ id: UInt64) -> OperationState? {
        self.expire()
        return self.state.withLockedValue { $0.table[id] }
    }

    /// Stops an operation. One that waits has ended when this returns; one that runs ends soon.
    ///
    /// - Throws: `Status`: 404; 409 when it has ended.
    public func cancel(_ id: UInt64) throws -> OperationState {
        let now = self.clock.now
        let result = self.state.withLockedValue { state -> Result<(OperationState, Wakeup?), Status> in
            do throws(Status) {
                let before = state.table[id]?.phase
                let (operation, gone) = try state.table.cancel(id, now: now)
                if operation.isFinished { state.requests[id] = nil }
                if operation.phase != before { self.tell([operation], .modified) }
                self.tell(gone, .deleted)
                return .success((operation, state.stops[id]))
            } catch {
                return .failure(error)
            }
        }
        self.log.wakeWatchers()
        let (operation, stop) = try result.get()
        stop?.signal()
        return operation
    }

    /// Waits until an operation has ended, but no longer than `timeout`. Waiting takes nothing from others who wait.
    ///
    /// - Returns: how it stands then.
    /// - Throws: `Status`: 404; 429 when too many wait and watch. `CancellationError`.
    public func wait(for id: UInt64, timeout: Duration) async throws -> OperationState {
        guard let operation = self.operation(id) else { throw Status.noOperation }
        if operation.isFinished || timeout <= .zero { return operation }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                // First the place in the log, then the look: what happens in between is told.
                let cursor = try self.log.cursor(after: "", topic: "\(id)")
                while let operation = self.operation(id), !operation.isFinished {
                    if try await cursor.next() == nil { return }
                }
            }
            tasks.addTask { [clock] in try await clock.sleep(for: timeout) }
            defer { tasks.cancelAll() }
            try await tasks.next()
        }
        return self.operation(id) ?? operation
    }

    // MARK: What is done

    /// Does what is asked for until the service group shuts down gracefully or the task is cancelled: then those that run are told to stop, those that wait
    /// have ended, and nothing is taken any more.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { tasks in
                tasks.addTask { await self.log.run() }
                tasks.addTask { await self.forget() }
                while !Task.isCancelled {
                    while let id = self.startNext() { tasks.addTask { await self.perform(id) } }
                    await self.work.wait()
                }
                self.close()
                tasks.cancelAll()
            }
        }
        self.log.close()
    }

    private func startNext() -> UInt64? {
        let now = self.clock.now
        let id = self.state.withLockedValue { state -> UInt64? in
            guard let operation = state.table.start(now: now) else { return nil }
            state.stops[operation.id] = Wakeup()
            self.tell([operation], .modified)
            return operation.id
        }
        if id != nil { self.log.wakeWatchers() }
        return id
    }

    private func perform(_ id: UInt64) async {
        let (request, stop) = self.state.withLockedValue { ($0.requests[id], $0.stops[id]) }
        guard let request, let stop, let kind = self.kinds[request.kind] else { return }
        let end = await withTaskGroup(of: Result<[String: Int], Status>?.self) { tasks in
            tasks.addTask {
                do {
                    return .success(try await kind.run(request) { self.progress(id, $0, $1) })
                } catch {
                    return .failure(Status(of: error))
                }
            }
            tasks.addTask {
                await stop.wait()
                return nil
            }
            var end: Result<[String: Int], Status>?
            // Whichever comes first, the other is to end: who was told to stop, and who waits to tell it.
            for await one in tasks {
                tasks.cancelAll()
                end = end ?? one
            }
            return end ?? .failure(Status(.unknown, message: "it ended without a result"))
        }
        let now = self.clock.now
        self.state.withLockedValue { state in
            // This node stops: nobody need have asked for it.
            if Task.isCancelled, case .failure = end { _ = try? state.table.cancel(id, now: now) }
            (state.requests[id], state.stops[id]) = (nil, nil)
            guard let (operation, gone) = state.table.finish(id, end, now: now) else { return }
            self.tell([operation], .modified)
            self.tell(gone, .deleted)
        }
        self.log.wakeWatchers()
        self.work.signal()
    }

    private func progress(_ id: UInt64, _ done: Int, _ total: Int) {
        let now = self.clock.now
        let isTold = self.state.withLockedValue { state in
            guard let operation = state.table.progress(id, done: done, total: total, now: now) else { return false }
            self.tell([operation], .modified)
            return true
        }
        if isTold { self.log.wakeWatchers() }
    }

    /// Nothing is taken any more, and what has not begun will not.
    private func close() {
        let now = self.clock.now
        self.state.withLockedValue { state in
            state.isClosed = true
            for operation in state.table.all where operation.phase == .waiting {
                state.requests[operation.id] = nil
                guard let (ended, gone) = try? state.table.cancel(operation.id, now: now) else { continue }
                self.tell([ended], .modified)
                self.tell(gone, .deleted)
            }
        }
        self.log.wakeWatchers()
    }

    /// Under the lock under which they changed, so that nothing is told in another order than it happened.
    private func tell(_ operations: [OperationState], _ kind: Event.Kind) {
        for operation in operations { _ = self.log.record(Event(kind: kind, operation: operation)) }
    }

    private func expire() {
        let now = self.clock.now
        let isTold = self.state.withLockedValue { state in
            let gone = state.table.expire(now: now)
            self.tell(gone, .deleted)
            return !gone.isEmpty
        }
        if isTold { self.log.wakeWatchers() }
    }

    /// Whoever looks sees none that should be forgotten; whoever watches is told within a minute.
    private func forget() async {
        while !Task.isCancelled {
            let now = self.clock.now
            let next = self.state.withLockedValue { $0.table.nextExpiry } ?? now + .seconds(60)
            do { try await self.clock.sleep(for: max(.milliseconds(10), min(next - now, .seconds(60)))) } catch { return }
            self.expire()
        }
    }
}

extension Status {
    /// Any error of an operation. The text of a foreign one is not shown: it may hold data.
    init(of error: any Error) {
        switch error {
        case let error as SnapshotError:
            self.init(error.code == .missing ? .notFound : .internalError, message: error.description, details: .init(kind: "snapshot"))
        case let error as GroupCacheError:
            self.init(.internalError, message: error.message, details: .init(kind: "group"))
        case is CancellationError: self.init(.serviceUnavailable, message: "it was told to stop")
        default: self.init(error)
        }
    }
}

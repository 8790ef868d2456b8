// SPDX-License-Identifier: Apache-2.0

import InformersTesting
import NIOConcurrencyHelpers

@testable import Informers

/// A source made of the product's own ``EventLog``, with very little room, as a node's watch endpoint is.
final class LogSource: ModelSource {
    enum Change: Sendable {
        case added(Item), modified(Item), deleted(Item)
        /// Wakes the watchers, for the sake of what is not in the log.
        case nothing
    }

    private struct State {
        var log: EventLog<Change>
        var epoch: UInt64 = 1
        var objects: [String: Item] = [:]
        var histories: [String: [Item?]] = [:]
        var changes: [ResourceVersion] = []
        var watchers: [ObjectIdentifier: LogWatch] = [:]
        var opened = 0
        var closed = 0
        var listErrors: [any Error] = []
        var watchErrors: [any Error] = []
    }

    private let state: NIOLockedValueBox<State>
    private let clock: InformerClock
    private let capacity: Int

    /// - Parameter capacity: How many changes the log holds.
    init(clock: InformerClock, capacity: Int) {
        self.clock = clock
        self.capacity = capacity
        self.state = NIOLockedValueBox(State(log: Self.log(epoch: 1, clock: clock, capacity: capacity)))
    }

    private static func log(epoch: UInt64, clock: InformerClock, capacity: Int) -> EventLog<Change> {
        var configuration = EventLogConfiguration()
        configuration.epoch = epoch
        configuration.maximumEntries = capacity
        configuration.minimumAge = .zero
        configuration.batchEntries = 2
        return EventLog(configuration: configuration, clock: clock, logger: .silent, size: { _ in 1 })
    }

    var objects: [String: Item] { self.state.withLockedValue { $0.objects } }
    func history(of key: String) -> [Item?] { self.state.withLockedValue { $0.histories[key] ?? [] } }
    var changes: [ResourceVersion] { self.state.withLockedValue { $0.changes } }
    var opened: Int { self.state.withLockedValue { $0.opened } }
    var closed: Int { self.state.withLockedValue { $0.closed } }

    func put(_ item: Item) { self.change { Self.put(item, &$0) } }
    func remove(_ key: String) { self.change { Self.remove(key, &$0) } }
    func dropWatches() { self.change { Self.drop(&$0) } }
    func fail(list error: any Error) { self.state.withLockedValue { $0.listErrors.append(error) } }
    func fail(watch error: any Error) { self.state.withLockedValue { $0.watchErrors.append(error) } }
    func sendError(_ status: Status) { self.change { for watch in $0.watchers.values { watch.end(with: .error(status)) } } }
    /// Each watcher is woken by every change, and told how far the log has come.
    func bookmark() { self.change { _ in } }
    /// Every list is of the present state.
    func lag(by changes: Int) {}
    /// Every list is whole.
    func forcePages(of size: Int) {}

    func putAndDrop(_ item: Item) {
        self.change { state in
            Self.drop(&state)
            Self.put(item, &state)
        }
    }

    func removeAndDrop(_ key: String) {
        self.change { state in
            Self.drop(&state)
            Self.remove(key, &state)
        }
    }

    func resetWatch() {
        self.change { state in
            Self.drop(&state)
            for _ in 0...self.capacity { _ = state.log.record(.nothing) }
        }
    }

    func compact(keeping count: Int) {
        self.change { state in for _ in 0..<max(0, self.capacity - count) { _ = state.log.record(.nothing) } }
    }

    func changeEpoch() {
        self.change { state in
            Self.drop(&state)
            state.log.close()
            state.epoch += 1
            state.log = Self.log(epoch: state.epoch, clock: self.clock, capacity: self.capacity)
            // In a new life everything has a new version.
            for (key, var item) in state.objects {
                item.metadata.resourceVersion = "\(state.log.version)"
                state.objects[key] = item
                state.histories[key, default: []].append(item)
            }
        }
    }

    /// The log's lock is taken within the lock of what it is about, as everywhere.
    private func change(_ body: (inout State) -> Void) {
        let logs = self.state.withLockedValue { state in
            let before = state.log
            body(&state)
            _ = state.log.record(.nothing)
            return [before, state.log]
        }
        for log in logs { log.wakeWatchers() }
    }

    private static func put(_ item: Item, _ state: inout State) {
        // The version of an object is that of its event: the next one, as nobody else can write now.
        var item = item
        item.metadata.resourceVersion = Self.next(state.log)
        let before = state.objects.updateValue(item, forKey: item.name)
        state.changes.append(state.log.record(before == nil ? .added(item) : .modified(item)))
        state.histories[item.name, default: []].append(item)
    }

    private static func remove(_ key: String, _ state: inout State) {
        guard var item = state.objects.removeValue(forKey: key) else { return }
        item.metadata.resourceVersion = Self.next(state.log)
        state.changes.append(state.log.record(.deleted(item)))
        state.histories[key, default: []].append(nil)
    }

    private static func drop(_ state: inout State) { for watch in state.watchers.values { watch.end(with: nil) } }

    private static func next(_ log: EventLog<Change>) -> String {
        "\(ResourceVersion(epoch: log.epoch, sequence: log.version.sequence + 1))"
    }

    func list(_ options: ListOptions) async throws -> ListResult<Item> {
        await Task.yield()
        let result = self.state.withLockedValue { state -> Result<ListResult<Item>, any Error> in
            if !state.listErrors.isEmpty { return .failure(state.listErrors.removeFirst()) }
            if let version = ResourceVersion(options.resourceVersion), version.epoch != state.epoch { return .failure(Status.expired()) }
            let items = state.objects.sorted { $0.key < $1.key }.map(\.value)
            return .success(ListResult(items, resourceVersion: "\(state.log.version)"))
        }
        await Task.yield()
        try Task.checkCancellation()
        return try result.get()
    }

    func watch(_ options: WatchOptions) async throws -> WatchStream<Item> {
        if options.sendInitialEvents { throw Status(.invalid) }
        await Task.yield()
        try Task.checkCancellation()
        let watch = try self.state.withLockedValue { state in
            if !state.watchErrors.isEmpty { throw state.watchErrors.removeFirst() }
            let watch = LogWatch(self, state.log, try state.log.cursor(after: options.resourceVersion))
            state.watchers[ObjectIdentifier(watch)] = watch
            state.opened += 1
            return watch
        }
        let stream = WatchStream(watch)
        await Task.yield()
        return stream
    }

    fileprivate func closed(_ watch: LogWatch) {
        let log = self.state.withLockedValue { state in
            state.watchers[ObjectIdentifier(watch)] = nil
            state.closed += 1
            _ = state.log.record(.nothing)
            return state.log
        }
        log.wakeWatchers()
    }
}

/// One watch of a ``LogSource``.
private final class LogWatch: WatchSource {
    private struct State {
        var pending: [Event] = []
        var isOver = false
    }

    private let source: LogSource
    private let log: EventLog<LogSource.Change>
    private let cursor: CursorHolder
    private let state = NIOLockedValueBox(State())

    init(_ source: LogSource, _ log: EventLog<LogSource.Change>, _ cursor: sending EventCursor<LogSource.Change>) {
        self.source = source
        self.log = log
        self.cursor = CursorHolder(cursor)
    }

    /// Nothing more is told but `event`. The log is to wake the cursor.
    func end(with event: Event?) {
        self.state.withLockedValue { state in
            state.isOver = true
            state.pending = event.map { [$0] } ?? []
        }
    }

    func next() async throws -> Event? {
        while true {
            let (event, isOver) = self.state.withLockedValue { state in
                (state.pending.isEmpty ? nil : state.pending.removeFirst(), state.isOver)
            }
            if event != nil || isOver { return event }
            guard let step = try await self.cursor.next() else { return nil }
            let events = self.events(step)
            self.state.withLockedValue { if !$0.isOver { $0.pending += events } }
        }
    }

    func close() {
        self.end(with: nil)
        self.source.closed(self)
    }

    private func events(_ step: EventLogStep<LogSource.Change>) -> [Event] {
        switch step {
        case .bookmark(let version, _): return [.bookmark(resourceVersion: "\(version)")]
        case .entries(let entries, let last):
            let changes = entries.compactMap { entry -> Event? in
                let version = "\(ResourceVersion(epoch: self.log.epoch, sequence: entry.sequence))"
                switch entry.event {
                case .added(let item): return .added(item, resourceVersion: version)
                case .modified(let item): return .modified(item, resourceVersion: version)
                case .deleted(let item): return .deleted(item, resourceVersion: version)
                case .nothing: return nil
                }
            }
            return changes.isEmpty ? [.bookmark(resourceVersion: "\(last)")] : changes
        }
    }
}

/// Where a cursor lives, which one task at a time may read.
private actor CursorHolder {
    private let cursor: EventCursor<LogSource.Change>

    init(_ cursor: sending EventCursor<LogSource.Change>) { self.cursor = cursor }

    func next() async throws -> EventLogStep<LogSource.Change>? { try await self.cursor.next() }
}

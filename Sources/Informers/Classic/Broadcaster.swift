// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import NIOConcurrencyHelpers

/// Tells many watchers the same events, each in the order in which they were sent.
///
/// Every watcher has a queue of its own, of a fixed length. What happens when one is full is the broadcaster's policy. There is no task behind it:
/// whoever sends, reads or stops moves on what can be moved.
public final class Broadcaster<Object: Sendable>: Sendable {
    /// What to do with an event for which a watcher has no room.
    public enum FullQueue: Sendable {
        /// Wait: nobody gets further events until that watcher has read some.
        case wait
        /// That watcher never hears of it.
        case drop
    }

    private let state: NIOLockedValueBox<BroadcastState<Object>>

    /// A broadcaster.
    ///
    /// - Parameters:
    ///   - queueLength: How many events may wait for each watcher, 1 or more.
    ///   - incoming: How many events may wait to be distributed before senders wait, 1 or more.
    ///   - whenFull: What to do with an event for which a watcher has no room.
    public init(queueLength: Int, incoming: Int = 25, whenFull: FullQueue) {
        self.state = NIOLockedValueBox(
            BroadcastState(queueLength: max(1, queueLength), incoming: max(1, incoming), drops: whenFull == .drop)
        )
    }

    /// How many watchers there are.
    public var watchers: Int { self.state.withLockedValue { $0.watchers.count } }

    /// How many times an event was dropped because a watcher had no room for it.
    public var dropped: Int { self.state.withLockedValue { $0.dropped } }

    /// A stream of what is sent from now on; it ends when the broadcaster is shut down.
    ///
    /// - Parameter prefix: Events that this watcher alone is told first, however many.
    /// - Throws: ``WatchError`` `.stopped` after ``shutDown()``.
    public func watch(prefix: [WatchEvent<Object>] = []) throws(WatchError) -> WatchStream<Object> {
        let (id, wakeup, effects) = try self.state.withLockedValue { state in
            Result { () throws(WatchError) in try state.register(prefix: prefix) }
        }.get()
        effects.perform()
        return WatchStream(BroadcastWatchSource(broadcaster: self, id: id, wakeup: wakeup))
    }

    /// Sends an event; returns when it is on its way, which is before the watchers have it.
    ///
    /// - Throws: ``WatchError`` `.stopped` after ``shutDown()``; `CancellationError` when cancelled while it waited, and then nothing was sent.
    public func send(_ event: WatchEvent<Object>) async throws {
        let id = self.state.withLockedValue { $0.nextSender() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                // Cancelled before it is in the line: the handler has found nobody there.
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                    return
                }
                self.state.withLockedValue { $0.send(event, sender: id, continuation) }.perform()
                if Task.isCancelled { self.cancel(id) }
            }
        } onCancel: {
            self.cancel(id)
        }
    }

    /// Accepts nothing more. What has been sent is still delivered, then the streams end. Idempotent.
    public func shutDown() {
        self.state.withLockedValue { $0.shutDown() }.perform()
    }

    fileprivate func take(_ id: Int) -> BroadcastState<Object>.Taken {
        let (taken, effects) = self.state.withLockedValue { $0.take(id) }
        effects.perform()
        return taken
    }

    fileprivate func remove(_ id: Int) {
        self.state.withLockedValue { $0.remove(id) }.perform()
    }

    private func cancel(_ sender: Int) {
        self.state.withLockedValue { $0.cancel(sender: sender) }?.resume(throwing: CancellationError())
    }
}

/// One watcher of a broadcaster.
private struct BroadcastWatchSource<Object: Sendable>: WatchSource {
    let broadcaster: Broadcaster<Object>
    let id: Int
    let wakeup: Wakeup

    func next() async throws -> WatchEvent<Object>? {
        while true {
            switch self.broadcaster.take(self.id) {
            case .event(let event): return event
            case .end: return nil
            case .nothing:
                if Task.isCancelled { return nil }
                await self.wakeup.wait()
            }
        }
    }

    func close() {
        // A stop while an event waits for this watcher's room must let the others have it.
        self.broadcaster.remove(self.id)
        self.wakeup.signal()
    }
}

/// Who watches a broadcaster, what waits for whom, and who waits for room: a value, without locks.
struct BroadcastState<Object: Sendable> {
    /// What is to be done once the lock is let go.
    struct Effects {
        var wake: [Wakeup] = []
        var resume: [CheckedContinuation<Void, any Error>] = []
        var refuse: CheckedContinuation<Void, any Error>?

        func perform() {
            for wakeup in self.wake { wakeup.signal() }
            for sender in self.resume { sender.resume() }
            self.refuse?.resume(throwing: WatchError(.stopped, "broadcaster already stopped"))
        }
    }

    enum Taken {
        case event(WatchEvent<Object>)
        case nothing
        case end
    }

    struct Watcher {
        var queue: Deque<WatchEvent<Object>>
        var wakeup: Wakeup
    }

    private enum Incoming {
        case event(WatchEvent<Object>)
        /// A watcher that is to see only what comes after this.
        case register(Int)
    }

    private struct Sender {
        var id: Int
        var event: WatchEvent<Object>
        var continuation: CheckedContinuation<Void, any Error>
    }

    private let queueLength: Int
    private let incomingLimit: Int
    private let drops: Bool
    private var incoming: Deque<Incoming> = []
    private var incomingEvents = 0
    private var senders: Deque<Sender> = []
    private var isStopping = false
    private var lastID = 0
    /// Those whose turn in the line of events has come; others read only their prefix so far.
    private var registered: Set<Int> = []
    private(set) var watchers: [Int: Watcher] = [:]
    private(set) var dropped = 0

    init(queueLength: Int, incoming: Int, drops: Bool) {
        self.queueLength = queueLength
        self.incomingLimit = incoming
        self.drops = drops
    }

    mutating func nextSender() -> Int {
        self.lastID += 1
        return self.lastID
    }

    mutating func register(prefix: [WatchEvent<Object>]) throws(WatchError) -> (Int, Wakeup, Effects) {
        if self.isStopping { throw WatchError(.stopped, "broadcaster already stopped") }
        self.lastID += 1
        let watcher = Watcher(queue: Deque(prefix), wakeup: Wakeup())
        self.watchers[self.lastID] = watcher
        self.incoming.append(.register(self.lastID))
        return (self.lastID, watcher.wakeup, self.distribute())
    }

    mutating func send(_ event: WatchEvent<Object>, sender id: Int, _ continuation: CheckedContinuation<Void, any Error>) -> Effects {
        if self.isStopping { return Effects(refuse: continuation) }
        self.senders.append(Sender(id: id, event: event, continuation: continuation))
        return self.distribute()
    }

    /// Takes a sender out of the line; `nil`: its event is on its way already.
    mutating func cancel(sender id: Int) -> CheckedContinuation<Void, any Error>? {
        guard let index = self.senders.firstIndex(where: { $0.id == id }) else { return nil }
        return self.senders.remove(at: index).continuation
    }

    mutating func take(_ id: Int) -> (Taken, Effects) {
        guard let event = self.watchers[id]?.queue.popFirst() else {
            let isEnd = self.watchers[id] == nil || (self.isStopping && self.incoming.isEmpty && self.senders.isEmpty)
            return (isEnd ? .end : .nothing, Effects())
        }
        return (.event(event), self.distribute())
    }

    mutating func remove(_ id: Int) -> Effects {
        self.watchers[id] = nil
        self.registered.remove(id)
        return self.distribute()
    }

    mutating func shutDown() -> Effects {
        self.isStopping = true
        var effects = self.distribute()
        effects.wake = self.watchers.values.map(\.wakeup)
        return effects
    }

    /// Moves on what can be moved: senders into the line, the line into the watchers' queues.
    private mutating func distribute() -> Effects {
        var effects = Effects()
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            while self.incomingEvents < self.incomingLimit, let sender = self.senders.popFirst() {
                self.incoming.append(.event(sender.event))
                self.incomingEvents += 1
                effects.resume.append(sender.continuation)
                hasMoved = true
            }
            line: while let first = self.incoming.first {
                switch first {
                case .register(let id):
                    if self.watchers[id] != nil { self.registered.insert(id) }
                case .event(let event):
                    guard self.deliver(event, &effects) else { break line }
                    self.incomingEvents -= 1
                }
                self.incoming.removeFirst()
                hasMoved = true
            }
        }
        // The last event was delivered: who waits for another one is at the end.
        if self.isStopping { effects.wake = self.watchers.values.map(\.wakeup) }
        return effects
    }

    /// `false`: a watcher has no room, and nobody got the event.
    private mutating func deliver(_ event: WatchEvent<Object>, _ effects: inout Effects) -> Bool {
        if !self.drops, self.registered.contains(where: self.isFull) { return false }
        for id in self.registered {
            if self.isFull(id) {
                self.dropped += 1
                continue
            }
            self.watchers[id]?.queue.append(event)
            if let wakeup = self.watchers[id]?.wakeup { effects.wake.append(wakeup) }
        }
        return true
    }
    private func isFull(_ id: Int) -> Bool { (self.watchers[id]?.queue.count ?? 0) >= self.queueLength }
}

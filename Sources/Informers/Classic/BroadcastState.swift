internal import DequeModule

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

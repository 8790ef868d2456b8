internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// The way to one peer over one event loop: a queue that any thread may add to, and what the loop makes of it.
final class PeerLane: PeerCarrier {
    struct Settings: Sendable {
        let url: PeerURL
        let dialect: Dialect
        let client: HTTPPool.Configuration.Client
        let maximumValueSize: Int
        let standing: PeerStanding
        let credentials: Credentials

        var health: PeerHealth { self.standing.health }
        var ring: UInt64? { self.standing.ring }
    }

    private struct Inbox {
        var calls: [PeerCall] = []
        /// Whether the loop has been told that there is something.
        var isScheduled = false
        var isClosed = false
    }

    let settings: Settings
    private let calls = Atomic<Int>(0)
    let eventLoop: any EventLoop
    private let inbox = NIOLockedValueBox(Inbox())
    private let connections: NIOLoopBoundBox<PeerConnections?>

    init(_ settings: Settings, eventLoop: any EventLoop) {
        self.settings = settings
        self.eventLoop = eventLoop
        self.connections = NIOLoopBoundBox.makeEmptyBox(eventLoop: eventLoop)
    }

    /// How many calls are under way: what a getter that has several lanes goes by.
    var busy: Int { self.calls.load(ordering: .relaxed) }
    /// Tells the peer's health how a call ended.
    func judge(_ call: PeerCall, _ outcome: PeerHealth.Outcome) {
        guard let admission = call.admission, !call.isFinished else { return }
        self.settings.health.record(outcome, admission, started: call.started.uptimeNanoseconds)
    }

    func began() { self.calls.wrappingAdd(1, ordering: .relaxed) }
    func ended(_ call: PeerCall) { self.calls.wrappingSubtract(1, ordering: .relaxed) }

    /// Takes over a call that another transport cannot carry.
    ///
    /// - Parameter isHeld: The peer has said that it holds the value.
    func take(_ call: PeerCall, isHeld: Bool = false) {
        if call.kind.isPeek, !isHeld {
            LinkPending(call).fail(PeerCall.cannotPeek)
        } else if case .many = call.kind {
            guard call.close() else { return }
            for index in 0..<call.count { if let single = call.single(index, by: self) { self.enqueue(single) } }
        } else if let moved = call.moved(to: self) {
            self.enqueue(moved)
        }
    }

    /// Hands a call to the loop. However many calls come at once, the loop is woken once.
    func enqueue(_ call: PeerCall) {
        let limit = self.settings.client.waitingPerLoop + self.settings.client.connectionsPerLoop
        enum Action { case none, wake, refuse(GroupCacheError) }
        let action: Action = self.inbox.withLockedValue { inbox in
            if inbox.isClosed { return .refuse(GroupCacheError(.shutDown, "the peer is gone")) }
            guard inbox.calls.count < limit else { return .refuse(PeerConnections.overloaded) }
            inbox.calls.append(call)
            if inbox.isScheduled { return .none }
            inbox.isScheduled = true
            return .wake
        }
        switch action {
        case .none: break
        case .wake: self.eventLoop.execute { self.drain() }
        case .refuse(let error): call.finish(.failure(error))
        }
    }

    /// The caller has left: frees the connection that is at work for it.
    func abandon(_ call: PeerCall) {
        self.eventLoop.execute { self.connections.value?.abandon(call) }
    }

    func close() {
        self.inbox.withLockedValue { $0.isClosed = true }
        self.eventLoop.execute {
            self.connections.value?.close()
            self.connections.value = nil
        }
    }

    private func drain() {
        let calls = self.inbox.withLockedValue { inbox in
            inbox.isScheduled = false
            let calls = inbox.calls
            inbox.calls.removeAll(keepingCapacity: calls.count < 1_024)
            return calls
        }
        let connections: PeerConnections
        if let existing = self.connections.value {
            connections = existing
        } else {
            connections = PeerConnections(self, eventLoop: self.eventLoop)
            self.connections.value = connections
        }
        for call in calls { connections.dispatch(call) }
        if self.inbox.withLockedValue({ $0.isClosed }) {
            connections.close()
            self.connections.value = nil
        }
    }
}

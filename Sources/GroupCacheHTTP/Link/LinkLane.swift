internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// The link to one peer over one event loop, as seen from other threads: a queue that any thread may add to. What the loop makes of it is
/// ``LinkDialer``'s business.
final class LinkLane: PeerCarrier {
    private struct Inbox {
        var calls: [PeerCall] = []
        var abandoned: [PeerCall] = []
        /// Whether the loop has been told that there is something.
        var isScheduled = false
        var isClosed = false
    }

    let settings: PeerLane.Settings
    let eventLoop: any EventLoop
    /// Where requests go that the link does not take.
    let http: PeerLane
    /// Until when the peer, which has refused a link, is not asked for one again; uptime in nanoseconds.
    let refusedUntil = Atomic<UInt64>(0)
    private let calls = Atomic<Int>(0)
    private let inbox = NIOLockedValueBox(Inbox())
    private let dialer: NIOLoopBoundBox<LinkDialer?>

    init(_ settings: PeerLane.Settings, http: PeerLane, eventLoop: any EventLoop) {
        self.settings = settings
        self.http = http
        self.eventLoop = eventLoop
        self.dialer = NIOLoopBoundBox.makeEmptyBox(eventLoop: eventLoop)
    }

    /// How many calls are under way.
    var busy: Int { self.calls.load(ordering: .relaxed) }

    func isRefused(_ now: NIODeadline) -> Bool {
        self.refusedUntil.load(ordering: .relaxed) > now.uptimeNanoseconds
    }

    /// Hands a call to the loop. However many calls come at once, the loop is woken once, and they leave in one message.
    func enqueue(_ call: PeerCall) {
        let limit = self.settings.client.waitingPerLoop + LinkSlots<LinkPending>.limit
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
        case .refuse(let error): LinkPending(call).fail(error)
        }
    }

    func began() { self.calls.wrappingAdd(1, ordering: .relaxed) }
    func ended(_ call: PeerCall) { self.calls.wrappingSubtract(1, ordering: .relaxed) }

    func abandon(_ call: PeerCall) {
        let wakes = self.inbox.withLockedValue { inbox in
            inbox.abandoned.append(call)
            defer { inbox.isScheduled = true }
            return !inbox.isScheduled
        }
        if wakes { self.eventLoop.execute { self.drain() } }
    }

    /// Opens the link if it is not open, so that a peer that was down is known to be up again.
    func probe() {
        self.eventLoop.execute { self.withDialer { $0.probe() } }
    }

    func close() {
        self.inbox.withLockedValue { $0.isClosed = true }
        self.eventLoop.execute {
            self.drain()
            self.dialer.value?.close()
            self.dialer.value = nil
        }
    }

    private func withDialer(_ body: (LinkDialer) -> Void) {
        if let dialer = self.dialer.value { return body(dialer) }
        guard !self.inbox.withLockedValue({ $0.isClosed }) else { return }
        let dialer = LinkDialer(self)
        self.dialer.value = dialer
        body(dialer)
    }

    private func drain() {
        let (calls, abandoned) = self.inbox.withLockedValue { inbox in
            inbox.isScheduled = false
            let taken = (inbox.calls, inbox.abandoned)
            inbox.calls.removeAll(keepingCapacity: inbox.calls.count < 1_024)
            inbox.abandoned.removeAll(keepingCapacity: inbox.abandoned.count < 1_024)
            return taken
        }
        if let dialer = self.dialer.value { return dialer.dispatch(calls, abandoned: abandoned) }
        if self.inbox.withLockedValue({ $0.isClosed }) {
            for call in calls { LinkPending(call).fail(GroupCacheError(.shutDown, "the peer is gone")) }
            return
        }
        self.withDialer { $0.dispatch(calls, abandoned: abandoned) }
    }
}

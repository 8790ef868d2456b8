// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// What carries the calls of one loop to a peer: connections with one request at a time, or a link. Used on its loop only.
protocol PeerTransport: AnyObject {
    /// Calls have come, and the callers of others have left.
    func dispatch(_ calls: [PeerCall], abandoned: [PeerCall])
    /// Finds out whether a peer that was down is up again.
    func probe()
    /// Ends, once what is under way is answered.
    func close()
}

/// The way to one peer over one event loop: a queue that any thread may add to. What the loop makes of it is its transport's business.
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
        var abandoned: [PeerCall] = []
        /// Whether the loop has been told that there is something.
        var isScheduled = false
        var isClosed = false
    }

    let settings: Settings
    let eventLoop: any EventLoop
    /// Of a link: where requests go that it does not take.
    private let instead: PeerLane?
    /// Until when the peer, which has refused a link, is not asked for one again; uptime in nanoseconds.
    let refusedUntil = Atomic<UInt64>(0)
    private let calls = Atomic<Int>(0)
    private let inbox = NIOLockedValueBox(Inbox())
    private let transport: NIOLoopBoundBox<(any PeerTransport)?>

    /// - Parameter http: the lane of the same loop whose requests go by GET, if this one is to be a link.
    init(_ settings: Settings, eventLoop: any EventLoop, linkBeside http: PeerLane? = nil) {
        self.settings = settings
        self.eventLoop = eventLoop
        self.instead = http
        self.transport = NIOLoopBoundBox.makeEmptyBox(eventLoop: eventLoop)
    }

    /// The lane that takes every request.
    var http: PeerLane { self.instead ?? self }
    /// How many calls are under way: what a getter that has several lanes goes by.
    var busy: Int { self.calls.load(ordering: .relaxed) }

    func isRefused(_ now: NIODeadline) -> Bool { self.refusedUntil.load(ordering: .relaxed) > now.uptimeNanoseconds }

    func began() { self.calls.wrappingAdd(1, ordering: .relaxed) }
    func gaveUp(_ call: PeerCall) { self.settings.standing.stream.gaveUp(call.turn) }
    func ended(_ call: PeerCall) { self.calls.wrappingSubtract(1, ordering: .relaxed) }

    /// Tells the peer's health how a call ended.
    func judge(_ call: PeerCall, _ outcome: PeerHealth.Outcome) {
        guard let admission = call.admission, !call.isFinished else { return }
        if outcome == .timedOut, case .peer(.get, let request) = call.kind {
            self.settings.standing.unanswered.withLockedValue { $0 = request }
        }
        self.settings.health.record(outcome, admission, started: call.started.uptimeNanoseconds)
    }

    /// Takes over a call that a link cannot carry.
    ///
    /// - Parameters:
    ///   - isHeld: The peer has said that it holds the value.
    ///   - handover: What it has told us to fetch the value by; 0: nothing.
    func take(_ call: PeerCall, isHeld: Bool = false, handover: UInt64 = 0) {
        if call.kind.needsLink {
            call.fail(LinkDialer.isDown)
        } else if call.kind.isPeek, !isHeld {
            call.fail(PeerCall.cannotPeek)
        } else if case .many = call.kind {
            guard call.close() else { return }
            for index in 0..<call.count { if let single = call.single(index, by: self) { self.enqueue(single) } }
        } else if let moved = call.moved(to: self, handover: handover) {
            self.enqueue(moved)
        }
    }

    /// Hands a call to the loop. However many calls come at once, the loop is woken once, and over a link they leave in one message.
    func enqueue(_ call: PeerCall) {
        let client = self.settings.client
        let limit = client.waitingPerLoop + (self.instead == nil ? client.connectionsPerLoop : LinkSlots<LinkPending>.limit)
        enum Action { case none, wake, refuse(GroupCacheError) }
        let action: Action = self.inbox.withLockedValue { inbox in
            if inbox.isClosed { return .refuse(PeerCall.isGone) }
            guard inbox.calls.count < limit else { return .refuse(PeerCall.overloaded) }
            inbox.calls.append(call)
            if inbox.isScheduled { return .none }
            inbox.isScheduled = true
            return .wake
        }
        switch action {
        case .none: break
        case .wake: self.eventLoop.execute { self.drain() }
        case .refuse(let error): call.fail(error)
        }
    }

    /// The caller has left: whatever is at work for it is free for others.
    func abandon(_ call: PeerCall) {
        let wakes = self.inbox.withLockedValue { inbox in
            inbox.abandoned.append(call)
            defer { inbox.isScheduled = true }
            return !inbox.isScheduled
        }
        if wakes { self.eventLoop.execute { self.drain() } }
    }

    /// Opens a link if it is not open, so that a peer that was down is known to be up again.
    func probe() {
        self.eventLoop.execute {
            if !self.inbox.withLockedValue({ $0.isClosed }) { self.made.probe() }
        }
    }

    func close() {
        self.inbox.withLockedValue { $0.isClosed = true }
        self.eventLoop.execute {
            // What came before goes before.
            self.drain()
            self.transport.value?.close()
            self.transport.value = nil
        }
    }

    private var made: any PeerTransport {
        if let transport = self.transport.value { return transport }
        let transport: any PeerTransport =
            self.instead == nil ? PeerConnections(self, eventLoop: self.eventLoop) : LinkDialer(self)
        self.transport.value = transport
        return transport
    }

    private func drain() {
        let (calls, abandoned) = self.inbox.withLockedValue { inbox in
            inbox.isScheduled = false
            let taken = (inbox.calls, inbox.abandoned)
            inbox.calls.removeAll(keepingCapacity: inbox.calls.count < 1_024)
            inbox.abandoned.removeAll(keepingCapacity: inbox.abandoned.count < 1_024)
            return taken
        }
        if !calls.isEmpty || self.transport.value != nil { self.made.dispatch(calls, abandoned: abandoned) }
    }
}

/// What all ways to one peer know together.
final class PeerStanding: Sendable {
    let health = PeerHealth()
    /// How many loops have an open link to the peer.
    let links = Atomic<Int>(0)
    /// A GET that was not answered in its time: what a peer that was silent is probed with.
    let unanswered = NIOLockedValueBox<PeerRequest?>(nil)
    /// The version of our ring, to be sent along; 0: none.
    let ringVersion = Atomic<UInt64>(0)
    /// What is heard of its changes.
    let stream: PeerStream

    init(_ stream: PeerStream) { self.stream = stream }

    var ring: UInt64? {
        let version = self.ringVersion.load(ordering: .relaxed)
        return version == 0 ? nil : version
    }
}

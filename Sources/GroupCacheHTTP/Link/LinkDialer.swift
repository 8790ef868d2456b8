// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Keeps one loop's link to one peer: opens it when it is first needed, opens it again when it is lost, and holds what is asked for
/// meanwhile. Used on its loop only.
///
/// A lost link is opened again without anybody asking, because nobody will: while it is down the pool sends requests to other nodes. So the
/// attempt is also the probe by which the peer is found to be up again, and no caller ever waits for one.
final class LinkDialer: PeerTransport {
    enum End {
        /// There was no answer, or the connection broke.
        case lost((any Error)?)
        /// The peer has stopped answering, even pings.
        case silent
        /// The peer does not speak this.
        case refused
        /// The peer has said goodbye.
        case closed
    }

    private enum State {
        case idle
        case connecting
        case open(LinkClient)
        case down
        case closed
    }

    /// How long a peer that refuses links is asked by GET before it is offered one again, in seconds.
    private static let refusalTime = 20.0...40.0

    let lane: PeerLane
    private var state = State.idle
    private var waiting = WaitingCalls()
    private var backoff = LinkBackoff()
    private var retry: Scheduled<Void>?
    private var isWatching = false
    /// Which attempt to open the link this is. A host with several addresses makes several connections in one, and all but one are given up.
    private(set) var attempt = 0
    /// How many of its connections have come about and are not lost.
    private var connected = 0

    init(_ lane: PeerLane) { self.lane = lane }

    private var health: PeerHealth { self.lane.settings.health }

    // MARK: Requests

    func dispatch(_ calls: [PeerCall], abandoned: [PeerCall]) {
        switch self.state {
        case .open(let client) where self.waiting.isEmpty:
            client.send(calls)
        case .open, .connecting:
            self.hold(calls)
        case .idle:
            self.hold(calls)
            if !self.waiting.isEmpty { self.connect() }
        case .down where self.health.isUp:
            // Only this loop's link is down, or it is not known to be down for long: the peer can still be asked in another way.
            for call in calls { self.lane.http.take(call) }
        case .down:
            for call in calls { call.fail(Self.isDown) }
        case .closed:
            for call in calls { call.fail(PeerCall.isGone) }
        }
        if case .open(let client) = self.state, !abandoned.isEmpty { client.abandon(abandoned) }
    }

    static let isDown = GroupCacheError(.peerFailed, "there is no link to the peer")

    /// Keeps requests until they can be sent.
    func hold(_ calls: some Collection<PeerCall>) {
        for call in calls where !call.isFinished {
            if self.waiting.count < self.lane.settings.client.waitingPerLoop {
                self.waiting.append(call)
            } else {
                call.fail(PeerCall.overloaded)
            }
        }
        self.watch()
    }

    /// While requests wait for the link, or for room in it, somebody has to see to it that none waits beyond its time. None is hedged: that a link
    /// takes long to open says little of the peer, and two nodes that are asked for one key both load it.
    private func watch() {
        guard !self.isWatching, !self.waiting.isEmpty else { return }
        self.isWatching = true
        let shared = NIOLoopBound(self, eventLoop: self.lane.eventLoop)
        self.lane.eventLoop.scheduleTask(in: .milliseconds(5)) { shared.value.sweep() }
    }

    private func sweep() {
        self.isWatching = false
        let now = NIODeadline.now()
        for call in self.waiting.expire(now) { call.fail(call.lateness) }
        self.watch()
    }

    /// Sends what was held; ``LinkClient`` gives back what it has no room for.
    func release() {
        guard case .open(let client) = self.state, !self.waiting.isEmpty else { return }
        client.send(self.waiting.takeAll())
    }

    private func failWaiting(_ error: GroupCacheError) { for call in self.waiting.takeAll() { call.fail(error) } }

    /// Everything that waits goes over the other transport.
    private func passOn() {
        for call in self.waiting.takeAll() { self.lane.http.take(call) }
    }

    // MARK: Opening

    func probe() {
        switch self.state {
        case .idle: self.connect()
        // Only what went by GET has failed: the link, which pings, knows better.
        case .open: self.health.found()
        case .connecting, .down, .closed: break
        }
    }

    private func connect() {
        self.state = .connecting
        self.attempt += 1
        self.connected = 0
        let (attempt, settings) = (self.attempt, self.lane.settings)
        let shared = NIOLoopBound(self, eventLoop: self.lane.eventLoop)
        let limit = NIODeadline.now() + .init(settings.client.connectTimeout)
        PeerBootstrap(settings, eventLoop: self.lane.eventLoop)
            .connect { channel in
                try channel.pipeline.syncOperations.addHandler(LinkClient(shared.value, openBy: limit))
            }
            .whenFailure { shared.value.failed(attempt, $0) }
    }

    /// No connection came about.
    private func failed(_ attempt: Int, _ error: any Error) {
        guard case .connecting = self.state, attempt == self.attempt else { return }
        self.end(.lost(error))
    }

    /// A connection of an attempt has come about.
    func connected(_ attempt: Int) {
        if attempt == self.attempt { self.connected += 1 }
    }

    /// The peer has agreed.
    func opened(_ client: LinkClient) {
        guard case .connecting = self.state else { return client.close(.normal) }
        self.state = .open(client)
        self.lane.refusedUntil.store(0, ordering: .relaxed)
        self.lane.settings.standing.links.wrappingAdd(1, ordering: .relaxed)
        // A peer that was down has to say more than yes: one that opens links and then is silent would cost its callers a second each time.
        if self.health.isUp { self.backoff.reset() } else { client.ping() }
        self.release()
    }

    /// The peer, which was down, has said something over an open link.
    func proved() {
        self.backoff.reset()
        self.health.found()
    }

    /// A link, or a connection of an attempt at one, is over.
    func ended(_ client: LinkClient, _ attempt: Int, _ end: End) {
        if attempt == self.attempt { self.connected -= 1 }
        switch self.state {
        case .open(let current): guard current === client else { return }
        // While another address may still answer, nothing is lost.
        case .connecting: guard attempt == self.attempt, self.connected == 0 else { return }
        case .idle, .down, .closed: return
        }
        self.end(end)
    }

    private func end(_ end: End) {
        var left = self.lane.settings.standing.links.load(ordering: .relaxed)
        if case .open = self.state { left = self.lane.settings.standing.links.wrappingSubtract(1, ordering: .relaxed).newValue }
        switch end {
        case .closed:
            // Nothing is wrong with the peer, and the next request opens the link again.
            self.state = .idle
            if !self.waiting.isEmpty { self.connect() }
        case .refused:
            self.state = .idle
            let pause = Int64(Double.random(in: Self.refusalTime) * 1e9)
            self.lane.refusedUntil.store((NIODeadline.now() + .nanoseconds(pause)).uptimeNanoseconds, ordering: .relaxed)
            self.health.found()
            self.passOn()
        case .lost(let error):
            self.state = .down
            // While another loop's link is open the peer lives, and only this connection has failed.
            if left <= 0 { self.health.lost() }
            self.failWaiting(GroupCacheError(.peerFailed, "the peer cannot be reached", cause: error))
            self.scheduleRetry()
        case .silent:
            self.state = .down
            // The other loops' links have most likely fallen silent too and do not know yet; one that has not says so with its next answer.
            self.health.lost()
            self.failWaiting(GroupCacheError(.peerFailed, "the peer has fallen silent"))
            self.scheduleRetry()
        }
    }

    private func scheduleRetry() {
        var random = SystemRandomNumberGenerator()
        let pause = self.backoff.next(using: &random)
        let shared = NIOLoopBound(self, eventLoop: self.lane.eventLoop)
        self.retry = self.lane.eventLoop.scheduleTask(in: .milliseconds(pause)) { shared.value.tryAgain() }
    }

    private func tryAgain() {
        guard case .down = self.state else { return }
        self.connect()
    }

    /// Ends for good, once what is under way is answered.
    func close() {
        self.retry?.cancel()
        self.failWaiting(PeerCall.isGone)
        // Before the client ends, which tells us so: it is to be counted down once.
        let last = self.state
        self.state = .closed
        if case .open(let client) = last {
            self.lane.settings.standing.links.wrappingSubtract(1, ordering: .relaxed)
            client.closeWhenDone()
        }
    }
}

/// When to try again to reach a peer: at once, then after pauses that double up to a second and a half, with full jitter (Brooker, "Exponential
/// Backoff And Jitter", AWS Architecture Blog, 2015). A value.
struct LinkBackoff {
    private static let longest: Int64 = 1_500
    private var attempts = 0

    /// Milliseconds until the next attempt.
    mutating func next(using random: inout some RandomNumberGenerator) -> Int64 {
        defer { self.attempts += 1 }
        guard self.attempts > 0 else { return Int64.random(in: 1...10, using: &random) }
        let ceiling = min(Self.longest, 25 << Int64(min(self.attempts, 10)))
        return Int64.random(in: ceiling / 2...ceiling, using: &random)
    }

    mutating func reset() { self.attempts = 0 }
}

// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// The connections of one loop to one peer, and the calls that wait for one. Used on its loop only.
final class PeerConnections: PeerTransport {
    private let lane: PeerLane
    private let eventLoop: any EventLoop
    private var idle: [PeerConnection] = []
    private var busy: [ObjectIdentifier: PeerConnection] = [:]
    private var connecting = 0
    private var waiting = WaitingCalls()
    private var isClosed = false
    private var timer: Scheduled<Void>?
    private var timerAt = NIODeadline.distantFuture

    init(_ lane: PeerLane, eventLoop: any EventLoop) {
        self.lane = lane
        self.eventLoop = eventLoop
    }

    private var count: Int { self.idle.count + self.busy.count + self.connecting }

    func dispatch(_ calls: [PeerCall], abandoned: [PeerCall]) {
        for call in calls { self.dispatch(call) }
        for call in abandoned { self.abandon(call) }
    }

    /// A request finds out by itself.
    func probe() {}

    func dispatch(_ call: PeerCall) {
        if call.isFinished { return }
        self.arm(min(call.deadline, self.slowAt(call)))
        // The connection used last is the least likely to have been closed by the peer.
        if let connection = self.idle.popLast() {
            self.busy[ObjectIdentifier(connection)] = connection
            connection.send(call)
        } else {
            let client = self.lane.settings.client
            let connectable = self.connecting + max(0, client.connectionsPerLoop - self.count)
            guard self.waiting.count < client.waitingPerLoop + connectable else {
                return call.finish(.failure(PeerCall.overloaded))
            }
            self.waiting.append(call)
            self.connectIfNeeded()
        }
    }

    /// Sends a call again whose kept connection was dead; only over a new connection, or it could meet another dead one.
    func retry(_ call: PeerCall) {
        if call.isFinished { return }
        for connection in self.idle { connection.close() }
        self.idle.removeAll()
        self.waiting.prepend(call)
        self.connectIfNeeded()
    }

    /// A connection has answered and can be used again.
    func release(_ connection: PeerConnection) {
        self.busy[ObjectIdentifier(connection)] = nil
        if let call = self.waiting.next() {
            self.busy[ObjectIdentifier(connection)] = connection
            return connection.send(call)
        }
        if self.isClosed { return connection.close() }
        connection.idleUntil = .now() + .init(self.lane.settings.client.idleTimeout)
        self.idle.append(connection)
        self.arm(connection.idleUntil)
    }

    /// A connection is gone.
    func remove(_ connection: PeerConnection) {
        self.busy[ObjectIdentifier(connection)] = nil
        self.idle.removeAll { $0 === connection }
        self.connectIfNeeded()
    }

    private func abandon(_ call: PeerCall) {
        // The answer could be waited for and the connection kept, but a slow answer is the usual reason to leave.
        for connection in self.busy.values where connection.call === call { return connection.close() }
    }

    func close() {
        self.isClosed = true
        for connection in self.idle { connection.close() }
        self.idle.removeAll()
    }

    private func connectIfNeeded() {
        let settings = self.lane.settings
        while self.connecting < self.waiting.count, self.count < settings.client.connectionsPerLoop { self.connect(settings) }
    }

    private func connect(_ settings: PeerLane.Settings) {
        self.connecting += 1
        let shared = NIOLoopBound(self, eventLoop: self.eventLoop)
        let lane = self.lane
        let eventLoop = self.eventLoop
        PeerBootstrap(settings, eventLoop: eventLoop)
            .connect { channel in
                try channel.pipeline.syncOperations.addHandler(PeerConnection(lane, owner: shared.value))
            }
            .whenComplete { result in
                let connections = shared.value
                connections.connecting -= 1
                switch result {
                case .success(let channel):
                    guard let connection = try? channel.pipeline.syncOperations.handler(type: PeerConnection.self), channel.isActive else {
                        channel.close(promise: nil)
                        return connections.failConnect(nil)
                    }
                    connections.release(connection)
                    connections.connectIfNeeded()
                case .failure(let error):
                    connections.failConnect(error)
                }
            }
    }

    private func failConnect(_ error: (any Error)?) {
        let failure = GroupCacheError(.peerFailed, "the peer cannot be connected to", cause: error)
        guard self.idle.isEmpty, self.busy.isEmpty else {
            // Others are connected, so the peer lives: only the oldest call pays.
            self.waiting.next()?.fail(failure)
            return self.connectIfNeeded()
        }
        // Nobody is connected: a dead peer must not cost each of its callers a timeout of its own.
        let standing = self.lane.settings.standing
        if standing.links.load(ordering: .relaxed) <= 0 { standing.health.lost() }
        for call in self.waiting.takeAll() { call.fail(failure) }
    }

    // MARK: Time

    /// One timer for all calls and idle connections, set to the earliest.
    private func arm(_ deadline: NIODeadline) {
        guard deadline < self.timerAt else { return }
        self.timer?.cancel()
        self.timerAt = deadline
        // Callers of one moment have deadlines a few microseconds apart; ten milliseconds put them into one turn.
        let shared = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.timer = self.eventLoop.scheduleTask(deadline: deadline + .milliseconds(10)) { shared.value.expire() }
    }

    /// When a call counts as slow.
    private func slowAt(_ call: PeerCall) -> NIODeadline {
        guard call.mayBeHedged else { return .distantFuture }
        return call.started + .nanoseconds(Int64(clamping: self.lane.settings.health.hedgeDelay))
    }

    /// Tells the caller of a call that has waited for long so. Returns when to look at the call again.
    ///
    /// Only of one that has not been sent. Of one that has, nobody can tell whether the peer is dead or its getter slow: a GET has no pings.
    /// Asking another node would make it load what the owner is loading.
    private func look(_ call: PeerCall, _ now: NIODeadline) -> NIODeadline {
        let slow = self.slowAt(call)
        if slow > now { return min(slow, call.deadline) }
        call.tellSlow(self.lane.settings.health)
        return call.deadline
    }

    private func expire() {
        self.timer = nil
        self.timerAt = .distantFuture
        let now = NIODeadline.now()
        var next = NIODeadline.distantFuture

        // First those that wait: a connection that closes below must not make room for a call whose time is over.
        for call in self.waiting.expire(now) { call.fail(call.lateness) }
        self.waiting.forEach { next = min(next, self.look($0, now)) }
        for connection in Array(self.busy.values) {
            guard let call = connection.call else { continue }
            if call.deadline <= now {
                self.lane.judge(call, .timedOut)
                call.finish(.failure(call.lateness))
                connection.close()
            } else {
                next = min(next, call.deadline)
            }
        }
        for connection in self.idle {
            if connection.idleUntil <= now { connection.close() } else { next = min(next, connection.idleUntil) }
        }
        self.idle.removeAll { $0.idleUntil <= now }
        if next < .distantFuture { self.arm(next) }
    }
}

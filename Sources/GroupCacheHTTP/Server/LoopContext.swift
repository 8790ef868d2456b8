// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// A connection, as the loop that it lives on knows it.
protocol LoopMember: AnyObject {
    /// When ``timeOut()`` is to be called, if nothing happens before.
    var deadline: NIODeadline { get }
    /// The deadline has passed.
    func timeOut()
    /// Finishes what is running and closes.
    func drain()
    /// Closes now.
    func abort()
    /// Since when nothing is asked of it; `nil`: something is, or it is not one to be closed for that.
    var idleSince: NIODeadline? { get }
    /// The node is about to stop: what is answered from now on is the last.
    func beginDraining()
}

extension LoopMember {
    /// It is none of a client that could come again.
    var idleSince: NIODeadline? { nil }
    /// Nothing, before ``drain()``.
    func beginDraining() {}
}

/// What the connections of one event loop share: the time, a buffer to write responses into, and the list of themselves. Used on its
/// loop only.
final class LoopContext {
    private let eventLoop: any EventLoop
    private var connections: [ObjectIdentifier: any LoopMember] = [:]
    private var isTicking = false
    private let tick: TimeAmount
    private var nextSecond = NIODeadline.uptimeNanoseconds(0)
    private var date = ByteBuffer()
    private var drained: EventLoopPromise<Void>?
    /// Whether the node is about to stop.
    private(set) var isDraining = false
    /// Those that have been idle for longest, the first one last, as of a moment: looked for once in a while, however many come.
    private var idle: [(connection: any LoopMember, since: NIODeadline)] = []
    private var nextLook = NIODeadline.uptimeNanoseconds(0)
    /// Who has been idle for less than this may be just about to ask.
    static let shortestIdle = TimeAmount.milliseconds(250)

    /// What responses are written into; see ``lendOutput()``.
    private var output = ByteBuffer()
    /// A decoded key.
    var scratch: [UInt8] = []
    /// By which requests are drawn that are logged.
    var lot = Lot()
    /// When this turn of the loop began to read.
    private(set) var now = NIODeadline.uptimeNanoseconds(0)

    init(core: PoolCore, eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        let server = core.configuration.server
        let shortest = min(
            server.idleTimeout,
            server.headTimeout,
            server.bodyTimeout,
            server.writeTimeout,
            server.lingerTimeout,
            server.closingGrace
        )
        self.tick = .nanoseconds(min(max(shortest.nanoseconds / 4, 5_000_000), 1_000_000_000))
    }

    /// Looks at the clock.
    func refresh() {
        self.now = NIODeadline.now()
        guard self.now >= self.nextSecond else { return }
        let time = HTTPDate.unixNanoseconds()
        self.nextSecond = self.now + .nanoseconds(1_000_000_000 - time % 1_000_000_000)
        self.date.clear()
        self.date.writeString("\r\nDate: \(HTTPDate.format(unixSeconds: time / 1_000_000_000))")
    }

    /// A buffer to write responses into. One serves all connections, one after the other: whoever has it is the only one to have it, so that
    /// what is written for one client cannot reach another.
    func lendOutput() -> ByteBuffer {
        var lent = ByteBuffer()
        swap(&lent, &self.output)
        return lent
    }

    /// Takes a buffer back when its bytes were handed to the channel. What went out at once is ours again and is reused; otherwise the channel
    /// keeps the bytes, and the buffer gets others. A large one is not kept.
    func takeBack(_ lent: inout ByteBuffer) {
        guard lent.readableBytes <= ServerConnection.writeAhead else { return }
        lent.clear()
        swap(&lent, &self.output)
    }

    /// Puts responses into bytes, with the time as of the last ``refresh()``.
    var writer: ResponseWriter { ResponseWriter(date: self.date) }

    func add(_ connection: any LoopMember) {
        self.connections[ObjectIdentifier(connection)] = connection
        guard !self.isTicking else { return }
        self.isTicking = true
        self.scheduleTick()
    }

    func remove(_ connection: any LoopMember) {
        self.connections[ObjectIdentifier(connection)] = nil
        guard self.connections.isEmpty, let drained = self.drained else { return }
        self.drained = nil
        drained.succeed()
    }

    /// Closes the connection that has been idle for longest, to make room for another one. `false`: none has been for long enough.
    func closeIdlest() -> Bool {
        self.refresh()
        if self.idle.isEmpty, self.nextLook <= self.now {
            self.nextLook = self.now + self.tick
            let latest = self.now - Self.shortestIdle
            self.idle = self.connections.values.compactMap { connection in
                connection.idleSince.flatMap { $0 <= latest ? (connection, $0) : nil }
            }
            self.idle.sort { $0.since > $1.since }
        }
        while let (connection, since) = self.idle.popLast() {
            // It may have been asked for something meanwhile, or have gone.
            guard connection.idleSince == since, self.connections[ObjectIdentifier(connection)] != nil else { continue }
            connection.abort()
            return true
        }
        return false
    }

    /// The node is about to stop.
    func beginDraining() {
        self.isDraining = true
        for connection in Array(self.connections.values) { connection.beginDraining() }
    }

    /// Lets every connection finish what it is doing and then close. Called once, when no new connection can come.
    ///
    /// - Returns: when the last connection is gone.
    func drain() -> EventLoopFuture<Void> {
        self.isDraining = true
        guard !self.connections.isEmpty else { return self.eventLoop.makeSucceededVoidFuture() }
        let drained = self.eventLoop.makePromise(of: Void.self)
        self.drained = drained
        for connection in Array(self.connections.values) { connection.drain() }
        return drained.futureResult
    }

    /// Closes every connection now.
    func closeAll() {
        for connection in Array(self.connections.values) { connection.abort() }
    }

    /// One timer for all connections instead of one each: deadlines move with every request, and moving a number costs nothing.
    private func scheduleTick() {
        // The loop context lives as long as its connections, which hold it; the timer must not keep it alive for ever.
        self.eventLoop.assumeIsolated().scheduleTask(in: self.tick) { [weak self] in
            guard let self else { return }
            guard !self.connections.isEmpty else {
                self.isTicking = false
                return
            }
            self.refresh()
            self.idle = []
            for connection in Array(self.connections.values) where connection.deadline <= self.now { connection.timeOut() }
            self.scheduleTick()
        }
    }
}

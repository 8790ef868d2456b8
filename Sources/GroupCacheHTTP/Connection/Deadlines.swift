// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// How long the other side of a connection may take, and when its time is over. The clock is passed in.
struct Deadlines: Equatable {
    /// How long each thing may take.
    struct Limits: Equatable {
        var idle: TimeAmount
        var head: TimeAmount
        var body: TimeAmount
        var write: TimeAmount
        var linger: TimeAmount
        /// For how long who watches may keep what is told from leaving, whatever it is.
        var watch: TimeAmount
        /// How long a client that will send nothing more is worked for: that is how one looks that has gone.
        var patience = TimeAmount.milliseconds(250)
        /// How long a connection of which nothing is asked stays open when the node stops.
        var lastCall: TimeAmount
        /// Bytes per second.
        var minimumRate: Int

        init(_ server: HTTPPool.Configuration.Server) {
            self.idle = .init(server.idleTimeout)
            self.head = .init(server.headTimeout)
            self.body = .init(server.bodyTimeout)
            self.write = .init(server.writeTimeout)
            self.linger = .init(server.lingerTimeout)
            self.watch = .init(server.watchTimeout)
            self.lastCall = .init(server.closingGrace)
            self.minimumRate = server.minimumRate
        }

        /// The time that the slowest allowed peer needs for so many bytes.
        func granted(_ bytes: Int) -> TimeAmount { .microseconds(Int64(bytes) * 1_000_000 / Int64(self.minimumRate)) }

        /// By when a peer has to make room that was full at a moment, with so many bytes on their way.
        func writing(since stalled: NIODeadline, _ bytes: Int) -> NIODeadline { stalled + self.write + self.granted(bytes) }
    }

    let limits: Limits
    /// When the connection is cut, if nothing happens before; never, at first.
    private(set) var next = NIODeadline.distantFuture

    init(_ limits: Limits) {
        self.limits = limits
    }

    /// What is due next is due at `moment`, unless the other side does not even take what it is sent: then that is due first.
    ///
    /// - Parameter isWatch: the other side watches, and is told what happens for hours.
    mutating func set(_ moment: NIODeadline, _ gate: OutboundGate, isWatch: Bool = false) {
        self.next =
            gate.stalledSince.map { isWatch ? $0 + self.limits.watch : self.limits.writing(since: $0, gate.unsentBytes) } ?? moment
    }

    /// Nothing is due.
    mutating func clear() { self.next = .distantFuture }

    func isOver(at now: NIODeadline) -> Bool { self.next <= now }
}

/// Whether something that comes in pieces comes fast enough: at the slowest allowed rate, with some patience at any moment. What comes faster buys
/// no time for later: who sends much and then stops is cut as soon as one who sends little and stops.
struct Progress: Equatable {
    /// When it is too slow, if nothing comes before.
    private(set) var due: NIODeadline

    /// It begins.
    init(_ limits: Deadlines.Limits, _ now: NIODeadline) { self.due = now + limits.body }

    /// So many bytes have come.
    mutating func add(_ bytes: Int, _ limits: Deadlines.Limits, _ now: NIODeadline) {
        self.due = min(self.due + limits.granted(bytes), now + limits.body)
    }

    /// Nothing was taken for a while.
    mutating func shift(by time: TimeAmount) { self.due = self.due + time }
}

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
        /// Bytes per second.
        var minimumRate: Int

        init(_ server: HTTPPool.Configuration.Server) {
            self.idle = .init(server.idleTimeout)
            self.head = .init(server.headTimeout)
            self.body = .init(server.bodyTimeout)
            self.write = .init(server.writeTimeout)
            self.linger = .init(server.lingerTimeout)
            self.minimumRate = server.minimumRate
        }

        /// The time that the slowest allowed peer needs for so many bytes.
        func granted(_ bytes: Int) -> TimeAmount { .milliseconds(Int64(bytes) * 1_000 / Int64(self.minimumRate)) }

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
    mutating func set(_ moment: NIODeadline, _ gate: OutboundGate) {
        self.next = gate.stalledSince.map { self.limits.writing(since: $0, gate.unsentBytes) } ?? moment
    }

    /// Nothing is due.
    mutating func clear() { self.next = .distantFuture }

    func isOver(at now: NIODeadline) -> Bool { self.next <= now }
}

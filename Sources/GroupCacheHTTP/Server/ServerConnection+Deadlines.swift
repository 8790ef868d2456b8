internal import NIOCore
internal import Synchronization

/// How long a client may take.
extension ServerConnection {
    func updateDeadline() {
        let server = self.core.configuration.server
        if let stalledSince {
            self.deadline = stalledSince + .init(server.writeTimeout) + self.granted(self.unsentBytes)
            return
        }
        switch self.phase {
        case .head where self.input.readableBytes > 0:
            // A head that trickles in keeps the moment of its first byte: progress does not buy time.
            if self.isIdle {
                self.isIdle = false
                self.deadline = self.loop.now + .init(server.headTimeout)
            }
        case .head:
            // A new connection is not idle: its first head is due from the beginning, and what TLS exchanges before buys no time.
            if self.isIdle { self.deadline = self.phaseBegan + .init(server.idleTimeout) }
        case .body:
            self.deadline = self.phaseBegan + .init(server.bodyTimeout) + self.granted(self.decoder?.received ?? 0)
        case .running, .streaming:
            self.deadline = .distantFuture
        case .lingering:
            self.deadline =
                self.phaseBegan
                + (self.outputIsClosed ? .init(server.lingerTimeout) : .init(server.writeTimeout) + self.granted(self.unsentBytes))
        case .closed:
            self.deadline = .distantFuture
        }
    }

    func granted(_ bytes: Int) -> TimeAmount {
        .milliseconds(Int64(bytes) * 1_000 / Int64(self.core.configuration.server.minimumRate))
    }

    /// The deadline has passed.
    func timeOut() {
        let isLingering = if case .lingering = self.phase { true } else { false }
        // Neither a client that has nothing to ask nor one that takes its time to say goodbye is a slow one.
        if self.stalledSince != nil || !(self.isIdle || isLingering) {
            self.core.counters.timeouts.wrappingAdd(1, ordering: .relaxed)
        }
        self.abort()
    }
}

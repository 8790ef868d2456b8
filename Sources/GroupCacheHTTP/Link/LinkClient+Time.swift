internal import GroupCache
internal import NIOCore

/// What happens when nothing does: deadlines, hedges, pings.
extension LinkClient {
    /// How often to look while there are requests.
    var pace: TimeAmount { .milliseconds(5) }

    /// One timer for everything.
    func arm(_ deadline: NIODeadline) {
        guard deadline < self.timerAt, let context = self.context else { return }
        self.timer?.cancel()
        self.timerAt = deadline
        let shared = NIOLoopBound(self, eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(deadline: deadline) { shared.value.tick() }
    }

    func tick() {
        self.timerAt = .distantFuture
        let now = NIODeadline.now()
        switch self.phase {
        case .closed: return
        case .handshake:
            if now >= self.openBy { self.abort() } else { self.arm(self.openBy) }
            return
        case .open: break
        }
        if let pingSent {
            if now >= pingSent + Self.patience {
                // A loop runs what is due before it reads. When it is us who stood still, the answer lies in the socket, and is read as soon
                // as we have caught up.
                let doubted = self.doubtedAt ?? now
                if now >= doubted + Self.doubt {
                    self.end = .silent
                    return self.abort()
                }
                self.doubtedAt = doubted
            }
        } else if now >= self.lastRead + (self.slots.count > 0 ? self.quiet : Self.idleTime) {
            self.ping()
        }
        if self.slots.count > 0 {
            self.sweep(now)
            self.closeIfDone()
        }
        let isAwaiting = self.slots.count > 0 || self.pingSent != nil
        self.arm(isAwaiting ? now + self.pace : self.lastRead + Self.idleTime)
    }

    /// How long nothing may come before the next ping.
    var quiet: TimeAmount {
        let usual = Int64(clamping: self.settings.health.hedgeDelay) << min(self.pings, 16)
        return min(Self.silence, .nanoseconds(usual))
    }

    /// Asks the peer whether it lives.
    func ping() {
        self.pingSent = .now()
        self.doubtedAt = nil
        self.pings += 1
        self.sendControl(.ping, ByteBuffer())
        self.arm(.now() + self.pace)
    }

    /// Looks at every request: some are past their time, others want a second opinion.
    ///
    /// Those want it only when the peer does not answer pings either. If it does, its getter is at work, and asking another node would make a
    /// second one do the same work: a hot missing key with a slow origin would be loaded twice.
    func sweep(_ now: NIODeadline) {
        let delay = TimeAmount.nanoseconds(Int64(clamping: self.settings.health.hedgeDelay))
        let slow = now - delay
        let isSilent = self.pingSent.map { now >= $0 + max(delay, Self.pongTime) } ?? false
        var late: [LinkPending] = []
        var hedged: [PeerCall] = []
        self.slots.sweep { id, pending in
            if pending.call.deadline <= now {
                late.append(pending)
                self.writer.payload.writeLinkCancel(id)
                return true
            }
            if isSilent, pending.call.started <= slow, pending.call.mayBeHedged { hedged.append(pending.call) }
            return false
        }
        self.flush()
        for pending in late { pending.fail(pending.call.lateness) }
        for call in hedged { call.tellSlow(self.settings.health) }
    }
}

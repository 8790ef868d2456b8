internal import GroupCache
internal import NIOCore

/// What happens when nothing does: deadlines, hedges, pings.
extension LinkClient.State {
    /// Time has passed.
    ///
    /// - Parameter hedgeDelay: how long the peer's answers usually take at the most.
    mutating func tick(_ now: NIODeadline, hedgeDelay: TimeAmount) -> [Action] {
        if let opening = self.opening { return now >= opening.openBy ? self.abort() : [.wake(opening.openBy)] }
        guard let open = self.open else { return [] }
        var actions: [Action] = []
        if let ping = open.ping {
            if now >= ping.sent + LinkClient.patience {
                // A loop runs what is due before it reads. When it is us who stood still, the answer lies in the socket, and is read as soon
                // as we have caught up.
                let doubted = ping.doubted ?? now
                if now >= doubted + LinkClient.doubt { return self.abort(.silent) }
                self.open?.ping?.doubted = doubted
            }
        } else if now >= open.lastRead + (open.slots.count > 0 ? open.quiet(hedgeDelay) : LinkClient.idleTime) {
            actions += self.ping(now)
        }
        if open.slots.count > 0 {
            actions += self.sweep(now, hedgeDelay)
            actions += self.closeIfDone()
        }
        guard let open = self.open else { return actions }
        let isAwaiting = open.slots.count > 0 || open.ping != nil
        return actions + [.wake(isAwaiting ? now + LinkClient.pace : open.lastRead + LinkClient.idleTime)]
    }

    /// Asks the peer whether it lives.
    mutating func ping(_ now: NIODeadline) -> [Action] {
        guard self.open != nil else { return [] }
        self.open?.ping = Ping(sent: now)
        self.open?.pings += 1
        return [.send(Self.control(.ping, ByteBuffer())), .wake(now + LinkClient.pace)]
    }

    /// Looks at every request: some are past their time, others want a second opinion.
    ///
    /// Those want it only when the peer does not answer pings either. If it does, its getter is at work, and asking another node would make a
    /// second one do the same work: a hot missing key with a slow origin would be loaded twice.
    private mutating func sweep(_ now: NIODeadline, _ delay: TimeAmount) -> [Action] {
        guard var open = self.open.take() else { return [] }
        let slow = now - delay
        let isSilent = open.ping.map { now >= $0.sent + max(delay, LinkClient.pongTime) } ?? false
        var late: [LinkPending] = []
        var hedged: [PeerCall] = []
        var slots = LinkSlots<LinkPending>()
        swap(&slots, &open.slots)
        slots.sweep { id, pending in
            if pending.call.deadline <= now {
                late.append(pending)
                open.writer.payload.writeLinkCancel(id)
                return true
            }
            if isSilent, pending.call.started <= slow, pending.call.mayBeHedged { hedged.append(pending.call) }
            return false
        }
        swap(&slots, &open.slots)
        self.open = open
        var actions = [Action.sendMessage]
        if !late.isEmpty { actions.append(.late(late)) }
        if !hedged.isEmpty { actions.append(.slow(hedged)) }
        return actions
    }
}

extension LinkClient.State.Open {
    /// How long nothing may come before the next ping, while something is awaited.
    func quiet(_ hedgeDelay: TimeAmount) -> TimeAmount {
        let usual = hedgeDelay.nanoseconds << min(self.pings, 16)
        return min(LinkClient.silence, .nanoseconds(usual))
    }
}

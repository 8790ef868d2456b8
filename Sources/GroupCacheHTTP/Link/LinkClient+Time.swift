// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// What happens when nothing does: deadlines, hedges, pings.
extension LinkClient.State {
    /// Time has passed.
    ///
    /// - Parameter hedgeDelay: how long the peer's answers usually take at the most.
    mutating func tick(_ now: NIODeadline, hedgeDelay: TimeAmount) -> [Action] {
        if let opening = self.opening { return now >= opening.openBy ? self.abort() : [.wake(opening.openBy)] }
        guard let quiet = self.open?.quietUntil(hedgeDelay) else { return [] }
        var actions: [Action] = []
        if let ping = self.open?.ping {
            if now >= ping.sent + LinkClient.patience {
                // A loop runs what is due before it reads. When it is us who stood still, the answer lies in the socket, and is read as soon
                // as we have caught up.
                let doubted = ping.doubted ?? now
                if now >= doubted + LinkClient.doubt { return self.abort(.silent) }
                self.open?.ping?.doubted = doubted
            }
        } else if now >= quiet {
            actions += self.ping(now)
        }
        // Also what may take as long as it likes has an end.
        if self.open?.slots.count ?? 0 > 0 {
            self.open?.sweep(now, hedgeDelay, &actions)
            actions += self.closeIfDone()
        }
        guard let idle = self.open?.lastRead else { return actions }
        let isAwaiting = self.open?.isAwaiting == true || self.open?.ping != nil
        if isAwaiting { return actions + [.wake(now + LinkClient.pace)] }
        let end = self.open?.patient.flatMap { self.open?.slots[$0]?.call.deadline } ?? .distantFuture
        return actions + [.wake(min(idle + LinkClient.idleTime, max(end, now + LinkClient.pace)))]
    }

    /// Asks the peer whether it lives.
    mutating func ping(_ now: NIODeadline) -> [Action] {
        guard self.open != nil else { return [] }
        self.open?.ping = Ping(sent: now)
        self.open?.pings += 1
        return [.send(Self.control(.ping, ByteBuffer())), .wake(now + LinkClient.pace)]
    }
}

extension LinkClient.State.Open {
    /// Whether anything is awaited but that something changes, which may take as long as it likes.
    var isAwaiting: Bool {
        let isPatient = self.patient.map { self.slots[$0]?.call.kind.isPatient == true } ?? false
        return self.slots.count > (isPatient ? 1 : 0)
    }

    /// Until when nothing may come before the next ping.
    fileprivate func quietUntil(_ hedgeDelay: TimeAmount) -> NIODeadline {
        guard self.isAwaiting else { return self.lastRead + LinkClient.idleTime }
        let usual = hedgeDelay.nanoseconds << min(self.pings, 16)
        return self.lastRead + min(LinkClient.silence, .nanoseconds(usual))
    }

    /// Looks at every request: some are past their time, others want a second opinion.
    ///
    /// Those want it only when the peer does not answer pings either. If it does, its getter is at work, and asking another node would make a
    /// second one do the same work: a hot missing key with a slow origin would be loaded twice.
    fileprivate mutating func sweep(_ now: NIODeadline, _ delay: TimeAmount, _ actions: inout [LinkClient.State.Action]) {
        let slow = now - delay
        // As with the end of our patience: when it is us who stood still, the answer lies in the socket, and is read before the next look.
        if let ping = self.ping, now >= ping.sent + max(delay, LinkClient.pongTime) { self.ping?.missed = ping.missed ?? now }
        let isSilent = self.ping?.missed.map { now >= $0 + LinkClient.pace } ?? false
        var late: [LinkPending] = []
        var hedged: [PeerCall] = []
        var cancelled: [UInt32] = []
        self.slots.sweep { id, pending in
            if pending.call.deadline <= now {
                late.append(pending)
                cancelled.append(id)
                return true
            }
            if isSilent, pending.call.started <= slow, pending.call.mayBeHedged { hedged.append(pending.call) }
            return false
        }
        for id in cancelled { self.writer.payload.writeLinkCancel(id) }
        if !late.isEmpty { actions += [.sendMessage, .late(late)] }
        if !hedged.isEmpty { actions.append(.slow(hedged)) }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// A request that asks nothing but whether a peer lives.
final class PeerProbe: PeerCaller {
    private let health: PeerHealth
    private let ticket: Breaker.Ticket
    private let started: UInt64

    init(_ health: PeerHealth, _ ticket: Breaker.Ticket) {
        self.health = health
        self.ticket = ticket
        self.started = health.now
    }

    func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) {
        switch result {
        case .success: self.health.record(.answered, self.ticket, started: self.started)
        case .failure: self.health.record(.unreachable, self.ticket, started: self.started)
        }
    }
}

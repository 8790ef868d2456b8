// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Which peers' going and coming is to be said: a value; its clock is passed in. It is shown once a second who is up.
///
/// A peer that stumbles is no news, and one that does so all the time is news once in a while. Who is said to be up was said to be down.
struct PeerNotices: Equatable {
    enum Notice: Equatable {
        case down(String)
        /// And after how long.
        case up(String, TimeAmount)
    }

    /// How long a peer is down before it is said.
    static let patience = TimeAmount.seconds(2)
    /// Between two words about one peer's going.
    static let pause = TimeAmount.seconds(60)

    private struct Peer: Equatable {
        /// Since when; `nil`: it is up.
        var down: NIODeadline?
        var isSaid = false
        var said: NIODeadline?
    }

    private var peers: [String: Peer] = [:]

    /// - Parameter peers: All there are, each by its id. Who is not among them any more is forgotten. O(peers).
    mutating func look(_ peers: [(id: String, isUp: Bool)], now: NIODeadline) -> [Notice] {
        var notices: [Notice] = []
        var next: [String: Peer] = [:]
        for (id, isUp) in peers {
            var peer = self.peers[id] ?? Peer()
            if isUp {
                if peer.isSaid, let down = peer.down { notices.append(.up(id, now - down)) }
                (peer.down, peer.isSaid) = (nil, false)
            } else {
                let down = peer.down ?? now
                peer.down = down
                if !peer.isSaid, now - down >= Self.patience, peer.said.map({ now - $0 >= Self.pause }) ?? true {
                    (peer.isSaid, peer.said) = (true, now)
                    notices.append(.down(id))
                }
            }
            next[id] = peer
        }
        self.peers = next
        return notices
    }
}

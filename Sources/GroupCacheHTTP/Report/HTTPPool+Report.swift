// SPDX-License-Identifier: Apache-2.0

package import GroupCache
internal import Informers
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// What the admin port shows of a pool.
package struct PoolReport: Sendable {
    /// A node of the ring.
    package struct Node: Sendable {
        package var id: String
        package var url: String?
        package var weight: Int
        /// Of all keys.
        package var share: Double
        package var isSelf: Bool
        /// `nil`: it is this node.
        package var peer: Peer?
    }

    /// What this node knows of another one.
    package struct Peer: Sendable {
        /// `up`: it is asked; `down`: it is passed over; `probing`: it is asked whether it is back.
        package var state: String
        /// The 95th percentile of its answers, in seconds; 0: unknown.
        package var p95: Double
        /// How often it was found down.
        package var opened: Int
        /// Requests that were not sent to it because it was down.
        package var rejected: Int
        package var hedges: Int
        package var retries: Int
        /// How many event loops have an open link to it.
        package var links: Int
        /// `fresh`: its changes are heard; `lost`: not just now; `none`: it tells none.
        package var stream: String
        /// Changes that it has not heard of yet.
        package var undelivered: Int
    }

    package var id: String?
    package var dialect: String
    package var ring: String
    package var isDraining: Bool
    package var isReady: Bool
    package var nodes: [Node]
    package var statistics: HTTPPool.Statistics
    /// Changes that the log has room for and still holds.
    package var logEntries: Int
    package var logBytes: Int
}

extension HTTPPool {
    /// The groups that are registered, by name.
    package var groups: [any PeerServing] { self.core.groups.withLockedValue { $0 }.groups }

    /// The group of that name.
    package func group(_ name: String) -> (any PeerServing)? { self.core.groups.withLockedValue { $0 }.find(name) }

    /// All that is known of the nodes, at this moment. O(nodes).
    package var report: PoolReport {
        let members = self.core.members.withLockedValue { $0 }
        let shares = members.ring.shares
        var nodes: [PoolReport.Node] = []
        nodes.reserveCapacity(members.ring.members.count)
        for (index, member) in members.ring.members.enumerated() {
            nodes.append(
                PoolReport.Node(
                    id: member.id,
                    url: members.address(of: index),
                    weight: member.weight,
                    share: shares[index],
                    isSelf: index == members.selfIndex,
                    peer: members.getters[index].map { Self.report(of: $0) }
                )
            )
        }
        let log = self.core.feed?.log.statistics
        return PoolReport(
            id: members.selfID(self.configuration.dialect),
            dialect: self.configuration.dialect.description,
            ring: Pages.hexadecimal(members.ring.version),
            isDraining: self.isDraining,
            isReady: !self.isDraining && self.core.membership.withLockedValue { $0?.lastWord != nil || $0 == nil },
            nodes: nodes,
            statistics: self.statistics,
            logEntries: log?.entries ?? 0,
            logBytes: log?.bytes ?? 0
        )
    }

    private static func report(of getter: HTTPGetter) -> PoolReport.Peer {
        let health = getter.standing.health.snapshot
        let stream = getter.standing.stream
        return PoolReport.Peer(
            state: health.state == .closed ? "up" : health.state == .open ? "down" : "probing",
            p95: Double(health.p95) / 1e9,
            opened: health.opened,
            rejected: health.rejected,
            hedges: health.hedges,
            retries: health.retries,
            links: getter.standing.links.load(ordering: .relaxed),
            stream: stream.isHeard ? "fresh" : stream.ability == .refuses || stream.row == 0 ? "none" : "lost",
            undelivered: stream.unheard
        )
    }

    /// The nodes in the order in which they are asked for `key`, at most `limit` of them, as indices of the report's nodes; and where on the ring it lies.
    package func preference(of key: Key, limit: Int) -> (nodes: [Int], hash: String?, point: String?) {
        let ring = self.core.members.withLockedValue { $0 }.ring
        guard let explanation = ring.explain(key.bytes.span) else { return ([], nil, nil) }
        return (
            Array(ring.preference(of: key.bytes.span).prefix(limit)), Pages.hexadecimal(explanation.hash),
            Pages.hexadecimal(explanation.point)
        )
    }
}

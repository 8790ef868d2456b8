// SPDX-License-Identifier: Apache-2.0

/// Nodes that ask each other.
enum Acquaintance {
    private struct Key: Decodable { var owner: String }

    /// Waits until each node asks each of the others for what that one owns. They begin one after the other: who finds another one missing takes it for down,
    /// does its work, tells its callers that it has not heard of a change, and tries again by and by. That a node answers says nothing of that.
    ///
    /// - Parameters:
    ///   - nodes: where their values and pages are.
    ///   - peers: what they are called in the ring, in the same order.
    static func wait(_ nodes: [String], peers: [String], group: String = "scores") async throws {
        for (here, node) in nodes.enumerated() {
            var unknown = Set(peers)
            unknown.remove(peers[here])
            while !unknown.isEmpty {
                try Task.checkCancellation()
                // Another key each time: that there is none of that name may be remembered.
                let key = "stranger-\(UInt64.random(in: 0 ... .max))"
                let owner = try await fetch("\(node)/v1/ring/\(group)/\(key)").json(Key.self).owner
                guard unknown.contains(owner), let there = peers.firstIndex(of: owner) else { continue }
                let before = try await GroupCounters.fetch(node: nodes[there], group: group).serverRequests
                _ = try await fetch("\(node)/v1/groups/\(group)/keys/\(key)")
                let after = try await GroupCounters.fetch(node: nodes[there], group: group).serverRequests
                if after > before { unknown.remove(owner) }
            }
        }
    }
}

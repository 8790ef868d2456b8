// SPDX-License-Identifier: Apache-2.0

/// What a node knows of the others, as the overview of its admin port says it.
struct PeersPage: Decodable {
    struct Node: Decodable {
        var isSelf: Bool
        var state: String
        var stream: String?
        var links: Int?

        /// Whether it is asked for its keys, and its changes are heard.
        var isKnown: Bool { self.state == "up" && self.stream == "fresh" && (self.links ?? 0) > 0 }
    }
    var nodes: [Node]

    /// Waits until a node is linked to so many others and hears them. Who begins takes others that are not there yet for down, does their work, and tries again
    /// by and by: that all of them answer says nothing of how they stand with each other.
    static func acquainted(_ admin: String, others: Int) async throws {
        _ = try await fetch("\(admin)/v1/overview") { try $0.json(PeersPage.self).nodes.count { !$0.isSelf && $0.isKnown } == others }
    }

    /// What a node has counted of its peers, all of them together: `groupcache_peer_` and that name.
    static func count(_ name: String, of admin: String) async throws -> Int {
        let lines = try await fetch("\(admin)/metrics").text.split(separator: "\n")
        let samples = lines.filter { $0.hasPrefix("groupcache_peer_\(name)_total{") }.compactMap { $0.split(separator: " ").last }
        return samples.reduce(0) { $0 + Int(Double($1) ?? 0) }
    }
}

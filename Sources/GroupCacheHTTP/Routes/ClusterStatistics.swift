// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import GroupCache
internal import NIOCore

/// The counters of a group over all nodes of the ring.
enum ClusterStatistics {
    static func reply(group: any PeerServing, peers: [HTTPGetter]) async -> Response {
        let name = group.name
        var sum = group.statistics
        var nodes: [(id: String, answered: Bool)] = []
        await withTaskGroup(of: (String, GroupStatistics?).self) { tasks in
            for peer in peers {
                tasks.addTask {
                    guard let page = try? await peer.fetch("/v1/groups/\(name)/stats") else { return (peer.id, nil) }
                    return (peer.id, try? JSONDecoder().decode(GroupStatistics.self, from: Data(page.bytes)))
                }
            }
            for await (id, statistics) in tasks {
                nodes.append((id, statistics != nil))
                if let statistics { sum += statistics }
            }
        }
        nodes.sort { $0.id < $1.id }
        return .json(Pages.statistics(name, sum, scope: "cluster", nodes: nodes))
    }
}

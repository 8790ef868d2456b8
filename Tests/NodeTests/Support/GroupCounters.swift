// SPDX-License-Identifier: Apache-2.0

/// The counters of `/v1/groups/{g}/stats` that tests look at.
struct GroupCounters: Decodable, Sendable {
    var gets: Int
    var cacheHits: Int
    var localLoads: Int
    var localLoadErrors: Int
    var peerLoads: Int
    var peerErrors: Int
    var serverRequests: Int
    var notModified: Int?

    static func fetch(node: String, group: String) async throws -> GroupCounters {
        try await NodeTests.fetch("\(node)/v1/groups/\(group)/stats").json()
    }
}

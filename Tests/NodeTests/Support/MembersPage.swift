// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What `/v1/members` says.
struct MembersPage: Decodable {
    struct Item: Decodable {
        var id: String
        var url: String
        var zone: String?
        var weight: Int
        var state: String
        var epoch: String?
        var `self`: Bool
    }
    struct Fence: Decodable {
        var kind: String
        var secondsLeft: Double?
        /// Whether the node may act as an owner.
        var acts: Bool
    }
    var source: String
    var ring: String
    var `self`: String?
    var ageSeconds: Double?
    var problem: String?
    var fence: Fence
    var items: [Item]

    /// The ids, and the states of those that are not ready.
    var names: [String] { self.items.map { $0.state == "ready" ? $0.id : "\($0.id) \($0.state)" } }

    static func of(_ url: String, until wished: @escaping (MembersPage) -> Bool = { _ in true }) async throws -> MembersPage {
        try await fetch("\(url)/v1/members") { try wished($0.json()) }.json()
    }
}

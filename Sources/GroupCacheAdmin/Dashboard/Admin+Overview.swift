// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP
internal import HTTPTypes
internal import Hummingbird

extension Admin {
    /// What the dashboard asks again and again: `GET /v1/overview`, `GET /v1/changes`.
    func addOverview(to routes: inout AdminRoutes) {
        routes.on(.get, "/v1/overview", .read) { request in
            try request.allowParameters()
            return AdminJSON.response(Overview(self, isTrusted: request.isTrusted))
        }
        routes.on(.get, "/v1/changes", .read) { request in
            try request.allowParameters("after")
            var after: UInt64?
            if let text = try request.parameter("after") {
                guard let number = UInt64(text) else { throw AdminFailure.badRequest("after is the number of a change") }
                after = number
            }
            return AdminJSON.response(RecentChanges(self.pool.changes(after: after, limit: 100), showsKeys: request.isTrusted))
        }
    }
}

/// The last changes of keys that this node owns.
struct RecentChanges: Encodable {
    struct Item: Encodable {
        var number: UInt64
        var change: String
        var group: String?
        /// Only for those who have shown a token.
        var key: String?
        var hasKey: Bool
    }

    var kind = "ChangeList"
    var items: [Item]
    /// What to ask for next.
    var last: UInt64

    init(_ changes: (items: [RecentChange], last: UInt64), showsKeys: Bool) {
        self.last = changes.last
        self.items = changes.items.map { change in
            Item(
                number: change.number,
                change: change.change,
                group: change.group,
                key: showsKeys ? change.key?.string : nil,
                hasKey: change.key != nil
            )
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP
internal import HTTPTypes
internal import Hummingbird
internal import Informers

extension Admin {
    /// How long other nodes may take to say what they hold.
    private static var patience: Duration { .milliseconds(500) }

    /// `GET /v1/groups/{group}/keys/{key}/explain`, `/v1/memory`.
    func addExplain(to routes: inout AdminRoutes) {
        routes.on(.get, "/v1/groups/:group/keys/:key/explain", .read) { request in
            try request.allowParameters()
            let group = try self.group(request)
            let bytes = request.names["key"] ?? []
            guard bytes.count <= Key.maximumLength else { throw AdminFailure.badRequest("a key has at most 4 KiB", kind: "key") }
            guard let explained = group as? any ExplainedGroup else {
                throw AdminFailure(.init(rawValue: "NotImplemented"), "the group does not say what it holds", kind: "group", code: 501)
            }
            let key = Key(bytes: bytes)
            var explanation = Explanation(key, explained, self.pool)
            explanation.elsewhere = await self.elsewhere(key, group)
            return AdminJSON.response(explanation)
        }
        routes.on(.get, "/v1/memory", .read) { request in
            try request.allowParameters()
            return AdminJSON.response(Memory(self.pool.groups))
        }
    }

    /// What the other nodes hold of a key.
    private func elsewhere(_ key: Key, _ group: any PeerServing) async -> [Explanation.Elsewhere] {
        let schema = (group as? any KeptGroup)?.schema
        let nodes = self.pool.report.nodes
        return await self.pool.holders(of: key, in: group.name, schema: schema, within: Self.patience).compactMap { holder in
            guard nodes.indices.contains(holder.node) else { return nil }
            return Explanation.Elsewhere(nodes[holder.node].id, holder.answer)
        }
    }
}

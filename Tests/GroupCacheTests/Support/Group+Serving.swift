// SPDX-License-Identifier: Apache-2.0

@testable import GroupCache

/// What a pool would ask of the group.
extension Group {
    var server: GroupServer<Value> { GroupServer(self) }

    func serve(
        _ key: Key,
        for requester: Requester,
        timeout: Duration? = nil,
        reload: Bool = false
    ) async throws(GroupCacheError) -> ServedEntry {
        try await self.server.serve(key, for: requester, timeout: timeout, reload: reload)
    }

    func serveSet(_ key: Key, to entry: PeerEntry, for requester: Requester) async throws(GroupCacheError) {
        try await self.server.serveSet(key, to: entry, for: requester)
    }

    func serveRemove(_ key: Key, for requester: Requester) async throws(GroupCacheError) {
        try await self.server.serveRemove(key, for: requester)
    }
}

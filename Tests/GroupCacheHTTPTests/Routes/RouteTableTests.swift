// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

@Suite("Routes: the table") struct RouteTableTests {
    private func match(_ method: RequestHead.Method, _ path: String, _ dialect: Dialect = .native, publicRoutes: Bool = true) -> String {
        let bytes = Array("x\(path)y".utf8)
        let text = { (range: Range<Int>) in String(decoding: bytes[range], as: UTF8.self) }
        let table = RouteTable(dialect: dialect, publicRoutes: publicRoutes)
        switch table.match(method, 1..<bytes.count - 1, bytes.span) {
        case .route(let handler, let access, let body, let group, let key):
            return "\(handler) \(access) \(body) [\(text(group))] [\(text(key))]"
        case .otherMethod(let allowed, let access, _, _): return "only \(allowed), \(access)"
        case .slashInKey: return "slash"
        case .malformedPeerPath: return "malformed"
        case .unknown: return "unknown"
        }
    }

    @Test(
        "paths and methods of the native dialect",
        arguments: [
            (.get, "/v1/groups/g/keys/k%2F", "key read none [g] [k%2F]"), (.head, "/v1/groups/g/keys/", "key read none [g] []"),
            (.put, "/v1/groups/g/keys/k", "setKey change value [g] [k]"), (.delete, "/v1/groups/g/keys/k", "removeKey change none [g] [k]"),
            (.post, "/v1/groups/g/keys/k", "only GET, HEAD, PUT, DELETE, change"), (.get, "/v1/groups/g/keys/a/b", "slash"),
            (.delete, "/v1/groups/g/keys", "clear change none [g] []"), (.get, "/v1/groups/g/keys", "keyList read none [g] []"),
            (.put, "/v1/groups/g/keys", "only GET, HEAD, DELETE, change"),
            (.get, "/v1/watch/groups/g", "watchGroup read none [g] []"), (.get, "/v1/watch/members", "watchMembers read none [] []"),
            (.options, "/v1/watch/members", "only GET, HEAD, read"), (.get, "/v1/watch/groups/", "unknown"), (.get, "/v1/watch", "unknown"),
            (.delete, "/v1/groups/g/tags/a%2Fb", "removeTag change none [g] [a%2Fb]"), (.get, "/v1/groups/g/tags/a", "only DELETE, change"),
            (.delete, "/v1/groups/g/tags/a/b", "slash"), (.delete, "/v1/groups/g/tags", "unknown"),
            (.post, "/v1/groups/g/keys:get", "keys read keys [g] []"), (.get, "/v1/groups/g/keys:get", "only POST, read"),
            (.get, "/v1/groups/g/stats", "statistics read none [g] []"), (.get, "/v1/groups/g", "group read none [g] []"),
            (.get, "/v1/groups", "groups read none [] []"), (.get, "/v1/groups/", "unknown"), (.get, "/v1/groups/g/x", "unknown"),
            (.get, "/v1/groups/g/", "unknown"), (.get, "/v1/groups//keys/k", "key read none [] [k]"),
            (.get, "/v1/ring", "ring read none [] []"), (.get, "/v1/ring/g/k", "ringKey read none [g] [k]"),
            (.get, "/v1/ring/g", "unknown"), (.get, "/v1/members", "members read none [] []"),
            (.put, "/v1/members", "only GET, HEAD, read"),
            (.get, "/v1/ring/g/a/b", "slash"), (.get, "/api", "api read none [] []"), (.get, "/apix", "unknown"),
            (.get, "/livez", "live open none [] []"), (.put, "/readyz", "only GET, HEAD, open"), (.other, "/livez", "only GET, HEAD, open"),
            (.get, "/_groupcache/g/a/b", "peerKey peer none [g] [a/b]"), (.put, "/_groupcache/g/k", "peerSet peer value [g] [k]"),
            (.delete, "/_groupcache/g/k", "peerRemove peer none [g] [k]"), (.post, "/_groupcache/g/k", "only GET, HEAD, PUT, DELETE, peer"),
            (.get, "/_groupcache/g", "malformed"), (.get, "/_groupcache//k", "malformed"), (.get, "/_groupcache", "unknown"),
            (.get, "", "unknown"), (.get, "/", "unknown"),
        ] as [(RequestHead.Method, String, String)]
    )
    func native(method: RequestHead.Method, path: String, wanted: String) {
        #expect(self.match(method, path) == wanted)
    }

    @Test("what peers of a dialect do, and what is left without public routes")
    func others() {
        #expect(self.match(.put, "/_groupcache/g/k", .groupcache) == "only GET, HEAD, peer")
        #expect(self.match(.get, "/_geecache/g/k", .geecache) == "peerKey peer none [g] [k]")
        #expect(self.match(.post, "/_groupcache/g/_remove-keys/", .groupcacheGo) == "peerRemoveMany peer keys [g] [_remove-keys/]")
        for path in ["/v1/groups/g/keys/k", "/v1/groups", "/v1/ring", "/api"] {
            #expect(self.match(.get, path, publicRoutes: false) == "unknown")
        }
        #expect(self.match(.get, "/livez", publicRoutes: false) == "live open none [] []")
        #expect(self.match(.get, "/_groupcache/g/k", publicRoutes: false) == "peerKey peer none [g] [k]")
    }

    /// A row without a right to prove would be a hole.
    @Test("whatever is not read only is kept from strangers")
    func access() {
        for dialect in Dialect.all {
            for route in RouteTable(dialect: dialect, publicRoutes: true).routes where !route.methods.isSubset(of: .read) {
                #expect(route.access == .change || route.access == .peer || route.handler == .keys, "\(route)")
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import GroupCacheHTTP
import Logging
import ServiceLifecycle
import UnixSignals

/// A Swift node in a ring of Go's groupcache. Its own URL comes first, and then those of the others, written just as they are written there:
///
///     swift run JoinGoRing http://127.0.0.1:9090 http://127.0.0.1:9080 http://127.0.0.1:9081
///     curl http://127.0.0.1:9090/v1/groups/scores/keys/Tom
///
/// All of them have to agree on three things: the list of URLs, the name of the group, and what a key's value is, byte for byte.
@main
struct JoinGoRing {
    static func main() async throws {
        let urls = Array(CommandLine.arguments.dropFirst())
        guard let own = urls.first, let address = URL(string: own), let host = address.host(), let port = address.port else {
            return print("usage: JoinGoRing OWN_URL [OTHER_URL]…")
        }
        let logger = Logger(label: "JoinGoRing")
        let pool = try HTTPPool(
            configuration: .init(
                listen: .init(host: host, port: port),
                peers: urls.map { HTTPPool.Peer($0) },
                // groupcache's ring and messages. Go's nodes have no word for a change: a value lives until it makes room.
                dialect: .groupcache,
                publicRoutes: true
            ),
            logger: logger
        )
        // Bytes, as Go's sinks have them. The nodes ask each other by key alone, so each loads whatever the ring gives it.
        let scores = try Group<String>("scores", capacity: .mebibytes(64), peers: pool) { key, _ in
            try await loadScore(of: key.string)
        }
        print("\(scores.name) is served at \(own)")
        try await ServiceGroup(services: [pool], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger).run()
    }
}

/// Stands for a database.
func loadScore(of name: String) async throws -> String? {
    ["Tom": "630", "Jack": "589", "Sam": "567"][name]
}

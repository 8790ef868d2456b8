// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import GroupCacheNode

extension ProcessTests {
    @Suite(.enabled(if: Neighbour.nginx.isWanted, Neighbour.nginx.comment)) struct NginxTests {
        private static let keys = (0..<10_000).map { "page \($0)+é.txt" }

        private static func check(_ node: String, _ keys: [String], _ value: @escaping @Sendable (String) -> String) async throws {
            try await forEachConcurrently(keys) { key in
                let answer = try await fetch(NodeProgram.keyURL(node, "pages", key))
                #expect(answer.status == 200 && answer.text == value(key), "\(key): \(answer.status) \(answer.text)")
            }
        }

        @Test func anOriginThatIsRevalidatedStopsAndComesBack() async throws {
            try await withTemporaryFolder { folder in
                let nginx = try await Nginx(folder: folder, port: FreePorts.any(1)[0])
                for key in Self.keys {
                    try "text of \(key)".write(to: nginx.root.appendingPathComponent(key), atomically: false, encoding: .utf8)
                }
                // nginx says no Cache-Control here, so each value is fresh for the group's millisecond only.
                let group = "pages=\(nginx.template),capacity=64MiB,ttl=1ms,stale-if-error=1h,negative-ttl=1ms"
                let ports = try await FreePorts.any(2)
                let urls = ports.map { "http://127.0.0.1:\($0)" }
                try await NodeProgram.serve(ports: ports, peers: urls, ["--group", group]) { nodes in
                    try await nginx.run {
                        for node in nodes { try await Self.check(node, Self.keys) { "text of \($0)" } }
                        let got1 = try await fetch(NodeProgram.keyURL(nodes[0], "pages", "missing")).status
                        #expect(got1 == 404)
                        // The first node loaded every page, so most of what the second asked for was a revalidation: same ETag, no body.
                        #expect(try nginx.count(status: 304) > 5000)
                        #expect(try nginx.count(status: 200) < 11_000)
                    }
                    // nginx is gone.
                    for node in nodes { try await Self.check(node, Array(Self.keys.prefix(500))) { "text of \($0)" } }

                    let changed = Array(Self.keys.prefix(100))
                    for key in changed {
                        try "new text of \(key), longer".write(
                            to: nginx.root.appendingPathComponent(key),
                            atomically: false,
                            encoding: .utf8
                        )
                    }
                    try await nginx.run {
                        try await forEachConcurrently(changed) { key in
                            for node in nodes {
                                _ = try await fetch(
                                    NodeProgram.keyURL(node, "pages", key),
                                    until: { $0.text == "new text of \(key), longer" }
                                )
                            }
                        }
                    }
                }
            }
        }
    }
}

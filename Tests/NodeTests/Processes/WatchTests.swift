// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import Testing

extension ProcessTests {
    /// `groupcache watch` over nodes that come, go and come back.
    @Suite struct WatchTests {
        private static func change(_ arguments: [String], _ node: String) async throws {
            let end = try await Child.run(try Programs.path("groupcache"), arguments + ["--node", node])
            #expect(end.status == .exited(0), "\(arguments) \(end.error)")
        }

        /// Runs the third of three nodes while `body` does, which begins when the others know it: a change whose owner they cannot tell is none that is told.
        private static func third(_ port: Int, _ peers: [String], _ body: @escaping @Sendable () async throws -> Void) async throws {
            try await NodeProgram.serve(ports: [port], peers: peers, ["--group", "scores=demo:"]) { _ in
                try await Acquaintance.wait(peers, peers: peers)
                try await body()
            }
        }

        private static func following(_ watch: Child, _ node: String, times: Int) async throws {
            try await watch.error.lines(times) { $0.hasPrefix("! \(node) is followed from now on") }
        }

        @Test func everyNodeIsFollowedThroughRestarts() async throws {
            let base = try await FreePorts.consecutive(3)
            let ports = [base, base + 1, base + 2]
            let peers = ports.map { "http://127.0.0.1:\($0)" }
            try await NodeProgram.serve(ports: Array(ports[..<2]), peers: peers, ["--group", "scores=demo:"]) { urls in
                _ = try await Child.run(try Programs.path("groupcache"), ["watch", "scores", "--node", urls[0]]) { watch in
                    for node in peers[..<2] { try await Self.following(watch, node, times: 1) }
                    try await watch.error.lines(1) { $0.hasPrefix("! \(peers[2]) cannot be followed at present") }
                    // Whoever of the three owns a key tells of it, and nobody else.
                    try await Self.third(ports[2], peers) {
                        try await Self.following(watch, peers[2], times: 1)
                        for number in 0..<12 { try await Self.change(["set", "key \(number)", "v"], peers[number % 3]) }
                        for number in 0..<12 { try await watch.output.lines(1) { $0 == "set key \(number)" } }
                    }
                    try await watch.error.lines(2) { $0.hasPrefix("! \(peers[2]) cannot be followed at present") }
                    // The one by which it has begun, and knows the others, is not needed for what these tell; here it is the third that is back.
                    try await Self.third(ports[2], peers) {
                        try await Self.following(watch, peers[2], times: 2)
                        for number in 0..<12 { try await Self.change(["remove", "key \(number)"], peers[(number + 1) % 3]) }
                        for number in 0..<12 { try await watch.output.lines(1) { $0 == "remove key \(number)" } }
                    }
                    let sets = watch.output.lines.filter { $0.hasPrefix("set ") }
                    #expect(Set(sets).count == sets.count && sets.count == 12, "each is told once: \(watch.output.lines)")
                }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import Testing

@testable import GroupCacheNode

extension ProcessTests {
    @Suite struct KillTests {
        private struct Numbers: Decodable {
            var gets: Int
            var errors: Int
            var notFound: Int
            enum CodingKeys: String, CodingKey {
                case gets, errors
                case notFound = "not_found"
            }
        }

        /// Waits until a node has had more requests than the warm-up sends it, so that the measurement is on.
        private static func waitForLoad(on node: String, of bench: Child) async throws {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                defer { tasks.cancelAll() }
                tasks.addTask {
                    _ = try await fetch("\(node)/v1/groups/bench/stats", until: { try $0.json(GroupCounters.self).serverRequests > 1500 })
                }
                // The benchmark must not end first.
                tasks.addTask { try await bench.failAtEnd() }
                try await tasks.next()
            }
        }

        @Test(arguments: [0, 1, 2])
        func noGetFailsWhenANodeIsKilled(_ victim: Int) async throws {
            try await withTemporaryFolder { folder in
                let file = folder.appendingPathComponent("bench.csv").path
                let lines = (0..<2000).map { "\(BenchKeys.key($0)),value of \($0)\n" }
                try lines.joined().write(toFile: file, atomically: true, encoding: .utf8)
                _ = try await ClusterTests.run(["--group", "bench=csv:\(file)"]) { cluster, urls in
                    let processes = try ClusterTests.processes(cluster)
                    let arguments = [
                        "bench", "peer", "--node", urls.joined(separator: ","), "--group", "bench", "--keys", "2000",
                        "--concurrency", "32", "--seconds", "4", "--json",
                    ]
                    let bench = try await Child.run(try Programs.path("groupcache"), arguments) { child in
                        try await Self.waitForLoad(on: urls[victim], of: child)
                        #expect(kill(processes[victim], SIGKILL) == 0)
                        _ = try await cluster.error.line { $0.contains("died") }
                        await child.wait()
                    }
                    #expect(bench.status == .exited(0), "\(bench.error)")
                    let numbers = try JSONDecoder().decode(Numbers.self, from: Data(bench.output.utf8))
                    // How many there are in its seconds is this machine's business.
                    #expect(numbers.errors == 0 && numbers.notFound == 0 && numbers.gets > 0, "\(bench.output)")
                }
            }
        }
    }
}

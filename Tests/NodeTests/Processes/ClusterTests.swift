// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import NIOCore
import Subprocess
import Testing

@testable import GroupCacheNode

extension ProcessTests {
    @Suite struct ClusterTests {
        /// Starts a cluster on free ports and calls `body` when it is ready, and its nodes know each other.
        static func run<Result: Sendable>(
            _ arguments: [String] = [],
            nodes: Int = 3,
            _ body: @escaping @Sendable (Child, [String]) async throws -> Result
        ) async throws -> Child.End<Result> {
            let base = try await FreePorts.consecutive(nodes)
            let urls = (base..<base + nodes).map { "http://127.0.0.1:\($0)" }
            let all = ["cluster", "--nodes", "\(nodes)", "--base-port", "\(base)"] + arguments
            return try await Child.run(try Programs.path("groupcache"), all, folder: URL(fileURLWithPath: "/")) { child in
                _ = try await child.output.line { $0 == "ready" }
                // A node may answer before its process is spoken of.
                try await child.output.lines(nodes) { $0.hasPrefix("node ") }
                for admin in try Self.admins(child, nodes) { try await PeersPage.acquainted(admin, others: nodes - 1) }
                return try await body(child, urls)
            }
        }

        /// The admin ports, which follow one another from the one that the cluster prints.
        private static func admins(_ child: Child, _ nodes: Int) throws -> [String] {
            let line = child.output.lines.first { $0.hasPrefix("dashboard ") } ?? ""
            guard let url = line.split(separator: " ").dropFirst().first, let first = URL(string: String(url))?.port else {
                throw TestFailure("the cluster has no admin ports: \(child.error.text)")
            }
            return (first..<first + nodes).map { "http://127.0.0.1:\($0)" }
        }

        /// The process of each node, as the cluster prints it.
        static func processes(_ child: Child) throws -> [Int32] {
            try child.output.lines.filter { $0.hasPrefix("node ") }.sorted().map { line in
                guard let number = line.split(separator: "process ").last?.dropLast(), let process = Int32(number) else {
                    throw TestFailure("no process in \"\(line)\"")
                }
                return process
            }
        }

        /// How often a key may have been loaded by another node than its owner, or by that one, too: an owner that stands still for a tenth of a second is not
        /// waited for, and one that has been found down is passed over for any key until it is back.
        private static func standIns(_ admins: [String], keys: Int) async throws -> Int {
            var count = 0
            for admin in admins {
                for name in ["hedges", "retries"] { count += try await PeersPage.count(name, of: admin) }
                count += try await PeersPage.count("opened", of: admin) * keys
            }
            return count
        }

        private struct Status: Decodable {
            struct Details: Decodable { var kind: String }
            var kind: String
            var status: String
            var code: Int
            var reason: String
            var details: Details
        }

        @Test func everyNodeAnswersAndEachKeyIsLoadedOnce() async throws {
            let end = try await Self.run { child, urls in
                let admins = try Self.admins(child, urls.count)
                let keys = try DemoScores.table().count
                let before = try await Self.standIns(admins, keys: keys)
                for url in urls {
                    let tom = try await fetch("\(url)/v1/groups/scores/keys/Tom")
                    #expect(tom.status == 200 && tom.text == "630")
                    let nobody = try await fetch("\(url)/v1/groups/scores/keys/nobody")
                    let status: Status = try nobody.json()
                    #expect(nobody.status == 404 && status.code == 404 && status.kind == "Status" && status.reason == "NotFound")
                    #expect(status.details.kind == "key")
                    let group = try await fetch("\(url)/v1/groups/nothing/keys/Tom")
                    #expect(try group.json(Status.self).details.kind == "group")
                    let got1 = try await fetch("\(url)/api?key=Jack").text
                    #expect(got1 == "589")
                }
                for url in urls {
                    for (key, value) in try DemoScores.table() {
                        let answer = try await fetch(NodeProgram.keyURL(url, "scores", key.string))
                        #expect(answer.status == 200 && answer.body == value.bytes)
                    }
                }
                var loads: [String: Int] = [:]
                for url in urls { loads[url] = try await GroupCounters.fetch(node: url, group: "scores").localLoads }
                // Each score once in the whole cluster; "nobody" as often as its owner was asked, since nothing is remembered of it.
                let sum = loads.values.reduce(0, +)
                let standIns = try await Self.standIns(admins, keys: keys) - before
                #expect(sum >= keys + 1 && sum <= keys + 3 + standIns, "\(loads), \(standIns)")
                #expect(loads.values.allSatisfy { $0 < keys }, "one node owns everything: \(loads)")
                child.signal(.interrupt)
                await child.wait()
            }
            #expect(end.status == .exited(0), "\(end.error)")
            #expect(end.output.contains("curl http://127.0.0.1:"))
        }

        @Test func aDeadNodeIsReportedAndTheOthersGoOn() async throws {
            let end = try await Self.run { child, urls in
                let victim = try Self.processes(child)[1]
                #expect(kill(victim, SIGKILL) == 0)
                _ = try await child.error.line { $0.contains("died") && $0.contains(urls[1]) }
                for url in [urls[0], urls[2]] {
                    for key in try DemoScores.table().keys {
                        let got2 = try await fetch(NodeProgram.keyURL(url, "scores", key.string)).status
                        #expect(got2 == 200)
                    }
                }
                child.signal(.terminate)
                await child.wait()
            }
            #expect(end.status == .exited(0), "\(end.error)")
        }

        @Test func nodesDieWithTheCluster() async throws {
            _ = try await Self.run(nodes: 2) { child, urls in
                child.signal(.kill)
                await child.wait()
                // The nodes see the end of their standard input, and end, a moment after their parent has ended. They are not our children, so
                // nobody tells us: we ask for their ports, with a pause that leaves them the processor. The suite's time limit bounds it.
                for url in urls {
                    while (try? await FreePorts.bind(port: Int(url.split(separator: ":")[2])!).close()) == nil {
                        try await Task.sleep(for: .milliseconds(5))
                    }
                }
            }
        }

        @Test func aPortInUseIsNamedAndNothingIsLeft() async throws {
            let base = try await FreePorts.consecutive(3)
            let taken = try await FreePorts.bind(port: base + 1)
            let end = try await Child.run(try Programs.path("groupcache"), ["cluster", "--base-port", "\(base)"])
            #expect(end.status == .exited(1))
            #expect(end.error.contains("port \(base + 1)") && !end.error.contains("\n"), "\(end.error)")
            try await taken.close()
            for port in base..<base + 3 { try await FreePorts.bind(port: port).close() }
        }

        @Test func otherDataIsServed() async throws {
            try await withTemporaryFolder { folder in
                let file = folder.appendingPathComponent("my, data.csv").path
                try "k,\"a,b\"\n".write(toFile: file, atomically: true, encoding: .utf8)
                let end = try await Self.run(["--data", file], nodes: 1) { child, urls in
                    let got3 = try await fetch("\(urls[0])/v1/groups/scores/keys/k").text
                    #expect(got3 == "a,b")
                    child.signal(.terminate)
                    await child.wait()
                }
                #expect(end.status == .exited(0))
            }
        }
    }
}

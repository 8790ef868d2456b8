// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation

/// `groupcache bench peer`.
struct BenchPeerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peer",
        abstract: "Measure gets of values that other nodes hold.",
        discussion: """
            This process joins as a node that owns nothing and keeps nothing: a group and a pool as any embedding server has them. With \
            one --node every get goes there; with several (repeated, or with commas) each key goes to its owner, and to the next one when \
            the owner does not answer, so a node may die meanwhile. Keys are key-000000000 and so on; a key that does not exist is an \
            answer (not_found). Exit code 1 when any get failed.
            """
    )

    @Option(name: .customLong("node"), help: "A node to ask; may be repeated.")
    var nodes: [String] = []
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @Option(help: "How many different keys.")
    var keys = 10_000
    @Option(name: .customLong("key"), help: "A key to ask instead; may be repeated.")
    var names: [String] = []
    @Option(help: "How many gets run at once.")
    var concurrency = 64
    @Option(help: "How long to measure.")
    var seconds = 5.0
    @Option(help: "How many keys each caller asks for at once, with get(keys:). Gets are then keys, and times are of batches.")
    var batch = 1
    @Option(help: "How to ask: link, or http for a GET each.")
    var transport = Transport.link
    @Flag(help: "Print JSON.")
    var json = false
    @OptionGroup(title: "Security") var security: SecurityOptions

    enum Transport: String, ExpressibleByArgument, CaseIterable, Sendable {
        case link, http
    }

    func run() async throws {
        let nodes = self.nodes.flatMap { $0.split(separator: ",").map(String.init) }
        guard (1...10_000_000).contains(self.keys) else { throw CommandError.usage("--keys is 1 to 10000000") }
        guard (1...65_536).contains(self.concurrency) else { throw CommandError.usage("--concurrency is 1 to 65536") }
        guard (1...10_000).contains(self.batch) else { throw CommandError.usage("--batch is 1 to 10000") }
        guard self.seconds > 0, self.seconds <= 86_400 else { throw CommandError.usage("--seconds is more than 0, at most 86400") }
        let benchmark = PeerBenchmark(
            nodes: nodes.isEmpty ? ["http://127.0.0.1:8001"] : nodes,
            group: self.group,
            keys: self.names.isEmpty ? (0..<self.keys).map(BenchKeys.key) : self.names,
            concurrency: self.concurrency,
            batch: self.batch,
            transport: self.transport,
            duration: .milliseconds(Int64(self.seconds * 1000)),
            tls: try self.security.tls(),
            tokenFile: self.security.tokenFile
        )
        let result = try await benchmark.run()
        Console.print(self.json ? try JSONText.encode(result) : result.text)
        if result.errors > 0 {
            throw CommandError("\(result.errors) of \(result.gets) gets failed, first with: \(result.firstError ?? "unknown")")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `groupcache bench changes`
struct BenchChangesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "changes",
        abstract: "Measure in this process what it costs that others hear of changes.",
        discussion: """
            hit_ns and copy_hit_ns: a hit of what this node owns, and of what it has copied from another one and hears the changes of; copy_hit_ratio: the \
            median of their ratios, round by round. set_ns and set_followed_ns: a set where there is no other node, and where one follows; set_price_ns: the \
            median of their differences. Build with -c release.

            With --nodes it measures nothing: so many nodes of a group g make --rate changes a second each, until it is interrupted, for the node --follower to \
            follow. It prints their URLs in one line: see Tests/Benchmarks/following.
            """
    )

    @Option(help: "Rounds to take the median of, 1 to 999.")
    var rounds = 15
    @Option(help: "Operations in a round, 1000 to 100000000.")
    var operations = 1 << 17
    @Option(help: "Nodes that change something, 1 to 200.")
    var nodes: Int?
    @Option(help: "Changes a second of each, 1 to 100000.")
    var rate = 1_000
    @Option(help: "The URL of the node that follows them.")
    var follower: String?
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        guard (1...999).contains(self.rounds) else { throw CommandError.usage("--rounds is 1 to 999") }
        guard (1_000...100_000_000).contains(self.operations) else { throw CommandError.usage("--operations is 1000 to 100000000") }
        guard (1...100_000).contains(self.rate) else { throw CommandError.usage("--rate is 1 to 100000") }
        guard (self.nodes == nil) == (self.follower == nil) else { throw CommandError.usage("--nodes and --follower belong together") }
        if let nodes, let follower {
            guard (1...200).contains(nodes) else { throw CommandError.usage("--nodes is 1 to 200") }
            return try await ChangesBenchmark.change(nodes: nodes, rate: self.rate, follower: follower) {
                Console.print($0.joined(separator: ","))
            }
        }
        let results = try await ChangesBenchmark(rounds: self.rounds, operations: self.operations).run()
        if self.json {
            return Console.print(
                try JSONText.encode(Dictionary(uniqueKeysWithValues: results.map { ($0.0, ($0.1 * 1_000).rounded() / 1_000) }))
            )
        }
        for (name, value) in results { Console.print(Table.row(name, value)) }
    }
}

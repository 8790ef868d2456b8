// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `groupcache bench metrics`.
struct BenchMetricsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "Measure in this process what it costs to be counted and scraped.",
        discussion: """
            get_ns and get_counted_ns: a hit of 65,536 keys in random order where nothing collects metrics, and where /metrics does; get_counted_ratio: the \
            median of their ratios, round by round. exposition_ms: all that /metrics answers, of --groups groups, put into exposition_bytes. get_p99_us and \
            scraped_get_p99_us: gets of cached values by another thread while nobody scrapes, and ten times a second. Build with -c release.
            """
    )

    @Option(help: "Rounds to take the median of, 1 to 999.")
    var rounds = 15
    @Option(help: "Gets in a round, 1000 to 100000000.")
    var operations = 1 << 20
    @Option(help: "Groups, 1 to 10000.")
    var groups = 1_000
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        guard (1...999).contains(self.rounds) else { throw CommandError.usage("--rounds is 1 to 999") }
        guard (1_000...100_000_000).contains(self.operations) else { throw CommandError.usage("--operations is 1000 to 100000000") }
        guard (1...10_000).contains(self.groups) else { throw CommandError.usage("--groups is 1 to 10000") }
        let results = try await MetricsBenchmark(rounds: self.rounds, operations: self.operations, groups: self.groups).run()
        if self.json {
            return Console.print(
                try JSONText.encode(Dictionary(uniqueKeysWithValues: results.map { ($0.0, ($0.1 * 1_000).rounded() / 1_000) }))
            )
        }
        for (name, value) in results { Console.print(Table.row(name, value)) }
    }
}

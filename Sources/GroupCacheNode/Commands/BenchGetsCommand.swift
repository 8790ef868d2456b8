// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `groupcache bench gets`.
struct BenchGetsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gets",
        abstract: "Make an exact number of gets, for tools that count what they cost.",
        discussion: """
            hit: of cached values, by get; cached: by cached(), which does not wait; miss: nothing is kept and the getter answers at once; peer: from another \
            node in the same process, which holds them. It prints nothing: see Tests/Benchmarks/allocations.
            """
    )

    enum Kind: String, ExpressibleByArgument, CaseIterable, Sendable {
        case hit, cached, miss, peer
    }

    @Argument(help: "Which gets: hit, cached, miss or peer.")
    var kind: Kind
    @Option(help: "How many, 1 to 1000000000.")
    var count = 100_000
    @Option(help: "How many run at once; for peer.")
    var concurrency = 1

    func run() async throws {
        guard (1...1_000_000_000).contains(self.count) else { throw CommandError.usage("--count is 1 to 1000000000") }
        guard (1...65_536).contains(self.concurrency) else { throw CommandError.usage("--concurrency is 1 to 65536") }
        try await GetsBenchmark(kind: self.kind, count: self.count, callers: self.concurrency).run()
    }
}

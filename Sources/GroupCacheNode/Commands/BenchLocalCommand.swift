// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `groupcache bench local`.
struct BenchLocalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "local",
        abstract: "Measure gets of cached values, the eviction policies and the ring in this process.",
        discussion: """
            Times are nanoseconds for one operation, the median of the rounds: 65,536 keys of 13 bytes in random order, values of 64 \
            bytes. get_2threads_ns is the time of the whole by all gets when two threads do half of them each. overhead_bytes_per_entry is what \
            a million entries take of resident memory beyond their keys and values. get_64byte_keys_ratio is the time of a get with keys of 64 bytes by that with 13. \
            growth_longest_us is the processor time of the longest insert of four times as many entries, growth_hit_max_us and \
            replace_hit_max_us the longest hit while they arrive and while as many entries are replaced. negative_ns and stale_ns are hits of keys \
            that do not exist and of values past their time, miss_us and miss_codable_us gets whose getter answers at once, of bytes and of a \
            Codable value, kept. ring512_new_ms and \
            ring512_change_ms are processor time of a ring of 512 members from nothing and with one member less or more, pool512_change_ms of all \
            that a pool does then; ring1000 and pool1000 of 1,000. served_codable_ratio is the time of a hit for a peer of a Codable value, as bytes, by that of raw bytes. \
            Build with -c release.
            """
    )

    @Option(help: "Rounds to take the median of, 1 to 99.")
    var rounds = 5
    @Option(help: "Operations in a round.")
    var operations = 1 << 20
    @Option(help: "Entries for the measurement of memory.")
    var entries = 1_000_000
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        guard (1...99).contains(self.rounds) else { throw CommandError.usage("--rounds is 1 to 99, not \(self.rounds)") }
        guard (1000...100_000_000).contains(self.entries) else { throw CommandError.usage("--entries is 1000 to 100000000") }
        guard (1000...100_000_000).contains(self.operations) else { throw CommandError.usage("--operations is 1000 to 100000000") }
        // Memory first, while nothing else has been allocated and freed.
        let overhead = try await MemoryBenchmark(entries: self.entries).run()
        var results = try await LocalBenchmark(rounds: self.rounds, operations: self.operations).run()
        results += try RingBenchmark(rounds: self.rounds).run()
        results += try await WaysBenchmark(rounds: self.rounds, operations: self.operations).run()
        if let overhead { results.append(("overhead_bytes_per_entry", overhead)) }
        results += try await GrowthBenchmark(entries: 4 * self.entries).run()
        if self.json {
            let rounded = results.map { ($0.0, ($0.1 * 100).rounded() / 100) }
            return Console.print(try JSONText.encode(Dictionary(uniqueKeysWithValues: rounded)))
        }
        for (name, value) in results {
            Console.print(Table.row(name, value))
        }
    }
}

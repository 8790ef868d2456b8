// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `groupcache bench snapshot`.
struct BenchSnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Measure snapshots of a group in this process, and how soon a node is warm again.",
        discussion: """
            snapshot_s and restore_s: a snapshot with values of 64 bytes of all entries is written, and put back into an empty group (suspect, none confirmed). \
            keys_snapshot_s: the same without values. get_p99_us: gets of cached values by one thread while nothing else is done; paired_get_p99_us: beside \
            another thread that gets; snapshot_get_p99_us, keys_snapshot_get_p99_us, restore_get_p99_us: beside the thread that writes, or reads, a snapshot. \
            Of what is done more than once the median of five is told. warm_before and warm_after: the hit ratio of 2,000 gets a second by Zipf's law (0.99) over 100,000 keys before a restart, and in the \
            tenth second after it, while 5,000 keys a second are loaded hottest first; cold_after: the same where nothing is given back. Build with -c release.
            """
    )

    @Option(help: "Entries of the group, 1000 to 10000000.")
    var entries = 1_000_000
    @Option(help: "Keys of the restart, 1000 to 1000000.")
    var keys = 100_000
    @Option(help: "In which folder the files are written for the time of the measurement.")
    var folder = "/tmp"
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        guard (1_000...10_000_000).contains(self.entries) else { throw CommandError.usage("--entries is 1000 to 10000000") }
        guard (1_000...1_000_000).contains(self.keys) else { throw CommandError.usage("--keys is 1000 to 1000000") }
        let results = try await SnapshotBenchmark(folder: self.folder, entries: self.entries, keys: self.keys).run()
        if self.json {
            return Console.print(
                try JSONText.encode(Dictionary(uniqueKeysWithValues: results.map { ($0.0, ($0.1 * 1000).rounded() / 1000) }))
            )
        }
        for (name, value) in results { Console.print(Table.row(name, value)) }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `groupcache bench`.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure the cache in this process, or gets from other nodes.",
        subcommands: [
            BenchLocalCommand.self, BenchPeerCommand.self, BenchGetsCommand.self, BenchSnapshotCommand.self, BenchMetricsCommand.self,
            BenchChangesCommand.self,
        ]
    )
}

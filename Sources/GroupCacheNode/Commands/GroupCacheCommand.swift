// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `groupcache`.
struct GroupCacheCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "groupcache",
        abstract: "A distributed group cache: nodes that load every value once and share it.",
        discussion: """
            Start with `groupcache cluster`: three nodes on this machine and the URLs to try.

            Shells complete commands and flags after `groupcache --generate-completion-script bash` (or zsh, or fish) > FILE, and reading that.

            Exit codes: 0 success, 1 failure, 3 the node cannot be reached, 4 no such key or group, 64 wrong flags.
            """,
        subcommands: [
            ServeCommand.self, ClusterCommand.self, GetCommand.self, SetCommand.self, RemoveCommand.self, ClearCommand.self,
            ListCommand.self, WatchCommand.self, StatsCommand.self, TopCommand.self, ExplainCommand.self, LogLevelCommand.self,
            RingCommand.self, HealthCommand.self, BenchCommand.self,
            OperationsCommand.self, WarmCommand.self, SnapshotCommand.self,
        ]
    )
}

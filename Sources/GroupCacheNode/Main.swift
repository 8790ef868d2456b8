// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import GroupCacheHTTP
internal import NIOCore
internal import NIOPosix

/// The entry point: parses, runs, and turns every error into one line on standard error and an exit code.
@main
struct Main {
    static func main() async {
        if ProcessInfo.processInfo.environment["GROUPCACHE_TAKEOVER"] != "0" {
            // Runs Swift tasks on the event loops, which saves a peer get two changes of thread: 64 callers get a fifth to a half more, and one a
            // tenth. It must come before the first task. Nothing here blocks: files are read on a pool of threads.
            NIOSingletons.unsafeTryInstallSingletonPosixEventLoopGroupAsConcurrencyGlobalExecutor()
        }
        // Nodes and benchmarks hold a connection for each client.
        FileLimit.raise()
        do {
            var command = try GroupCacheCommand.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            self.end(with: error)
        }
    }

    private static func end(with error: any Error) -> Never {
        let failure = CommandError(of: error)
        if let failure {
            Console.error("groupcache: \(failure.description)")
            exit(failure.code.rawValue)
        }
        // What ArgumentParser has to say: help and the version, which are no errors, or what is wrong with the flags.
        let code = GroupCacheCommand.exitCode(for: error)
        if code.isSuccess {
            Console.print(GroupCacheCommand.fullMessage(for: error))
        } else {
            Console.error("groupcache: \(GroupCacheCommand.message(for: error).split(separator: "\n").joined(separator: " "))")
        }
        exit(code.rawValue)
    }
}

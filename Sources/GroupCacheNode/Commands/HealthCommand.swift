// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import NIOHTTP1

/// `groupcache health`.
struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Exit 0 when the node is ready, 1 when it is draining, 3 when it cannot be reached. For container health checks."
    )

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let client = try self.options.client()
        do {
            _ = try await client.ask(.GET, "/readyz")
        } catch {
            if error.code == .unreachable { throw error }
            throw CommandError("\(client.node) is not ready")
        }
        Console.print(self.options.json ? try JSONText.encode(["ready": true]) : "ready")
    }
}

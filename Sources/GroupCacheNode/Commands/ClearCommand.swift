// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import NIOHTTP1

/// `groupcache clear`.
struct ClearCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear",
        abstract: "Remove every key of a group from the caches of all nodes."
    )

    @OptionGroup var options: ClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @OptionGroup var waiting: WaitOptions

    func run() async throws {
        let path = "/v1/groups/\(PercentEncoding.encode(self.group))/keys" + self.waiting.query()
        try Done.report(try await self.options.client().ask(.DELETE, path), json: self.options.json)
    }
}

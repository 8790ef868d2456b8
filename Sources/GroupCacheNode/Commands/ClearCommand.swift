internal import ArgumentParser
internal import NIOHTTP1

/// `groupcache clear`.
struct ClearCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "clear", abstract: "Remove every key of a group from the node's cache.")

    @OptionGroup var options: ClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"

    func run() async throws {
        _ = try await self.options.client().ask(.DELETE, "/v1/groups/\(PercentEncoding.encode(self.group))/keys")
        try Done.report(json: self.options.json)
    }
}

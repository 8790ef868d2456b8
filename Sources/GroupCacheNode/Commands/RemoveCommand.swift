internal import ArgumentParser
internal import NIOHTTP1

/// `groupcache remove`.
struct RemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove a key from the cache; the next get asks the origin again."
    )

    @OptionGroup var options: ClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @Argument(help: "The key.")
    var key: String

    func run() async throws {
        _ = try await self.options.client().ask(.DELETE, NodeClient.path(group: self.group, key: self.key))
        try Done.report(json: self.options.json)
    }
}

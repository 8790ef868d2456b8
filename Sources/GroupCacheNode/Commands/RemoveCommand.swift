// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import NIOHTTP1

/// `groupcache remove`.
struct RemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove a key, or every key with a tag, from the caches of all nodes; the next get asks the origin again."
    )

    @OptionGroup var options: ClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @Argument(help: "The key.")
    var key: String?
    @Option(help: "A tag: what has it is removed, whatever its key.")
    var tag: String?
    @Flag(help: "With --tag: what has the tag is past its time, and may be served while it is loaded anew.")
    var soft = false
    @OptionGroup var waiting: WaitOptions

    func validate() throws {
        guard (self.key == nil) != (self.tag == nil) else { throw ValidationError("say a key, or --tag TAG") }
        guard self.tag != nil || !self.soft && !self.waiting.applied else { throw ValidationError("--soft and --applied go with --tag") }
    }

    func run() async throws {
        let path: String
        if let tag {
            let query = self.soft ? self.waiting.query("soft=true") : self.waiting.query()
            path = "/v1/groups/\(PercentEncoding.encode(self.group))/tags/\(PercentEncoding.encode(tag))" + query
        } else {
            path = NodeClient.path(group: self.group, key: self.key ?? "")
        }
        try Done.report(try await self.options.client().ask(.DELETE, path), json: self.options.json)
    }
}

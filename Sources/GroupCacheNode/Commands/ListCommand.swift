// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation

/// `groupcache list`.
struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the keys of a group that a node holds.",
        discussion: """
            What it holds just now: its own keys, and copies of other nodes' hot ones. With --json an object a line, with tag, size and end of the value. \
            Keys that come or go meanwhile may be printed or not.
            """
    )

    @OptionGroup var options: ClientOptions
    @Argument(help: "The group.")
    var group: String
    @Option(help: "Only keys that begin so.")
    var prefix: String?
    @Option(help: "How many at most (default: all).")
    var limit: Int?

    private struct Page: Decodable {
        struct Metadata: Decodable {
            var `continue`: String?
        }
        var metadata: Metadata
    }

    func run() async throws {
        if let limit, limit < 1 { throw CommandError.usage("--limit wants a number, 1 or more") }
        let client = try self.options.client()
        var left = self.limit ?? .max
        var token: String?
        repeat {
            var path = "/v1/groups/\(PercentEncoding.encode(self.group))/keys?limit=\(min(left, 1_000))"
            if let prefix { path += "&prefix=\(PercentEncoding.encode(prefix))" }
            if let token { path += "&continue=\(PercentEncoding.encode(token))" }
            let (page, body) = try await client.json(Page.self, path)
            guard let list = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any],
                let items = list["items"] as? [[String: Any]]
            else {
                throw CommandError("\(client.node) answered something that is no list")
            }
            for item in items {
                if self.options.json {
                    let line = try JSONSerialization.data(withJSONObject: item, options: [.sortedKeys, .withoutEscapingSlashes])
                    Console.print(String(decoding: line, as: UTF8.self))
                } else {
                    Console.print(WatchCommand.line((item["metadata"] as? [String: Any])?["name"] as? String ?? ""))
                }
            }
            left -= items.count
            token = page.metadata.continue
        } while token != nil && left > 0
    }
}

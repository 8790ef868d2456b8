// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import GroupCacheHTTP
internal import NIOHTTP1

/// `groupcache set`.
struct SetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Store a value at the node that owns the key.",
        discussion: "The origin is not changed: the value lives until its time is over or it is evicted, then the origin is asked again."
    )

    @OptionGroup var options: ClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @Option(help: "How long the value is fresh, as in 30s, 5m; whole seconds.")
    var ttl: String?
    @Option(name: .customLong("tag"), help: "A tag by which the value can be removed together with others; up to 8 times.")
    var tags: [String] = []
    @Argument(help: "The key.")
    var key: String
    @Argument(help: "The value; - reads it from standard input.")
    var value: String

    func run() async throws {
        var headers = HTTPHeaders()
        if let ttl {
            guard let duration = DurationText.parse(ttl), duration >= .seconds(1) else {
                throw CommandError.usage("--ttl wants a time like 30s, not \"\(ttl)\"")
            }
            headers.add(name: "Cache-Control", value: "max-age=\(duration.components.seconds)")
        }
        guard !self.tags.contains(where: { $0.contains(",") }) else { throw CommandError.usage("a tag has no comma in it") }
        if !self.tags.isEmpty { headers.add(name: "Cache-Tag", value: self.tags.joined(separator: ",")) }
        let body = self.value == "-" ? Array(FileHandle.standardInput.readDataToEndOfFile()) : Array(self.value.utf8)
        _ = try await self.options.client().ask(.PUT, NodeClient.path(group: self.group, key: self.key), headers: headers, body: body)
        try Done.report(json: self.options.json)
    }
}

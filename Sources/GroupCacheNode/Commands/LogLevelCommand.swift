// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import GroupCacheAdmin
internal import NIOHTTP1

/// `groupcache loglevel`.
struct LogLevelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loglevel",
        abstract: "Show or change from which level on a node logs, while it runs.",
        discussion: """
            Without a level: the labels that log, and their levels. With one: that of all labels (debug), or of some (groupcache.http*=trace; \
            several with commas between). The last pattern that fits a label decides; --reset takes all patterns away. Changing needs a token of \
            the admin port: --token-file.
            """
    )

    @OptionGroup var options: AdminClientOptions
    @Flag(help: "Take all patterns away.")
    var reset = false
    @Argument(help: "A level, or PATTERN=LEVEL.")
    var level: String?

    func run() async throws {
        var wanted: [String: String] = [:]
        if self.reset { wanted["pattern"] = "" }
        if let level = self.level {
            guard !self.reset || !level.contains("=") else { throw CommandError.usage("--reset takes patterns away: give none with it") }
            wanted[level.contains("=") ? "pattern" : "level"] = level
        }
        let body = wanted.isEmpty ? nil : Array(try JSONText.encode(wanted).utf8)
        let answer = try await self.options.asking { try await $0.ask(body == nil ? .GET : .PUT, "/v1/loglevel", body: body) }
        if self.options.json {
            return Console.print(String(decoding: answer.body, as: UTF8.self).trimmingCharacters(in: .newlines))
        }
        guard let levels = try? JSONDecoder().decode(ShownLevels.self, from: Data(answer.body)) else {
            throw CommandError("the node answered something that is no log levels")
        }
        Console.print("all      \(levels.level)")
        for rule in levels.patterns { Console.print("pattern  \(rule.pattern) = \(rule.level)") }
        for label in levels.labels { Console.print("label    \(label.label)  \(label.level)") }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import NIOHTTP1

/// `groupcache get`.
struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Print the value of a key, byte for byte.",
        discussion: "Exit code 4: there is no such key, or no such group."
    )

    @OptionGroup var options: ClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @Argument(help: "The key.")
    var key: String

    private struct Output: Encodable {
        var group: String
        var key: String
        var value: String?
        var base64: String?
        var cacheStatus: String?
    }

    func run() async throws {
        let answer = try await self.options.client().ask(.GET, NodeClient.path(group: self.group, key: self.key))
        guard self.options.json else {
            Console.print(raw: answer.body)
            // A value is not a line: add the line end only where a person looks.
            if isatty(STDOUT_FILENO) == 1 { Console.print("") }
            return
        }
        let text = String(validating: answer.body, as: UTF8.self)
        let base64 = text == nil ? Data(answer.body).base64EncodedString() : nil
        let cacheStatus = answer.headers.first(name: "Cache-Status")
        Console.print(
            try JSONText.encode(Output(group: self.group, key: self.key, value: text, base64: base64, cacheStatus: cacheStatus))
        )
    }
}

internal import ArgumentParser
internal import Foundation
internal import NIOHTTP1

/// `groupcache stats`.
struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Print the counters of a group.",
        discussion: "The counters are golang/groupcache's: loads are the gets that the cache did not answer, localLoads the getter's."
    )

    @OptionGroup var options: ClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @Flag(help: "The sum over all nodes of the ring.")
    var cluster = false

    func run() async throws {
        let path = "/v1/groups/\(PercentEncoding.encode(self.group))/stats\(self.cluster ? "?scope=cluster" : "")"
        let answer = try await self.options.client().ask(.GET, path)
        if self.options.json {
            Console.print(String(decoding: answer.body, as: UTF8.self).trimmingCharacters(in: .newlines))
            return
        }
        guard let counters = try? JSONDecoder().decode(CounterTree.self, from: Data(answer.body)) else {
            throw CommandError("the node answered something that is no statistics")
        }
        for (name, count) in counters.rows {
            Console.print(name.padding(toLength: 24, withPad: " ", startingAt: 0) + String(count))
        }
    }
}

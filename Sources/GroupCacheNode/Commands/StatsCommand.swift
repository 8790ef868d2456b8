// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import GroupCacheHTTP
internal import NIOHTTP1

/// `groupcache stats`.
struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Print how a group does: hit ratio, loads, misses by reason, memory.",
        discussion: """
            With --watch a look each second, with rates instead of counters. --json has the counters as the node gives them, which are \
            golang/groupcache's: loads are the gets that the cache did not answer, localLoads the getter's; --all prints each of them.
            """
    )

    @OptionGroup var options: ClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @Flag(help: "The sum over all nodes of the ring.")
    var cluster = false
    @Flag(help: "Every counter, a line each.")
    var all = false
    @Flag(help: "Go on, and print rates.")
    var watch = false
    @Option(help: "With --watch: how often to ask (default: 1s).")
    var interval: String?

    func run() async throws {
        guard self.interval == nil || self.watch else { throw CommandError.usage("--interval is for --watch") }
        guard let interval = self.interval.map({ DurationText.parse($0) }) ?? .seconds(1), interval >= .milliseconds(10) else {
            throw CommandError.usage("--interval wants a time like 1s, at least 10ms, not \"\(self.interval ?? "")\"")
        }
        let client = try self.options.client()
        var last: (report: StatisticsReport, at: ContinuousClock.Instant)?
        repeat {
            let body = try await client.ask(.GET, self.path).body
            let now = ContinuousClock.now
            if self.options.json {
                Console.print(String(decoding: body, as: UTF8.self).trimmingCharacters(in: .newlines))
            } else if self.all {
                try self.printAll(body)
            } else {
                guard let report = try? JSONDecoder().decode(StatisticsReport.self, from: Data(body)) else { throw Self.noStatistics }
                let seconds = last.map { Double((now - $0.at).components.seconds) + Double((now - $0.at).components.attoseconds) / 1e18 }
                for line in report.lines(since: last?.report, seconds: seconds ?? 0) { Console.print(line) }
                if self.watch { Console.print("") }
                last = (report, now)
            }
            if self.watch { try await Task.sleep(for: interval) }
        } while self.watch
    }

    private var path: String { "/v1/groups/\(PercentEncoding.encode(self.group))/stats\(self.cluster ? "?scope=cluster" : "")" }

    private static var noStatistics: CommandError { CommandError("the node answered something that is no statistics") }

    private func printAll(_ body: [UInt8]) throws {
        guard let counters = try? JSONDecoder().decode(CounterTree.self, from: Data(body)) else { throw Self.noStatistics }
        for (name, count) in counters.rows {
            Console.print(name.padding(toLength: 24, withPad: " ", startingAt: 0) + String(count))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import GroupCacheAdmin
internal import GroupCacheHTTP
internal import NIOHTTP1

/// `groupcache top`.
struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch a node: its peers and its groups, the busiest first, until it is interrupted.",
        discussion: """
            Asks the admin port. On a terminal the screen is drawn anew; otherwise each look is printed below the last. With --keys it is the keys that are \
            hit most, of this node's hits, which are sampled for the length of --interval: that takes a token.
            """
    )

    @OptionGroup var options: AdminClientOptions
    @Option(help: "How often to ask.")
    var interval = "1s"
    @Option(help: "How many looks; 0: until it is interrupted.")
    var count = 0
    @Flag(help: "The keys that are hit most.")
    var keys = false
    @Option(name: .shortAndLong, help: "With --keys: of this group alone (default: of all).")
    var group: String?
    @Option(help: "With --keys: how many, 1 to 512 (default: 20).")
    var limit: Int?

    func run() async throws {
        guard let interval = DurationText.parse(self.interval), interval >= .milliseconds(100) else {
            throw CommandError.usage("--interval wants a time like 1s, at least 100ms, not \"\(self.interval)\"")
        }
        guard self.count >= 0 else { throw CommandError.usage("--count is 0 or more") }
        guard self.keys || (self.group == nil && self.limit == nil) else { throw CommandError.usage("--group and --limit are for --keys") }
        guard (1...512).contains(self.limit ?? 20) else { throw CommandError.usage("--limit is 1 to 512") }
        guard !self.keys || interval <= .seconds(30) else { throw CommandError.usage("with --keys --interval is at most 30s") }
        var last: (Overview, ContinuousClock.Instant)?
        var looks = 0
        while true {
            if self.keys {
                let (list, body) = try await self.options.asking { try await $0.json(HotKeyList.self, self.path(interval)) }
                self.show(Self.lines(list), body)
            } else {
                let (overview, body) = try await self.options.asking { try await $0.json(Overview.self, "/v1/overview") }
                let now = ContinuousClock.now
                let seconds = last.map { (now - $0.1) / .seconds(1) }
                self.show(Self.lines(overview, since: last?.0, seconds: seconds ?? 0), body)
                last = (overview, now)
            }
            looks += 1
            if self.count > 0, looks >= self.count { return }
            // To sample has taken the time already.
            if !self.keys { try await Task.sleep(for: interval) }
        }
    }

    private func path(_ interval: Duration) -> String {
        let group = self.group.map { "&group=\(PercentEncoding.encode($0))" } ?? ""
        return "/v1/hotkeys?for=\(Int(interval / .milliseconds(1)))ms&limit=\(self.limit ?? 20)\(group)"
    }

    private func show(_ lines: [String], _ body: [UInt8]) {
        if self.options.json { return Console.print(String(decoding: body, as: UTF8.self).trimmingCharacters(in: .newlines)) }
        // Home, and what is left of the last look away.
        let isTerminal = isatty(STDOUT_FILENO) == 1
        Console.print((isTerminal ? "\u{1B}[H\u{1B}[J" : "") + lines.joined(separator: "\n") + (isTerminal ? "" : "\n"))
    }

    static func lines(_ list: HotKeyList) -> [String] {
        let widths = [9, 10, 16, 40]
        var lines = ["\(list.hits) hits in \(String(format: "%.1f", list.seconds)) s, \(list.samples) of them seen", ""]
        lines.append(Self.row(["SHARE", "HITS", "GROUP", "KEY"], widths))
        for item in list.items {
            lines.append(
                Self.row(
                    [
                        String(format: "%.1f %%", item.share * 100), StatisticsReport.rate(item.hitsPerSecond), item.group,
                        WatchCommand.line(item.key),
                    ],
                    widths
                )
            )
        }
        return lines
    }

    static func lines(_ now: Overview, since before: Overview?, seconds: Double) -> [String] {
        var lines = ["\(now.id ?? "this node")  ring \(now.ring)  \(now.isDraining ? "draining" : "up")  \(now.changes) changes", ""]
        lines.append(Self.row(["NODE", "SHARE", "STATE", "CHANGES", "P95"], [40, 8, 9, 16, 10]))
        for node in now.nodes {
            let heard = node.stream.map { $0 == "fresh" ? "heard" : "not heard" } ?? "-"
            let waiting = node.undelivered.flatMap { $0 > 0 ? " (\($0) wait)" : nil } ?? ""
            lines.append(
                Self.row(
                    [
                        node.id + (node.isSelf ? " *" : ""), String(format: "%.1f %%", node.share * 100), node.state, heard + waiting,
                        node.p95Seconds.map { String(format: "%.1f ms", $0 * 1_000) } ?? "-",
                    ],
                    [40, 8, 9, 16, 10]
                )
            )
        }
        lines.append("")
        let widths = [20, 9, 10, 10, 10, 10, 22]
        lines.append(Self.row(["GROUP", "HITS", "GETS", "LOADS", "LOAD", "ENTRIES", "MEMORY"], widths))
        let old = Dictionary((before?.groups ?? []).map { ($0.name, $0) }) { $1 }
        func gets(_ group: Overview.Group) -> Int { group.gets - (old[group.name]?.gets ?? 0) }
        for group in now.groups.sorted(by: { (gets($0), $1.name) > (gets($1), $0.name) }).prefix(40) {
            let last = old[group.name].flatMap { seconds > 0 && $0.gets <= group.gets ? $0 : nil }
            func rate(_ path: KeyPath<Overview.Group, Int>) -> String {
                last.map { StatisticsReport.rate(Double(group[keyPath: path] - $0[keyPath: path]) / seconds) } ?? "\(group[keyPath: path])"
            }
            let ratio = StatisticsReport.percent(group.hits - (last?.hits ?? 0), of: group.gets - (last?.gets ?? 0))
            let time =
                group.loadCount.flatMap { $0 > 0 ? String(format: "%.1f ms", (group.loadSeconds ?? 0) / Double($0) * 1_000) : nil } ?? "-"
            lines.append(
                Self.row(
                    [
                        group.name, ratio, rate(\.gets), rate(\.loads), time, "\(group.entries + group.copies)",
                        "\(SizeText.text(group.used)) / \(SizeText.text(group.capacity))",
                    ],
                    widths
                )
            )
        }
        return lines
    }

    /// Text that a terminal would obey is not sent to one: names of nodes come from other machines.
    private static func row(_ cells: [String], _ widths: [Int]) -> String {
        zip(cells, widths).map { cell, width in
            let plain = String(cell.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : Character($0) })
            return plain.count >= width ? plain : plain.padding(toLength: width, withPad: " ", startingAt: 0)
        }.joined(separator: " ")
    }
}

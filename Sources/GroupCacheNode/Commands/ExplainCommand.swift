// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import GroupCacheAdmin
internal import GroupCacheHTTP
internal import NIOHTTP1

/// `groupcache explain`.
struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say why a get of a key would be a hit or a miss on a node.",
        discussion: """
            Who owns the key and who would be asked, what the node holds of it and for how long, what became of what it held before, and what the \
            other nodes hold: they are asked for at most half a second. Nothing is loaded for it, and nothing is counted.
            """
    )

    @OptionGroup var options: AdminClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @Argument(help: "The key.")
    var key: String

    func run() async throws {
        let path = NodeClient.path(group: self.group, key: self.key) + "/explain"
        let (it, body) = try await self.options.asking { try await $0.json(Explanation.self, path) }
        if self.options.json {
            return Console.print(String(decoding: body, as: UTF8.self).trimmingCharacters(in: .newlines))
        }
        Console.print("here    \(it.outcome)\(it.reason.map { ": \($0)" } ?? "")")
        Console.print("why     \(it.why)")
        Console.print("owner   \(it.owner ?? "this node")")
        for (place, node) in it.nodes.enumerated() {
            var line = "\(place == 0 ? "ring    " : "        ")\(node.id)\(node.isSelf ? "  (this node)" : "")  \(node.state)"
            if let stream = node.stream { line += stream == "fresh" ? ", its changes are heard" : ", its changes are not heard" }
            if let waiting = node.undelivered, waiting > 0 { line += ", \(waiting) changes wait for it" }
            if let time = node.p95Seconds { line += String(format: ", p95 %.1f ms", time * 1_000) }
            Console.print(line)
        }
        if let held = it.held {
            let what = held.isNegative ? "that there is no such key" : "\(SizeText.text(held.valueBytes))"
            let left =
                held.timeLeftSeconds.map { String(format: held.isFresh ? "fresh for %.1f s more" : "past its time", $0) } ?? "without end"
            Console.print(
                "holds   \(held.kind == "copy" ? "a copy: " : "")\(what), for \(String(format: "%.0f", held.ageSeconds)) s, \(left)"
            )
        }
        for (place, other) in it.elsewhere.enumerated() {
            Console.print("\(place == 0 ? "others  " : "        ")\(other.id)  \(Self.text(other))")
        }
        if let before = it.before { Console.print("before  \(before.reason), \(before.secondsAgo) s ago") }
    }

    private static func text(_ other: Explanation.Elsewhere) -> String {
        switch other.holds {
        case "value":
            let left = other.timeLeftSeconds.map { String(format: "fresh for %.1f s more", $0) } ?? "without end"
            return "\(SizeText.text(other.valueBytes ?? 0)), for \(String(format: "%.0f", other.ageSeconds ?? 0)) s, \(left)"
        case "absence": return "that there is no such key"
        case "nothing": return "nothing"
        default: return "not known: \(other.why ?? other.holds)"
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import GroupCacheHTTP

/// `groupcache ring`.
struct RingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring",
        abstract: "Show the members of the ring, or explain who owns a key.",
        discussion: """
            Without a key: every member and its share of all keys. With one: the key's hash, the point of the ring that it falls to, the \
            member that owns it, and the next one, which is asked when the owner does not answer.

            With --watch: the members as the node knows them, then a line for each change until it is interrupted: + has come, - has gone, \
            ~ has changed, ! what is wrong with the list, = the ring that holds now.
            """
    )

    @OptionGroup var options: ClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @Flag(help: "Go on, and print what changes.")
    var watch = false
    @Option(help: "With --watch: how often to ask (default: 1s).")
    var interval: String?
    @Argument(help: "The key to explain.")
    var key: String?

    private struct Ring: Decodable {
        struct Member: Decodable {
            var id: String
            var weight: Int
            var share: Double
        }
        var dialect: String
        var version: String
        var `self`: String?
        var members: [Member]
    }

    private struct RingKey: Decodable {
        var hash: String?
        var point: String?
        var owner: String?
        var next: String?
        var why: String?
    }

    func run() async throws {
        let client = try self.options.client()
        if self.watch { return try await self.follow(client) }
        guard self.interval == nil else { throw CommandError.usage("--interval is for --watch") }
        let ring = try await client.json(Ring.self, "/v1/ring")
        guard let key else {
            if self.options.json { return Console.print(Self.line(ring.body)) }
            return self.show(ring.value, node: client.node)
        }
        let path = "/v1/ring/\(PercentEncoding.encode(self.group))/\(PercentEncoding.encode(key))"
        let explained = try await client.json(RingKey.self, path)
        if self.options.json { return Console.print(Self.line(explained.body)) }
        if let hash = explained.value.hash { Console.print("hash   \(hash)") }
        if let point = explained.value.point { Console.print("point  \(point)") }
        Console.print("owner  \(explained.value.owner ?? client.node)")
        Console.print("next   \(explained.value.next ?? "none")")
        if let why = explained.value.why { Console.print("why    \(why)") }
        Console.print("")
        self.show(ring.value, node: client.node)
    }

    /// Until it is interrupted. A node that does not answer for a while is waited for.
    private func follow(_ client: NodeClient) async throws {
        guard self.key == nil else { throw CommandError.usage("--watch is for the members, not for a key") }
        guard let interval = self.interval.map({ DurationText.parse($0) }) ?? .seconds(1), interval >= .milliseconds(10) else {
            throw CommandError.usage("--interval wants a time like 1s, at least 10ms, not \"\(self.interval ?? "")\"")
        }
        var last: MembersReport?
        var lastFailure: String?
        while true {
            do throws(CommandError) {
                let (report, body) = try await client.json(MembersReport.self, "/v1/members")
                let news = report.news(since: last)
                if self.options.json {
                    if !news.isEmpty { Console.print(Self.line(body)) }
                } else {
                    for line in news { Console.print(line) }
                }
                last = report
                lastFailure = nil
            } catch {
                // The first answer shows that it is the right node; afterwards it may be away.
                guard last != nil else { throw error }
                if error.description != lastFailure { Console.error("! \(error.description)") }
                lastFailure = error.description
            }
            try await Task.sleep(for: interval)
        }
    }

    private func show(_ ring: Ring, node: String) {
        Console.print("ring   \(ring.dialect), version \(ring.version)")
        if ring.members.isEmpty { Console.print("       \(node) alone: it owns every key") }
        for member in ring.members {
            let share = String(format: "%5.1f %%", member.share * 100)
            Console.print("       \(share)  \(member.id)\(member.id == ring.`self` ? "  (this node)" : "")")
        }
    }

    private static func line(_ body: [UInt8]) -> String {
        String(decoding: body, as: UTF8.self).trimmingCharacters(in: .newlines)
    }
}

internal import ArgumentParser
internal import Foundation

/// `groupcache ring`.
struct RingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring",
        abstract: "Show the members of the ring, or explain who owns a key.",
        discussion: """
            Without a key: every member and its share of all keys. With one: the key's hash, the point of the ring that it falls to, the \
            member that owns it, and the next one, which is asked when the owner does not answer.
            """
    )

    @OptionGroup var options: ClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
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

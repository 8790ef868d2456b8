// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import GroupCache
internal import GroupCacheDiscovery
internal import GroupCacheHTTP
internal import Informers

/// `groupcache watch`.
struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Print what changes in a group, at all nodes, until it is interrupted.",
        discussion: """
            One stream for each node, since each tells of the keys that it owns; there is no order between the changes of different nodes. A watch tells \
            changes, not contents: that a value is loaded, that its time is over or that it is evicted is not told.

            A stream that breaks goes on where it was. Where that cannot be, because a node has started anew or has forgotten so much, a line that begins \
            with ! says so on standard error: changes may have been missed.
            """
    )

    enum Output: String, ExpressibleByArgument, CaseIterable { case text, json }

    @OptionGroup var options: ClientOptions
    @Argument(help: "The group.")
    var group: String
    @Option(help: "Only of this key, and of changes that may concern it.")
    var key: String?
    @Option(help: "Only of keys that begin so.")
    var prefix: String?
    @Option(help: "text: a line for each change; json: a line of JSON for each, with the node that told it.")
    var output: Output = .text
    @Flag(help: "With the values of keys that were set, if they are still there.")
    var values = false

    func run() async throws {
        if self.key != nil, self.prefix != nil { throw CommandError.usage("--key is for one key, --prefix for many") }
        let client = try self.options.client()
        let access = try self.options.asking.security.access()
        let isJSON = self.output == .json || self.options.json
        let watch = GroupWatch(self.group, node: client.node, access: access, key: self.key, prefix: self.prefix, values: self.values)
        do {
            try await watch.run { event in Self.print(event, isJSON: isJSON) }
        } catch let status as Status {
            await access.shutdown()
            throw CommandError(status.code == 404 ? .notFound : .failure, status.message)
        } catch let error as WatchError {
            await access.shutdown()
            throw CommandError(.unreachable, "cannot reach \(client.node): \(error.description)")
        } catch {
            await access.shutdown()
            throw error
        }
    }

    private static func print(_ event: GroupWatch.Event, isJSON: Bool) {
        switch event.kind {
        case .change(let change):
            if isJSON { return Console.print("{\"node\":\(Self.quoted(event.node)),\"event\":\(event.json)}") }
            var line = change.reason.rawValue
            if let name = change.key?.string ?? change.tag { line += " " + (Self.isPlain(name) ? name : Self.quoted(name)) }
            if change.isSoft { line += " (soft)" }
            if let value = event.value {
                let text = String(validating: value, as: UTF8.self)
                line += " " + (text.map { Self.isPlain($0) ? $0 : Self.quoted($0) } ?? Data(value).base64EncodedString())
            }
            Console.print(line)
        case .lost: Console.error("! \(event.node) is followed from now on; what changed there before is not known")
        case .unreachable(let why): Console.error("! \(event.node) cannot be followed at present: \(why)")
        }
    }

    private static func isPlain(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
    }

    /// A key as a line of its own: what would move a terminal's cursor, or look like another line, is escaped.
    static func line(_ text: String) -> String { self.isPlain(text) ? text : self.quoted(text) }

    private static func quoted(_ text: String) -> String {
        let encoded = (try? JSONText.encode(text)) ?? "\"\""
        return encoded.unicodeScalars.reduce(into: "") { line, scalar in
            if (0x7F...0x9F).contains(scalar.value) {
                line += "\\u00" + String(scalar.value, radix: 16)
            } else {
                line.unicodeScalars.append(scalar)
            }
        }
    }
}

extension SecurityOptions {
    /// How nodes are followed.
    func access() throws -> NodeAccess {
        let tls = try self.tls().map {
            try SourceTLS(trustRootsFile: $0.trustRootsFile, certificateFile: $0.certificateFile, keyFile: $0.keyFile)
        }
        let authorization = try ClientSecurity(tls: nil, tokenFile: self.tokenFile).authorization
        return NodeAccess(token: authorization.map { String($0.dropFirst("Bearer ".count)) }, tls: tls)
    }
}

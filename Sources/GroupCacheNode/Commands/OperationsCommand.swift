// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import NIOHTTP1

/// `groupcache operations`.
struct OperationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operations",
        abstract: "List, start, follow and stop what a node does that takes its time.",
        discussion: """
            groupcache operations              all that the node knows of, the last ten minutes' too
            groupcache operations 7 [--wait]   one of them
            groupcache operations 7 --cancel   stops it
            groupcache operations run KIND     starts one: see `groupcache operations run --help`

            They are asked for at the admin port. To start or stop one takes a token: --token-file.
            """,
        subcommands: [OperationsShowCommand.self, OperationsRunCommand.self],
        defaultSubcommand: OperationsShowCommand.self
    )
}

/// `groupcache operations [ID]`.
struct OperationsShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show operations, or one of them.")

    @OptionGroup var options: AdminClientOptions
    @Argument(help: "The operation's number; without one all are listed.")
    var id: UInt64?
    @Flag(help: "Wait until it has ended.")
    var wait = false
    @Flag(help: "Stop it.")
    var cancel = false

    func run() async throws {
        guard let id = self.id else {
            if self.wait || self.cancel { throw CommandError.usage("--\(self.wait ? "wait" : "cancel") is for one operation: which?") }
            let list = try await self.options.asking { try await $0.json(OperationList.self, "/v1/operations") }
            if self.options.json { return Console.print(raw: list.body) }
            for operation in list.value.items { Console.print(operation.line) }
            return
        }
        let follower = OperationFollower(options: self.options)
        var answer = try await self.options.asking { try await $0.ask(self.cancel ? .DELETE : .GET, "/v1/operations/\(id)") }
        if self.wait { answer = try await follower.follow(answer) }
        try follower.report(answer)
    }
}

/// `groupcache operations run KIND`.
struct OperationsRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Start an operation.",
        discussion: """
            warm      loads keys that the node owns and has not: --group and keys
            clear     removes every key of a group from the caches of all nodes: --group
            snapshot  writes what the node holds to its folder: --group, or all
            restore   gives back what a snapshot holds: --group, or all
            drain     stops the node as SIGTERM does
            """
    )

    @OptionGroup var options: AdminClientOptions
    @Argument(help: "What to do: warm, clear, snapshot, restore, drain.")
    var kind: String
    @Argument(help: "The keys to warm.")
    var keys: [String] = []
    @Option(name: .shortAndLong, help: "In which group.")
    var group: String?
    @Flag(help: "Wait until it has ended.")
    var wait = false

    func run() async throws {
        try await OperationFollower(options: self.options).start(self.kind, group: self.group, keys: self.keys, wait: self.wait)
    }
}

/// `groupcache warm`.
struct WarmCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "warm",
        abstract: "Load keys into the node that owns them, before somebody asks for them.",
        discussion:
            "Short for `groupcache operations run warm --wait`. Keys that are another node's, or are there already, are passed over."
    )

    @OptionGroup var options: AdminClientOptions
    @Option(name: .shortAndLong, help: "The group.")
    var group = "scores"
    @Option(help: "A file with a key a line; - is standard input.")
    var file: String?
    @Argument(help: "The keys.")
    var keys: [String] = []

    func run() async throws {
        var keys = self.keys
        if let file {
            let data = file == "-" ? try FileHandle.standardInput.readToEnd() : FileManager.default.contents(atPath: file)
            guard let data else { throw CommandError("cannot read the file \(file)") }
            guard let text = String(validating: data, as: UTF8.self) else { throw CommandError("\(file) is no text") }
            keys += text.split(whereSeparator: \.isNewline).map(String.init)
        }
        guard !keys.isEmpty else { throw CommandError.usage("which keys are to be warmed?") }
        try await OperationFollower(options: self.options).start("warm", group: self.group, keys: keys, wait: true)
    }
}

/// `groupcache snapshot`.
struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Let a node write what it holds to its folder (serve --snapshots).",
        discussion: "Short for `groupcache operations run snapshot --wait`."
    )

    @OptionGroup var options: AdminClientOptions
    @Option(name: .shortAndLong, help: "The group (default: all).")
    var group: String?

    func run() async throws {
        try await OperationFollower(options: self.options).start("snapshot", group: self.group, keys: [], wait: true)
    }
}

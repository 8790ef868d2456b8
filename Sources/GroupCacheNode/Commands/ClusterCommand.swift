// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import Logging
internal import ServiceLifecycle

/// `groupcache cluster`.
struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Run several nodes on this machine, over demo data, and say which URLs to try.",
        discussion: """
            Every node is a process of its own; kill one with SIGKILL and the others go on. Ctrl-C or SIGTERM stops them all, and they \
            stop when this process dies in any other way.
            """
    )

    @Option(help: "How many nodes, 1 to 64.")
    var nodes = 3
    @Option(help: "The first port; the others follow it.")
    var basePort = 8001
    @Option(help: "The first admin port; 0: none (default: a thousand above --base-port).")
    var adminBasePort: Int?
    @Option(help: "A file with a token a line for the admin ports (default: one that is made up, and printed).")
    var adminTokenFile: String?
    @Option(name: [.customLong("data"), .customLong("seed-file")], help: "A file of lines key,value instead of the built-in scores.")
    var data: String?
    @Option(name: .customLong("group"), help: "A group as in serve, instead of scores; may be repeated.")
    var groups: [String] = []
    @Option(help: "trace, debug, info, notice, warning, error, critical.")
    var logLevel = "warning"
    @Flag(help: "Print JSON lines.")
    var json = false

    func run() async throws {
        var plan = try ClusterPlan(
            nodes: self.nodes,
            basePort: self.basePort,
            adminBasePort: self.adminBasePort,
            data: self.data,
            groups: self.groups
        )
        guard Logger.Level(rawValue: self.logLevel) != nil else {
            throw CommandError.usage("no log level \"\(self.logLevel)\"")
        }
        if let note = try await plan.checkPorts() { Console.error("groupcache: \(note)") }
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "groupcache.cluster")
        logger.logLevel = Logger.Level(rawValue: self.logLevel) ?? .warning
        let token = self.adminTokenFile == nil && !plan.adminPorts.isEmpty ? try ClusterToken() : nil
        defer { token?.remove() }
        let supervisor = ClusterSupervisor(
            plan: plan,
            logLevel: self.logLevel,
            adminTokenFile: self.adminTokenFile ?? token?.path,
            report: ClusterReport(plan: plan, json: self.json, token: token?.text)
        )
        try await Lifecycle.run([.init(service: supervisor)], logger: logger)
    }
}

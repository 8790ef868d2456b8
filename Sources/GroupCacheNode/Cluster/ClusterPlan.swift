// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix

/// Which nodes a cluster has and what each is told.
struct ClusterPlan: Sendable, Hashable {
    /// The URLs of the nodes.
    let urls: [String]
    private let ports: [Int]
    /// The ports of the nodes' admin ports; empty: they have none.
    private(set) var adminPorts: [Int]
    /// The URLs of those.
    var adminURLs: [String] { self.adminPorts.map { "http://127.0.0.1:\($0)" } }
    /// Whether the admin ports were asked for, or are there by themselves.
    private let wantsAdmin: Bool
    /// The values of `--group`.
    let groups: [String]
    /// Whether the group is the built-in one.
    var isDemo: Bool { self.groups == ["scores=demo:"] }

    /// - Throws: ``CommandError`` when there are too many nodes, no such ports, or a group or its file is not in order.
    ///
    /// - Parameter adminBasePort: `nil`: a thousand above the others, or below where there is no room; 0: no admin ports.
    init(nodes: Int, basePort: Int, adminBasePort: Int? = nil, data: String?, groups: [String]) throws(CommandError) {
        guard (1...64).contains(nodes) else { throw .usage("--nodes is 1 to 64, not \(nodes)") }
        guard basePort >= 1, basePort <= 65_536 - nodes else {
            throw .usage("--base-port \(basePort) leaves no room for \(nodes) ports in 1 to 65535")
        }
        guard data == nil || groups.isEmpty else { throw .usage("--data and --group cannot be given together") }
        self.ports = Array(basePort..<basePort + nodes)
        self.wantsAdmin = adminBasePort != nil
        let admin = adminBasePort ?? (basePort + 1_000 <= 65_536 - nodes ? basePort + 1_000 : basePort - 1_000)
        guard admin == 0 || (admin >= 1 && admin <= 65_536 - nodes) else {
            throw .usage("--admin-base-port \(admin) leaves no room for \(nodes) ports in 1 to 65535; 0: no admin ports")
        }
        self.adminPorts = admin == 0 ? [] : Array(admin..<admin + nodes)
        guard Set(self.adminPorts).isDisjoint(with: self.ports) else {
            throw .usage("--admin-base-port \(admin): the admin ports are to be others than those of --base-port")
        }
        self.urls = self.ports.map { "http://127.0.0.1:\($0)" }
        if let data {
            self.groups = ["scores=csv:\(data.replacing(",", with: ",,"))"]
        } else {
            self.groups = groups.isEmpty ? ["scores=demo:"] : groups
        }
        // Once here, for one clear error, rather than once in every child.
        for group in self.groups { _ = try OriginFactory(GroupSpecification(group).origin) }
    }

    /// The arguments of the executable for a node.
    func arguments(of node: Int, logLevel: String, adminTokenFile: String? = nil) -> [String] {
        var arguments = ["serve", "--listen", "127.0.0.1:\(self.ports[node])", "--peers", self.urls.joined(separator: ",")]
        for group in self.groups { arguments += ["--group", group] }
        arguments += ["--log-level", logLevel, "--exit-with-stdin"]
        if self.adminPorts.isEmpty { return arguments }
        arguments += ["--admin", "127.0.0.1:\(self.adminPorts[node])"]
        if let adminTokenFile { arguments += ["--admin-token-file", adminTokenFile] }
        return arguments
    }

    /// Finds a port that is taken before any node starts. Another process may still come in between; that node then says so itself.
    ///
    /// Admin ports that nobody has asked for are done without where one of them is taken: several clusters may run on one machine.
    ///
    /// - Returns: what to say of that.
    mutating func checkPorts() async throws(CommandError) -> String? {
        try await Self.check(self.ports, option: "--base-port")
        do throws(CommandError) {
            try await Self.check(self.adminPorts, option: "--admin-base-port")
            return nil
        } catch {
            if self.wantsAdmin { throw error }
            self.adminPorts = []
            return "no admin ports: \(error.description)"
        }
    }

    private static func check(_ ports: [Int], option: String) async throws(CommandError) {
        for port in ports {
            do {
                let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .bind(host: "127.0.0.1", port: port)
                    .get()
                try await channel.close()
            } catch {
                throw CommandError("port \(port) cannot be used: \(CommandError.text(of: error)); choose others with \(option)")
            }
        }
    }
}

internal import NIOCore
internal import NIOPosix

/// Which nodes a cluster has and what each is told.
struct ClusterPlan: Sendable, Hashable {
    /// The URLs of the nodes.
    let urls: [String]
    private let ports: [Int]
    /// The values of `--group`.
    let groups: [String]
    /// Whether the group is the built-in one.
    var isDemo: Bool { self.groups == ["scores=demo:"] }

    /// - Throws: ``CommandError`` when there are too many nodes, no such ports, or a group or its file is not in order.
    init(nodes: Int, basePort: Int, data: String?, groups: [String]) throws(CommandError) {
        guard (1...64).contains(nodes) else { throw .usage("--nodes is 1 to 64, not \(nodes)") }
        guard basePort >= 1, basePort <= 65_536 - nodes else {
            throw .usage("--base-port \(basePort) leaves no room for \(nodes) ports in 1 to 65535")
        }
        guard data == nil || groups.isEmpty else { throw .usage("--data and --group cannot be given together") }
        self.ports = Array(basePort..<basePort + nodes)
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
    func arguments(of node: Int, logLevel: String) -> [String] {
        ["serve", "--listen", "127.0.0.1:\(self.ports[node])", "--peers", self.urls.joined(separator: ",")]
            + self.groups.flatMap { ["--group", $0] } + ["--log-level", logLevel, "--exit-with-stdin"]
    }

    /// Finds a port that is taken before any node starts. Another process may still come in between; that node then says so itself.
    func checkPorts() async throws(CommandError) {
        for port in self.ports {
            do {
                let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .bind(host: "127.0.0.1", port: port)
                    .get()
                try await channel.close()
            } catch {
                throw CommandError("port \(port) cannot be used: \(CommandError.text(of: error)); choose others with --base-port")
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

@testable import GroupCacheNode

/// `groupcache serve` as a child process.
enum NodeProgram {
    /// Runs a node while `body` does; `body` is given the process and its URL.
    static func serve<Result: Sendable>(
        _ arguments: [String],
        environment: [String: String] = [:],
        _ body: @escaping @Sendable (Child, String) async throws -> Result
    ) async throws -> Child.End<Result> {
        try await Child.run(try Programs.path("groupcache"), ["serve"] + arguments, environment: environment) { child in
            let line = try await child.output.line { $0.hasPrefix("listening ") }
            return try await body(child, String(line.dropFirst("listening ".count)))
        }
    }

    /// Runs several nodes that know each other while `body` does.
    static func serve<Result: Sendable>(
        ports: [Int],
        peers: [String],
        _ arguments: [String],
        _ body: @escaping @Sendable ([String]) async throws -> Result
    ) async throws -> Result {
        guard let port = ports.first else { return try await body([]) }
        let own = ["--listen", "127.0.0.1:\(port)", "--peers", peers.joined(separator: ",")]
        return try await self.serve(own + arguments) { _, url in
            try await self.serve(ports: Array(ports.dropFirst()), peers: peers, arguments) { try await body([url] + $0) }
        }.result
    }

    /// The path of a key, percent-encoded as the command line does it.
    static func keyURL(_ node: String, _ group: String, _ key: String) -> String {
        node + NodeClient.path(group: group, key: key)
    }
}

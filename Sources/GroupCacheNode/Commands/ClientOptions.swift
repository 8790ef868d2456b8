// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import GroupCacheHTTP
internal import NIOCore

/// What every command that asks a node takes.
struct ClientOptions: ParsableArguments {
    @Option(help: "The node to ask.")
    var node = "http://127.0.0.1:8001"

    @OptionGroup var asking: AskingOptions

    var json: Bool { self.asking.json }

    func client() throws -> NodeClient { try self.asking.client(of: self.node) }
}

/// How a port of a node is asked, whichever it is.
struct AskingOptions: ParsableArguments {
    @Option(help: "How long to wait for the answer, as in 500ms, 10s.")
    var timeout = "10s"

    @Flag(help: "Print JSON, for scripts.")
    var json = false

    @OptionGroup(title: "Security") var security: SecurityOptions

    func client(of node: String) throws -> NodeClient {
        guard let timeout = DurationText.parse(self.timeout), timeout > .zero else {
            throw CommandError.usage("--timeout wants a time like 10s, not \"\(self.timeout)\"")
        }
        let security = try ClientSecurity(tls: self.security.tls(), tokenFile: self.security.tokenFile)
        return try NodeClient(node: node, timeout: timeout, security: security)
    }
}

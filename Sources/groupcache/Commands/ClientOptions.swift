internal import ArgumentParser
internal import NIOCore

/// What every command that asks a node takes.
struct ClientOptions: ParsableArguments {
    @Option(help: "The node to ask.")
    var node = "http://127.0.0.1:8001"

    @Option(help: "How long to wait for the answer, as in 500ms, 10s.")
    var timeout = "10s"

    @Flag(help: "Print JSON, for scripts.")
    var json = false

    func client() throws(CommandError) -> NodeClient {
        guard let timeout = DurationText.parse(self.timeout), timeout > .zero else {
            throw .usage("--timeout wants a time like 10s, not \"\(self.timeout)\"")
        }
        return try NodeClient(node: self.node, timeout: timeout)
    }
}

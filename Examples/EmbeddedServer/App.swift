// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Hummingbird
internal import Logging

/// A Hummingbird server that embeds a group. Run it several times on one machine, each on ports of its own:
///
///     swift run EmbeddedServer --port 8080 --peer-port 9080 --peers http://127.0.0.1:9080,http://127.0.0.1:9081
///     swift run EmbeddedServer --port 8081 --peer-port 9081 --peers http://127.0.0.1:9080,http://127.0.0.1:9081
///     curl http://127.0.0.1:8080/scores/Tom
@main
struct App: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "EmbeddedServer",
        abstract: "Scores from a slow database, cached by a group."
    )

    @Option(help: "The port for clients; 0: any free one.")
    var port = 8080
    @Option(help: "The port for the other servers; 0: any free one, without peers.")
    var peerPort = 9080
    @Option(help: "The peer URLs of all servers, this one included, with commas between; none: this server alone.")
    var peers = ""

    func run() async throws {
        var logger = Logger(label: "EmbeddedServer")
        logger.logLevel = .notice
        let settings = AppSettings(
            port: self.port,
            peerPort: self.peerPort,
            peers: self.peers.split(separator: ",").map(String.init)
        )
        try await buildApplication(settings, logger: logger).runService()
    }
}

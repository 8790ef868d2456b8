// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// What every command that asks an admin port takes.
struct AdminClientOptions: ParsableArguments {
    @Option(help: "The admin port of the node to ask, which is not the port that values are had from.")
    var node = "http://127.0.0.1:9001"

    @OptionGroup var asking: AskingOptions

    var json: Bool { self.asking.json }

    /// Asks, and says what to do where there is nobody, or somebody else.
    func asking<T: Sendable>(_ ask: (NodeClient) async throws -> T) async throws -> T {
        do {
            return try await ask(try self.asking.client(of: self.node))
        } catch let error as CommandError where error.code == .unreachable {
            throw CommandError(
                .unreachable,
                "\(error.description); does the node have an admin port (serve --admin HOST:PORT), and is --node its URL?"
            )
        } catch let error as CommandError where error.code == .notFound && error.description.hasPrefix("there is no such path") {
            throw CommandError(
                .notFound,
                "\(self.node) is no admin port of this version: --node is the URL that serve prints behind \"admin\""
            )
        }
    }
}

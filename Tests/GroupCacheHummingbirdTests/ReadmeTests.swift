// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import GroupCacheHTTP
import GroupCacheHummingbird
import Hummingbird
import Logging
import Testing

/// The Swift code in the README is code that compiles: it stands in ``serve()``, line for line.
@Suite("README")
struct ReadmeTests {
    struct Score: ResponseCodable { var points: Int }

    /// Compiled, and never called: it would listen on ports that others may use.
    private func serve() async throws {
        let points = ["Tom": 630, "Jack": 589]  // stands for a database
        let logger = Logger(label: "scores")
        let pool = try HTTPPool(
            configuration: .init(
                listen: .init(host: "127.0.0.1", port: 9080),  // where this server's peers ask it
                peers: ["http://127.0.0.1:9080", "http://127.0.0.1:9081"]  // all of them, this one too
            ),
            logger: logger
        )
        let scores = try Group<Score>("scores", capacity: .mebibytes(64), peers: pool) { key, _ in
            points[key.string].map { Score(points: $0) }  // nil: there is none, which becomes a 404
        }

        let router = Router()
        router.get("scores/:name") { _, context in
            try await scores.get(context.parameters.require("name"))
        }
        let address = ApplicationConfiguration(address: .hostname("127.0.0.1", port: 8080))
        let app = Application(router: router, configuration: address, services: [pool], logger: logger)
        try await app.runService()
    }

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func lines(of file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.trimmingCharacters(in: .whitespaces) }
    }

    @Test("the Swift code in the README compiles")
    func snippets() throws {
        let code = try Set(Self.lines(of: URL(filePath: #filePath)))
        var count = 0
        var snippet: [String]?
        for line in try Self.lines(of: Self.root.appending(path: "README.md")) {
            if line == "```swift" {
                snippet = []
            } else if line == "```", let found = snippet {
                count += 1
                #expect(found.count > 15)
                for line in found { #expect(code.contains(line), "\(line)") }
                snippet = nil
            } else {
                snippet?.append(line)
            }
        }
        #expect(count == 1)
    }

    @Test("the README is short enough to be read: fewer than 160 lines of 110 columns at the most")
    func size() throws {
        let lines = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8).split(
            separator: "\n",
            omittingEmptySubsequences: false
        )
        #expect(lines.count < 160)
        for line in lines { #expect(line.count <= 110, "\(line)") }
    }

    @Test("what the README points at is there")
    func links() throws {
        let text = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
        let files =
            text.matches(of: #/\]\(((?:\.|[A-Z])[^)]+)\)/#).map { String($0.1) }
            + text.matches(of: #/`((?:Examples|Tests|docker|\.ci)\/[A-Za-z\/]*)`/#).map { String($0.1) }
        #expect(files.count >= 6)
        for file in files { #expect(FileManager.default.fileExists(atPath: Self.root.appending(path: file).path), "\(file)") }
    }
}

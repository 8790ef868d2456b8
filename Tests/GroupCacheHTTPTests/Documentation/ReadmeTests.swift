import Foundation
import GroupCache
import GroupCacheHTTP
import Testing

/// The Swift code in the README is code that compiles: it stands in ``embed(_:)``, line for line.
@Suite("README")
struct ReadmeTests {
    private struct Score: Codable, Sendable {
        var points: Int
    }

    private struct Database: Sendable {
        func score(of name: String) async throws -> Score? { Score(points: 630) }
    }

    /// Compiled, and never called: it would listen on a port that others may use.
    private func embed(_ database: Database) async throws -> Score {
        var configuration = HTTPPool.Configuration()
        configuration.listen = .init(host: "127.0.0.1", port: 9080)
        configuration.peers = ["http://127.0.0.1:9080", "http://127.0.0.1:9081"]
        let pool = try HTTPPool(configuration: configuration)

        let scores = try Group<Score>("scores", capacity: .mebibytes(64), peers: pool) { key, context in
            try await database.score(of: key.string)  // nil: not found. Or .notFound(ttl:), or .value(score, ttl: .seconds(30))
        }
        let tom = try await scores.get("Tom")  // or catch .notFound, .overloaded, …
        return tom
    }

    private static func lines(of file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.trimmingCharacters(in: .whitespaces) }
    }

    @Test("the Swift code in the README compiles")
    func snippets() throws {
        let here = URL(filePath: #filePath)
        let code = try Self.lines(of: here).joined(separator: "\n")
        let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        var count = 0
        var snippet: [String]?
        for line in try Self.lines(of: root.appending(path: "README.md")) {
            if line == "```swift" {
                snippet = []
            } else if line == "```", let found = snippet {
                count += 1
                let (imports, rest) = (found.filter { $0.hasPrefix("import ") }, found.drop { $0.hasPrefix("import ") || $0.isEmpty })
                #expect(imports.allSatisfy { code.contains("\n\($0)\n") })
                #expect(!rest.isEmpty && code.contains(rest.joined(separator: "\n")))
                snippet = nil
            } else {
                snippet?.append(line)
            }
        }
        #expect(count == 1)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("Documentation of the core")
struct CoreDocumentationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    private static let catalogue = Self.root.appending(path: "Sources/GroupCache/GroupCache.docc")

    private static func lines(of file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    private static func articles() throws -> [URL] {
        try FileManager.default.contentsOfDirectory(at: Self.catalogue, includingPropertiesForKeys: nil).filter { $0.pathExtension == "md" }
    }

    @Test("the code in the articles is code that is compiled and run")
    func snippets() throws {
        let compiled = try Self.lines(of: Self.root.appending(path: "Tests/GroupCacheTests/Documentation/Snippets.swift"))
        let code = compiled.map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "\n")
        var count = 0
        for article in try Self.articles() {
            var snippet: [String]?
            for line in try Self.lines(of: article) {
                if line == "```swift" {
                    snippet = []
                } else if line == "```", let found = snippet {
                    count += 1
                    #expect(code.contains(found.joined(separator: "\n")), "\(article.lastPathComponent)")
                    snippet = nil
                } else {
                    snippet?.append(line.trimmingCharacters(in: .whitespaces))
                }
            }
        }
        #expect(count == 9)
    }

    @Test("every article and every type that the catalogue names exists, and every article is named")
    func references() throws {
        let articles = Set(try Self.articles().map { $0.deletingPathExtension().lastPathComponent })
        let sources = try #require(
            FileManager.default.enumerator(at: Self.root.appending(path: "Sources/GroupCache"), includingPropertiesForKeys: nil)
        )
        var types: Set<String> = ["GroupCache"]
        for case let file as URL in sources where file.pathExtension == "swift" {
            for line in try Self.lines(of: file) {
                if let match = line.firstMatch(of: #/public (?:final )?(?:struct|class|enum|protocol) (\w+)/#) {
                    types.insert(String(match.1))
                }
            }
        }
        var named: Set<String> = []
        for article in try Self.articles() {
            let text = try Self.lines(of: article).joined(separator: "\n")
            for match in text.matches(of: #/<doc:(\w+)>/#) { named.insert(String(match.1)) }
            for match in text.matches(of: #/``([A-Z]\w*)/#) where !types.contains(String(match.1)) {
                Issue.record("\(article.lastPathComponent) names \(match.1), which there is not")
            }
        }
        #expect(named.subtracting(articles).isEmpty)
        #expect(articles.subtracting(named) == ["GroupCache"])
    }

    @Test("every public type is in the catalogue's list")
    func completeness() throws {
        let list = try Self.lines(of: Self.catalogue.appending(path: "GroupCache.md"))
        let sources = try #require(
            FileManager.default.enumerator(at: Self.root.appending(path: "Sources/GroupCache"), includingPropertiesForKeys: nil)
        )
        for case let file as URL in sources where file.pathExtension == "swift" {
            for line in try Self.lines(of: file) {
                guard let match = line.prefixMatch(of: #/public (?:final )?(?:struct|class|enum|protocol) (\w+)/#) else { continue }
                #expect(list.contains("- ``\(match.1)``"))
            }
        }
    }
}

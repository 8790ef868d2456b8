// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("Documentation")
struct DocumentationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    private static let catalogue = Self.root.appending(path: "Sources/Informers/Informers.docc")

    private static func files(in folder: URL, _ ending: String) throws -> [(name: String, lines: [String])] {
        let enumerator = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        return try enumerator.compactMap { $0 as? URL }.filter { $0.pathExtension == ending }.map { url in
            (
                url.lastPathComponent,
                try String(contentsOf: url, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            )
        }
    }

    /// The test functions as `Suite.function`: those that have `@Test` before them.
    private static func tests() throws -> Set<String> {
        var found: Set<String> = []
        for (_, lines) in try Self.files(in: Self.root.appending(path: "Tests/InformersTests"), "swift") {
            var suite = ""
            var isTest = false
            for line in lines {
                if let match = line.prefixMatch(of: #/(?:struct|extension) (\w+)/#) { suite = String(match.1) }
                if line.hasPrefix("    @Test") { isTest = true }
                if let match = line.prefixMatch(of: #/    (?:private )?func (\w+)/#) {
                    if isTest { found.insert("\(suite).\(match.1)") }
                    isTest = false
                }
            }
        }
        return found
    }

    @Test("Every fact in the table of conformance has a test, and each test that it names exists")
    func conformance() throws {
        let tests = try Self.tests()
        #expect(tests.count > 200)
        let table = try #require(try Self.files(in: Self.catalogue, "md").first { $0.name == "Conformance.md" })
        let rows = table.lines.filter { $0.hasPrefix("| ") && !$0.hasPrefix("| fact |") }
        for row in rows {
            let named = row.matches(of: #/`(\w+\.\w+)`/#).map { String($0.1) }
            #expect(!named.isEmpty, "\(row)")
            let missing = named.filter { !tests.contains($0) }
            #expect(missing.isEmpty, "\(row)")
        }
        // The lines of informers.md 2.1 to 2.7 and what follows them: one that is dropped here must be dropped on purpose.
        #expect(rows.count == 239)
    }

    @Test("Each name of ours in the table of client-go's names is that of a public type")
    func names() throws {
        var declared: Set<String> = []
        for (_, lines) in try Self.files(in: Self.root.appending(path: "Sources/Informers"), "swift") {
            for line in lines {
                if let match = line.firstMatch(of: #/public (?:final )?(?:class|struct|enum|protocol|typealias|actor) (\w+)/#) {
                    declared.insert(String(match.1))
                }
            }
        }
        let table = try #require(try Self.files(in: Self.catalogue, "md").first { $0.name == "Names.md" })
        let named = Set(table.lines.flatMap { $0.matches(of: #/``(\w+)/#).map { String($0.1) } })
        #expect(named.count > 40)
        #expect(named.subtracting(declared).isEmpty)
    }

    @Test("The code in the articles is code that is compiled and run")
    func snippets() throws {
        let compiled = try Self.files(in: Self.root.appending(path: "Tests/InformersTests/Documentation"), "swift")
            .first { $0.name == "Snippets.swift" }
        let code = (compiled?.lines ?? []).map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "\n")
        var count = 0
        for (name, lines) in try Self.files(in: Self.catalogue, "md") {
            var snippet: [String]?
            for line in lines {
                if line == "```swift" {
                    snippet = []
                } else if line == "```", let found = snippet {
                    count += 1
                    #expect(code.contains(found.joined(separator: "\n")), "\(name)")
                    snippet = nil
                } else {
                    snippet?.append(line.trimmingCharacters(in: .whitespaces))
                }
            }
        }
        #expect(count == 4)
    }
}

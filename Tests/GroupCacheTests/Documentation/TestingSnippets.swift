// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import GroupCacheTesting
import Testing

/// The code in the article of `GroupCacheTesting.docc`, line for line, compiled and run.
@Suite("Documentation of GroupCacheTesting", .timeLimit(.minutes(5)))
struct TestingSnippets {
    @Test("several nodes in one process, and time that a test moves")
    func cluster() async throws {
        let clock = ManualClock()
        let configuration = GroupConfiguration.deterministic(clock: clock, freshness: Freshness(ttl: .seconds(30)))
        let cluster = try Cluster(3, follows: true)
        let scores = try cluster.group("scores", configuration: configuration) { key, _ in "value of \(key.string)" }
        for group in scores { _ = try await group.get("Tom") }
        #expect(cluster.loads["Tom"] == 1)
        clock.advance(by: .seconds(30))
        _ = try await scores[0].get("Tom")
        #expect(cluster.loads["Tom"] == 2)
        #expect(cluster.statistics.getterCalls == 2)
    }

    @Test("the article's code is this code")
    func article() throws {
        let here = URL(filePath: #filePath)
        let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        func lines(_ file: URL) throws -> [String] {
            try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        }
        let code = Set(try lines(here))
        let article = try lines(root.appending(path: "Sources/GroupCacheTesting/GroupCacheTesting.docc/GroupCacheTesting.md"))
        let begin = try #require(article.firstIndex(of: "```swift"))
        let snippet = article[(begin + 1)...].prefix { $0 != "```" }
        #expect(snippet.count == 10)
        for line in snippet { #expect(code.contains(line), "\(line)") }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// macOS's usual disk takes `GroupCache` and `groupcache` for one folder: two names that differ in case only break the clone
/// there, and two targets of such names break its build folder.
@Suite struct NameCollisionTests {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test func `no two paths differ in case only`() throws {
        let paths = try Self.paths()
        #expect(paths.contains("Tests/NodeTests/Repository/NameCollisionTests.swift"))
        #expect(Self.collisions(in: paths) == [])
    }

    @Test func `no two targets differ in case only`() throws {
        let manifest = try String(contentsOf: Self.root.appending(path: "Package.swift"), encoding: .utf8)
        let pattern = /[tT]arget\(\s*name: "([^"]+)"/
        let targets = manifest.matches(of: pattern).map { String($0.output.1) }
        #expect(targets.contains("GroupCacheNode"))
        #expect(Self.collisions(in: Set(targets)) == [])
    }

    @Test func `a collision is found, also among folders`() {
        #expect(Self.collisions(in: ["Sources/Cache/A.swift", "Sources/cache/B.swift"]) == [["Sources/Cache", "Sources/cache"]])
        #expect(Self.collisions(in: ["a/B.swift", "a/b.swift"]) == [["a/B.swift", "a/b.swift"]])
        #expect(Self.collisions(in: ["a/B.swift", "b/B.swift"]) == [])
    }

    /// Files and the folders that they are in.
    private static func collisions(in paths: Set<String>) -> [[String]] {
        var names: Set<String> = []
        for path in paths {
            let parts = path.split(separator: "/")
            for count in 1...parts.count { names.insert(parts.prefix(count).joined(separator: "/")) }
        }
        return Dictionary(grouping: names) { $0.lowercased() }.values.filter { $0.count > 1 }.map { $0.sorted() }
            .sorted { $0[0] < $1[0] }
    }

    /// What lies in the checkout, without what builds and git leave there.
    private static func paths() throws -> Set<String> {
        let prefix = root.path(percentEncoded: false)
        let files = try #require(FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
        var paths: Set<String> = []
        while let file = files.nextObject() as? URL {
            let name = file.lastPathComponent
            if name == ".git" || name.hasPrefix(".build") {
                files.skipDescendants()
                continue
            }
            paths.insert(String(file.path(percentEncoded: false).dropFirst(prefix.count)).trimmingCharacters(in: ["/"]))
        }
        return paths
    }
}

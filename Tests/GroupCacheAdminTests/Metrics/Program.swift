// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A program of others that a test works with. Without it the test is skipped by name; with `GROUPCACHE_REQUIRE=all` in the environment it runs all the same
/// and fails.
enum Program: String, Sendable {
    case promtool, prometheus

    struct Missing: Error, CustomStringConvertible {
        var description: String
    }

    var isWanted: Bool { self.path != nil || ProcessInfo.processInfo.environment["GROUPCACHE_REQUIRE"] == "all" }
    var comment: Comment { "needs \(self.rawValue) (Debian: prometheus)" }

    func require() throws -> String {
        guard let path else { throw Missing(description: "\(self.rawValue) is missing and GROUPCACHE_REQUIRE=all (Debian: prometheus)") }
        return path
    }

    private var path: String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(self.rawValue)" }
            .first(where: FileManager.default.isExecutableFile)
    }

    /// Runs it to its end.
    ///
    /// - Returns: Its exit code, and what it said.
    func run(_ arguments: [String], input: String = "") throws -> (code: Int32, output: String) {
        let folder = FileManager.default.temporaryDirectory
        let (input, output) = (input, folder.appending(path: "admin-\(UUID().uuidString)"))
        let file = folder.appending(path: "admin-\(UUID().uuidString)")
        try Data(input.utf8).write(to: file)
        try Data().write(to: output)
        defer { for file in [file, output] { try? FileManager.default.removeItem(at: file) } }
        let process = Process()
        process.executableURL = URL(filePath: try self.require())
        process.arguments = arguments
        process.standardInput = try FileHandle(forReadingFrom: file)
        let handle = try FileHandle(forWritingTo: output)
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: try Data(contentsOf: output), as: UTF8.self))
    }
}

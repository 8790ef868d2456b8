// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Google's compiler of protocol buffers, as a second opinion on the link's messages. Without it a test is skipped by name; with
/// `GROUPCACHE_REQUIRE=all` in the environment it runs all the same and fails.
enum Protoc {
    /// protoc ran and did not take its input.
    struct Refusal: Error, CustomStringConvertible {
        var description: String
    }

    struct Missing: Error, CustomStringConvertible {
        var description: String { "protoc is missing and GROUPCACHE_REQUIRE=all: the test \(Protoc.comment)" }
    }

    static let comment: Comment = "needs protoc (Debian: protobuf-compiler)"

    static var isWanted: Bool { self.path != nil || ProcessInfo.processInfo.environment["GROUPCACHE_REQUIRE"] == "all" }

    /// The text form of a message, one line each.
    static func decode(_ message: [UInt8]) throws -> [String] {
        String(decoding: try self.run("--decode", message), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// The bytes of a message in text form.
    static func encode(_ text: [String]) throws -> [UInt8] {
        try self.run("--encode", Array(text.joined(separator: "\n").utf8))
    }

    /// Through files: a pipe would have to be filled and emptied at once.
    private static func run(_ mode: String, _ input: [UInt8]) throws -> [UInt8] {
        guard let path else { throw Missing() }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("groupcache-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func handle(_ name: String, _ content: [UInt8]) throws -> FileHandle {
            let file = folder.appendingPathComponent(name)
            try Data(content).write(to: file)
            return try FileHandle(forUpdating: file)
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = [
            "\(mode)=groupcache.link.v1.Message", "--proto_path=\(self.interop.path)", "link.proto",
        ]
        process.standardInput = try handle("input", input)
        process.standardOutput = try handle("output", [])
        process.standardError = try handle("error", [])
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let error = try Data(contentsOf: folder.appendingPathComponent("error"))
            throw Refusal(description: "protoc \(mode): \(String(decoding: error, as: UTF8.self))")
        }
        return Array(try Data(contentsOf: folder.appendingPathComponent("output")))
    }

    /// Where link.proto lies.
    static let interop = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Interop")

    private static var path: String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/protoc" }
            .first(where: FileManager.default.isExecutableFile)
    }
}

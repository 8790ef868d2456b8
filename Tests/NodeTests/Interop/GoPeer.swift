// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOHTTP1
import Subprocess

/// The Go programs of `Tests/Interop`: `gopeer` embeds golang/groupcache, `geepeer` speaks GeeCache's wire.
enum GoPeer {
    /// Builds both into a folder.
    static func build(into folder: URL) async throws {
        _ = try Neighbour.go.require()
        let script = Programs.package.appendingPathComponent("Tests/Interop/build").path
        let environment = ["HOME": folder.path, "GOCACHE": folder.appendingPathComponent("cache").path]
        let end = try await Child.run(script, [folder.path], environment: environment)
        guard end.status == .exited(0) else { throw TestFailure("Tests/Interop/build failed: \(end.error)") }
    }

    /// Runs `count` peers while `body` does, which is given their URLs.
    static func run<Result: Sendable>(
        _ program: String,
        _ arguments: [String],
        count: Int,
        _ body: @escaping @Sendable ([String]) async throws -> Result
    ) async throws -> Result {
        guard count > 0 else { return try await body([]) }
        return try await Child.run(program, arguments + ["-until-eof"]) { child in
            let line = try await child.output.line { $0.hasPrefix("listening ") }
            let url = "http://" + line.dropFirst("listening ".count)
            return try await self.run(program, arguments, count: count - 1) { try await body([url] + $0) }
        }.result
    }

    /// Tells every peer who all are.
    static func join(_ urls: [String], ring: [String]) async throws {
        for url in urls {
            let text = #"{"self":"\#(url)","peers":[\#(ring.map { "\"\($0)\"" }.joined(separator: ","))]}"#
            let answer = try await fetch("\(url)/control/peers", method: .POST, headers: ["Content-Type": "application/json"], body: text)
            guard answer.status == 200 else { throw TestFailure("a Go peer refused its peers: \(answer.text)") }
        }
    }

    /// How often each key was loaded by this peer.
    static func loads(_ url: String) async throws -> [[UInt8]: Int] {
        let loads: [String: Int] = try await fetch("\(url)/control/loads").json()
        return Dictionary(uniqueKeysWithValues: loads.compactMap { key, count in Data(base64Encoded: key).map { (Array($0), count) } })
    }
}

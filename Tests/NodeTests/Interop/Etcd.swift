// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOConcurrencyHelpers
import NIOHTTP1
import Subprocess

/// A real etcd with a folder and ports of its own, which can be killed and started again.
final class Etcd: Sendable {
    private struct Running: Sendable {
        var child: Child
        var end: Task<Void, any Error>
    }

    private let program: String
    private let folder: URL
    private let scheme: String
    private let tls: [String]
    private let port: Int
    private let peerPort: Int
    private let running = NIOLockedValueBox<Running?>(nil)

    /// - Parameter tls: its options for TLS; empty: plain HTTP.
    init(folder: URL, tls: [String] = []) async throws {
        self.program = try Neighbour.etcd.require()
        self.folder = folder
        self.scheme = tls.isEmpty ? "http" : "https"
        self.tls = tls
        let ports = try await FreePorts.any(2)
        (self.port, self.peerPort) = (ports[0], ports[1])
    }

    var url: String { "\(self.scheme)://127.0.0.1:\(self.port)" }

    /// Runs it while `body` does.
    func run(_ body: () async throws -> Void) async throws {
        try await self.start()
        do { try await body() } catch {
            await self.kill()
            throw error
        }
        await self.kill()
    }

    /// Starts it, with what it had when it ended.
    func start() async throws {
        let peer = "http://127.0.0.1:\(self.peerPort)"
        let arguments =
            [
                "--data-dir", self.folder.appendingPathComponent("etcd").path, "--listen-client-urls", self.url,
                "--advertise-client-urls", self.url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "default=\(peer)", "--logger", "zap", "--log-level", "error",
            ] + self.tls
        let (program, running) = (self.program, self.running)
        let started = Gate()
        let end = Task {
            defer { started.open() }
            _ = try await Child.run(program, arguments) { child in
                running.withLockedValue { $0 = Running(child: child, end: Task {}) }
                started.open()
                await child.wait()
            }
        }
        await started.wait()
        self.running.withLockedValue { $0?.end = end }
        guard self.scheme == "http" else { return }
        _ = try await fetch("\(self.url)/health") { $0.text.contains("true") }
    }

    /// Ends it as a power cut would.
    func kill() async {
        let running = self.running.withLockedValue { running in
            defer { running = nil }
            return running
        }
        running?.child.signal(.kill)
        _ = try? await running?.end.value
    }

    /// Asks it something.
    @discardableResult
    func ask(_ path: String, _ body: [String: String]) async throws -> Fetched {
        let answer = try await fetch(
            "\(self.url)/v3/\(path)",
            method: .POST,
            body: String(decoding: try JSONEncoder().encode(body), as: UTF8.self)
        )
        guard answer.status == 200 else { throw TestFailure("etcd answers \(answer.status) to \(path): \(answer.text)") }
        return answer
    }

    static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    /// A key, with its value.
    struct Entry: Decodable {
        var value: String?
        var lease: String?
        var mod_revision: String?
    }

    /// What lies at a key.
    func entry(_ key: String) async throws -> Entry? {
        struct Range: Decodable { var kvs: [Entry]? }
        return try await self.ask("kv/range", ["key": Self.base64(key)]).json(Range.self).kvs?.first
    }

    /// Puts something at a key; its revision.
    @discardableResult
    func put(_ key: String, _ value: String) async throws -> String {
        struct Put: Decodable {
            struct Header: Decodable { var revision: String }
            var header: Header
        }
        return try await self.ask("kv/put", ["key": Self.base64(key), "value": Self.base64(value)]).json(Put.self).header.revision
    }
}

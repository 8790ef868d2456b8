// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCacheTesting
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
    let port: Int
    private let name: String
    /// Of all members of its cluster, where they speak with each other.
    private let peers: [String: String]
    private let running = NIOLockedValueBox<Running?>(nil)
    /// What it is asked with.
    private let token = NIOLockedValueBox<String?>(nil)

    /// - Parameter tls: its options for TLS; empty: plain HTTP.
    convenience init(folder: URL, tls: [String] = []) async throws {
        let ports = try await FreePorts.any(2)
        try self.init("default", folder: folder, tls: tls, port: ports[0], peers: ["default": "http://127.0.0.1:\(ports[1])"])
    }

    private init(_ name: String, folder: URL, tls: [String], port: Int, peers: [String: String]) throws {
        self.program = try Neighbour.etcd.require()
        (self.name, self.folder, self.tls, self.port, self.peers) = (name, folder, tls, port, peers)
        self.scheme = tls.isEmpty ? "http" : "https"
    }

    /// The members of one cluster, none of which runs yet.
    static func cluster(of count: Int, folder: URL) async throws -> [Etcd] {
        let ports = try await FreePorts.any(2 * count)
        let names = (0..<count).map { "e\($0)" }
        let peers = Dictionary(uniqueKeysWithValues: zip(names, ports[count...].map { "http://127.0.0.1:\($0)" }))
        return try zip(names, ports).map { name, port in try Etcd(name, folder: folder, tls: [], port: port, peers: peers) }
    }

    /// Runs all of them while `body` does.
    static func run(_ members: [Etcd], _ body: () async throws -> Void) async throws {
        let result: Result<Void, any Error>
        do {
            // None is healthy before most are there.
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for member in members { tasks.addTask { try await member.start() } }
                try await tasks.waitForAll()
            }
            result = .success(try await body())
        } catch { result = .failure(error) }
        for member in members { await member.kill() }
        try result.get()
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
        let peer = self.peers[self.name] ?? ""
        let cluster = self.peers.map { "\($0)=\($1)" }.joined(separator: ",")
        let arguments =
            [
                "--name", self.name, "--data-dir", self.folder.appendingPathComponent("etcd-\(self.name)").path,
                "--listen-client-urls", self.url, "--advertise-client-urls", self.url, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster, "--logger", "zap", "--log-level", "error",
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
        try? await started.pass()
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

    /// Stops it where it is, or lets it go on. What is sent to it is taken, and not answered.
    func stand(_ isStill: Bool) {
        self.running.withLockedValue { $0?.child }?.signal(isStill ? .suspend : .resume)
    }

    /// How many watches it holds.
    func watches() async throws -> Int {
        let line = try await fetch("\(self.url)/metrics").text.split(separator: "\n").first {
            $0.hasPrefix("etcd_debugging_mvcc_watcher_total ")
        }
        return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }

    /// Asks from now on as somebody.
    func logIn(_ name: String, _ password: String) async throws {
        struct Answer: Decodable { var token: String }
        // With one that is void even this is refused.
        self.token.withLockedValue { $0 = nil }
        let answer = try await self.ask("auth/authenticate", ["name": name, "password": password]).json(Answer.self)
        self.token.withLockedValue { $0 = answer.token }
    }

    /// Asks it something.
    @discardableResult
    func ask(_ path: String, _ body: some Encodable) async throws -> Fetched {
        let answer = try await fetch(
            "\(self.url)/v3/\(path)",
            method: .POST,
            headers: self.token.withLockedValue { $0.map { ["authorization": $0] } ?? [:] },
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

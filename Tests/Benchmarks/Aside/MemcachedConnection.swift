// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The commands of memcached's text protocol that the application needs.
struct MemcachedConnection: Sendable {
    private let connection: Connection

    init(port: Int) { self.connection = Connection(port: port, read: Self.read) }

    func get(_ key: String) async throws -> String? {
        guard case .value(let value) = try await self.connection.send(ByteBuffer(string: "get \(key)\r\n")) else { throw NotUnderstood() }
        return value
    }

    func set(_ key: String, _ value: String, seconds: Int) async throws {
        guard try await self.store("set", key, value, seconds) else { throw NotUnderstood() }
    }

    /// Whether there was no such key.
    func add(_ key: String, _ value: String, seconds: Int) async throws -> Bool { try await self.store("add", key, value, seconds) }

    func delete(_ key: String) async throws {
        switch try await self.connection.send(ByteBuffer(string: "delete \(key)\r\n")) {
        case .status("DELETED"), .status("NOT_FOUND"): return
        default: throw NotUnderstood()
        }
    }

    private func store(_ verb: String, _ key: String, _ value: String, _ seconds: Int) async throws -> Bool {
        let command = ByteBuffer(string: "\(verb) \(key) 0 \(seconds) \(value.utf8.count)\r\n\(value)\r\n")
        switch try await self.connection.send(command) {
        case .status("STORED"): return true
        case .status("NOT_STORED"): return false
        default: throw NotUnderstood()
        }
    }

    private static func read(_ bytes: inout ByteBuffer) throws -> Reply? {
        guard let (text, length) = try bytes.line() else { return nil }
        if text.hasPrefix("VALUE ") {
            guard let count = text.split(separator: " ").last.flatMap({ Int($0) }) else { throw NotUnderstood() }
            return try bytes.takeValue(after: length, count, then: "\r\nEND\r\n").map { .value($0) }
        }
        bytes.moveReaderIndex(forwardBy: length)
        return text == "END" ? .value(nil) : .status(text)
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The commands of Redis that the application and its database need.
struct RedisConnection: Sendable {
    private let connection: Connection

    init(port: Int) { self.connection = Connection(port: port, read: Self.read) }

    func get(_ key: String) async throws -> String? {
        guard case .value(let value) = try await self.send(["GET", key]) else { throw NotUnderstood() }
        return value
    }

    /// Whether it was set.
    func set(_ key: String, to value: String, milliseconds: Int? = nil, onlyIfAbsent: Bool = false) async throws -> Bool {
        var words = ["SET", key, value]
        if let milliseconds { words += ["PX", String(milliseconds)] }
        if onlyIfAbsent { words.append("NX") }
        switch try await self.send(words) {
        case .status("OK"): return true
        case .value(nil): return false
        default: throw NotUnderstood()
        }
    }

    func delete(_ key: String) async throws {
        guard case .number = try await self.send(["DEL", key]) else { throw NotUnderstood() }
    }

    func increment(_ key: String) async throws {
        guard case .number = try await self.send(["INCR", key]) else { throw NotUnderstood() }
    }

    func evaluate(_ script: String, key: String, argument: String) async throws {
        guard case .number = try await self.send(["EVAL", script, "1", key, argument]) else { throw NotUnderstood() }
    }

    private func send(_ words: [String]) async throws -> Reply {
        var bytes = ByteBuffer(string: "*\(words.count)\r\n")
        for word in words { bytes.writeString("$\(word.utf8.count)\r\n\(word)\r\n") }
        return try await self.connection.send(bytes)
    }

    private static func read(_ bytes: inout ByteBuffer) throws -> Reply? {
        guard let (text, length) = try bytes.line() else { return nil }
        let rest = String(text.dropFirst())
        switch text.first {
        case "$":
            guard rest != "-1" else {
                bytes.moveReaderIndex(forwardBy: length)
                return .value(nil)
            }
            guard let count = Int(rest) else { throw NotUnderstood() }
            return try bytes.takeValue(after: length, count, then: "\r\n").map { .value($0) }
        case ":":
            guard let number = Int(rest) else { throw NotUnderstood() }
            bytes.moveReaderIndex(forwardBy: length)
            return .number(number)
        case "+", "-":
            bytes.moveReaderIndex(forwardBy: length)
            return .status(rest)
        default: throw NotUnderstood()
        }
    }
}

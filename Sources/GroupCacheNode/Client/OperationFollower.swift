// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GroupCacheAdmin
internal import NIOHTTP1

/// An operation as a node shows it.
struct ShownOperation: Decodable, Sendable {
    var id: UInt64
    var operation: String
    var group: String?
    var phase: String
    var status: String
    var done: Int
    var total: Int
    var percent: Int?
    var ageMs: Int
    var remainingMs: Int?
    var message: String?
    var result: [String: Int]?

    var isFinished: Bool { self.status != "Working" }

    /// A line of a list.
    var line: String {
        var parts = ["\(self.id)", self.operation, self.group ?? "-", self.phase]
        if let percent { parts.append("\(percent)%") }
        if self.total > 0 { parts.append("\(self.done)/\(self.total)") }
        if let remainingMs { parts.append("about \(Self.seconds(remainingMs)) left") }
        if let result, !result.isEmpty {
            parts.append(result.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
        }
        if let message { parts.append(WatchCommand.line(message)) }
        return parts.joined(separator: "  ")
    }

    /// How far it has come, on a terminal.
    func bar(width: Int = 30) -> String {
        let filled = (self.percent ?? 0) * width / 100
        var text = "\(self.operation) [\(String(repeating: "#", count: filled))\(String(repeating: ".", count: width - filled))]"
        text += self.percent.map { " \($0)%" } ?? " \(self.phase)"
        if let remainingMs { text += " about \(Self.seconds(remainingMs)) left" }
        return text
    }

    private static func seconds(_ milliseconds: Int) -> String { "\((milliseconds + 999) / 1_000)s" }
}

/// All operations of a node.
struct OperationList: Decodable, Sendable {
    var items: [ShownOperation]
}

/// Starts an operation and follows it: with a bar on a terminal, with plain lines otherwise.
struct OperationFollower: Sendable {
    let options: AdminClientOptions

    func start(_ kind: String, group: String?, keys: [String], wait: Bool) async throws {
        let body = try JSONText.encode(OperationRequest(kind: kind, group: group, keys: keys.isEmpty ? nil : keys))
        var answer = try await self.options.asking { client in
            try await client.ask(.POST, "/v1/operations", headers: ["Content-Type": "application/json"], body: Array(body.utf8))
        }
        if wait { answer = try await self.follow(answer) }
        try self.report(answer)
    }

    /// Asks again and again until it has ended.
    func follow(_ first: NodeClient.Answer) async throws -> NodeClient.Answer {
        var answer = first
        var operation = try self.operation(answer)
        let isTerminal = isatty(STDERR_FILENO) == 1 && !self.options.json
        var last = ""
        while !operation.isFinished {
            let line = isTerminal ? operation.bar() : operation.line
            if isTerminal {
                FileHandle.standardError.write(Data("\r\u{1B}[K\(line)".utf8))
            } else if !self.options.json, line != last {
                Console.error(line)
            }
            last = line
            let id = operation.id
            answer = try await self.options.asking { try await $0.ask(.GET, "/v1/operations/\(id)?wait=\(isTerminal ? "500ms" : "2s")") }
            operation = try self.operation(answer)
        }
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        return answer
    }

    /// Prints how it stands.
    ///
    /// - Throws: ``CommandError``: it has failed, or was stopped though nobody asked for that here.
    func report(_ answer: NodeClient.Answer) throws {
        let operation = try self.operation(answer)
        if self.options.json { Console.print(raw: answer.body) } else { Console.print(operation.line) }
        if operation.phase == "failed" { throw CommandError("operation \(operation.id) has failed: \(operation.message ?? "")") }
    }

    private func operation(_ answer: NodeClient.Answer) throws -> ShownOperation {
        do {
            return try JSONDecoder().decode(ShownOperation.self, from: Data(answer.body))
        } catch {
            throw CommandError("\(self.options.node) answered something that is no operation")
        }
    }
}

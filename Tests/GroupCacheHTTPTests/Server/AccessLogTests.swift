// SPDX-License-Identifier: Apache-2.0

import GroupCache
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCacheHTTP

@Suite("Server: the access log", .timeLimit(.minutes(5))) struct AccessLogTests {
    private final class Log: Sendable {
        private struct Handler: LogHandler {
            let lines: NIOLockedValueBox<[[String: String]]>
            var metadata: Logger.Metadata = [:]
            var logLevel = Logger.Level.trace
            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { self.metadata[key] }
                set { self.metadata[key] = newValue }
            }
            func log(event: LogEvent) {
                guard event.message == "request" else { return }
                self.lines.withLockedValue { $0.append((event.metadata ?? [:]).mapValues { "\($0)" }) }
            }
        }

        private let box = NIOLockedValueBox<[[String: String]]>([])
        var logger: Logger { Logger(label: "test") { [box] _ in Handler(lines: box) } }
        var lines: [[String: String]] { self.box.withLockedValue { $0 } }
    }

    /// A node with a log of its own.
    private func node<R: Sendable>(rate: Double, _ body: @Sendable (Int, Log) async throws -> R) async throws -> R {
        let log = Log()
        var configuration = HTTPPool.Configuration(listen: .init(host: "127.0.0.1", port: 0))
        configuration.publicRoutes = true
        configuration.accessLog = rate
        let pool = try HTTPPool(configuration: configuration, logger: log.logger)
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { try await pool.run() }
            let port = try await pool.boundAddress.port ?? 0
            let group = try Group<String>("g", capacity: .mebibytes(1), peers: pool) { (key: Key, _) async throws -> String? in
                key == "Tom" ? "630" : nil
            }
            defer { withExtendedLifetime(group) {} }
            return try await body(port, log)
        }
    }

    @Test("a line has the pattern of the path and never the key, the query or a token, whatever is asked")
    func lines() async throws {
        try await self.node(rate: 1) { port, log in
            for (line, headers) in [
                (
                    "GET /v1/groups/g/keys/Tom",
                    "X-Request-ID: abc-1.2\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
                ),
                ("HEAD /v1/groups/g/keys/Tom", "X-Request-ID: two words\r\n"), ("GET /v1/groups/g/keys/secret%20key?token=secret", ""),
                ("GET /v1/groups/secret/keys/secret", "Authorization: Bearer secret-secret-secret\r\n"), ("GET /secret/secret", ""),
                ("DELETE /v1/groups/g/keys/secret", "X-Request-ID: \(String(repeating: "s", count: 65))\r\n"), ("DELETE /v1/ring", ""),
                ("GET /livez", ""),
            ] {
                _ = try await answer(port, line, headers: headers)
            }
            try await eventually { log.lines.count == 8 }
            let lines = log.lines
            let shown = lines.map { "\($0["method"] ?? "") \($0["route"] ?? "") \($0["group"] ?? "-") \($0["status"] ?? "")" }
            #expect(
                shown == [
                    "GET /v1/groups/{group}/keys/{key} g 200", "HEAD /v1/groups/{group}/keys/{key} g 200",
                    "GET /v1/groups/{group}/keys/{key} g 404", "GET /v1/groups/{group}/keys/{key} - 404", "GET - - 404",
                    "DELETE /v1/groups/{group}/keys/{key} g 204", "DELETE - - 405", "GET /livez - 200",
                ]
            )
            #expect(lines[0]["id"] == "abc-1.2" && lines[0]["trace"] == "0af7651916cd43dd8448eb211c80319c" && lines[0]["bytes"] == "3")
            #expect(lines[1]["bytes"] == "0")
            // What is not short and plain is no id: the others have numbers, each its own.
            #expect(Set(lines.compactMap { $0["id"] }).count == 8 && lines.dropFirst().allSatisfy { $0["id"]?.utf8.count == 16 })
            #expect(lines.allSatisfy { $0["microseconds"].flatMap { Int($0) } != nil && $0["cut"] == nil })
            let all = lines.flatMap { $0.values }.joined(separator: " ")
            #expect(!all.contains("secret") && !all.contains("Tom") && !all.contains("sss"))
        }
    }

    @Test("what is told piece by piece is logged when it ends, and says if its client had gone")
    func streams() async throws {
        try await self.node(rate: 1) { port, log in
            let batch = try await RawConnection(port: port)
            let body = #"{"keys":["Tom","Jack"]}"#
            try await batch.send(
                "POST /v1/groups/g/keys:get HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            try await eventually { log.lines.count == 1 }
            await batch.close()
            #expect(log.lines[0]["status"] == "200" && log.lines[0]["cut"] == nil && Int(log.lines[0]["bytes"] ?? "") ?? 0 > 20)
            // One that is refused for its body is logged as well.
            let refused = try await RawConnection(port: port)
            try await refused.send("PUT /v1/groups/g/keys/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n")
            _ = try await refused.response(hasBody: true)
            await refused.close()
            try await eventually { log.lines.count == 2 }
            #expect(log.lines[1]["status"] == "413" && log.lines[1]["route"] == "/v1/groups/{group}/keys/{key}")
            let watch = try await RawConnection(port: port)
            try await watch.send("GET /v1/watch/groups/g HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await watch.close()
            try await eventually { log.lines.count == 3 }
            #expect(log.lines[2]["route"] == "/v1/watch/groups/{group}" && log.lines[2]["cut"] == "true")
        }
    }

    @Test("which requests are logged is drawn by lot, about as many as was said")
    func rate() {
        for rate in [0.01, 0.5, 0.999] {
            let log = AccessLog(rate: rate, logger: Logger(label: "test"))
            var lot = Lot(seed: 1)
            let taken = (0..<100_000).count { _ in log?.takes(&lot) == true }
            #expect(abs(Double(taken) / 100_000 - rate) < 0.01, "\(rate)")
        }
        #expect(AccessLog(rate: 0, logger: Logger(label: "test")) == nil)
    }

    @Test("nothing is logged by default, and what is no part is refused")
    func off() async throws {
        try await self.node(rate: 0) { port, log in
            let first = try await answer(port, "GET /livez").status
            #expect(first == 200 && log.lines.isEmpty)
        }
        for rate in [-0.1, 1.1, .nan, .infinity] {
            var configuration = HTTPPool.Configuration()
            configuration.accessLog = rate
            #expect(throws: GroupCacheError.self, "\(rate)") { try HTTPPool(configuration: configuration) }
        }
    }
}

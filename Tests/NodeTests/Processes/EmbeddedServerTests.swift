import Foundation
import Subprocess
import Testing

extension ProcessTests {
    @Suite struct EmbeddedServerTests {
        private struct Score: Decodable {
            var name: String
            var points: Int
        }

        private struct Statistics: Decodable {
            var gets: Int
            var queries: Int
        }

        private static func run<Result: Sendable>(
            ports: [Int],
            peers: String,
            _ body: @escaping @Sendable ([String]) async throws -> Result
        ) async throws -> Result {
            guard let port = ports.first else { return try await body([]) }
            let arguments = ["--port", "0", "--peer-port", "\(port)", "--peers", peers]
            let end = try await Child.run(try Programs.path("EmbeddedServer"), arguments) { child in
                let url = try await child.output.line { $0.hasPrefix("listening ") }.dropFirst("listening ".count)
                let result = try await Self.run(ports: Array(ports.dropFirst()), peers: peers) { try await body([String(url)] + $0) }
                child.signal(.terminate)
                await child.wait()
                return result
            }
            #expect(end.status == .exited(0), "\(end.error)")
            return end.result
        }

        @Test func threeServersAskTheDatabaseOnce() async throws {
            let ports = try await FreePorts.any(3)
            let peers = ports.map { "http://127.0.0.1:\($0)" }
            try await Self.run(ports: ports, peers: peers.joined(separator: ",")) { urls in
                for peer in peers { _ = try await fetch("\(peer)/readyz", until: { $0.status == 200 }) }
                for (name, points) in [("Tom", 630), ("Jack", 589), ("Sam", 567)] {
                    let answers = try await withThrowingTaskGroup(of: Score.self) { tasks in
                        for url in urls + urls { tasks.addTask { try await fetch("\(url)/scores/\(name)").json() } }
                        return try await tasks.reduce(into: []) { $0.append($1) }
                    }
                    #expect(answers.count == 6 && answers.allSatisfy { $0.points == points && $0.name == name })
                }
                let got1 = try await fetch("\(urls[0])/scores/nobody").status
                #expect(got1 == 404)
                var queries = 0
                for url in urls { queries += try await fetch("\(url)/stats").json(Statistics.self).queries }
                // Three names and "nobody".
                #expect(queries == 4)
            }
        }
    }
}

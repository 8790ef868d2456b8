// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOHTTP1
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
            environment: [String: String] = [:],
            _ body: @escaping @Sendable ([String]) async throws -> Result
        ) async throws -> Result {
            guard let port = ports.first else { return try await body([]) }
            let arguments = ["--port", "0", "--peer-port", "\(port)", "--peers", peers]
            let end = try await Child.run(try Programs.path("EmbeddedServer"), arguments, environment: environment) { child in
                let url = try await child.output.line { $0.hasPrefix("listening ") }.dropFirst("listening ".count)
                let result = try await Self.run(ports: Array(ports.dropFirst()), peers: peers, environment: environment) {
                    try await body([String(url)] + $0)
                }
                child.signal(.terminate)
                await child.wait()
                return result
            }
            #expect(end.status == .exited(0), "\(end.error)")
            return end.result
        }

        private static func queries(_ urls: [String]) async throws -> Int {
            var queries = 0
            for url in urls { queries += try await fetch("\(url)/stats").json(Statistics.self).queries }
            return queries
        }

        @Test func threeServersAskTheDatabaseOnce() async throws {
            let ports = try await FreePorts.any(3)
            let peers = ports.map { "http://127.0.0.1:\($0)" }
            try await Self.run(ports: ports, peers: peers.joined(separator: ",")) { urls in
                for peer in peers { _ = try await fetch("\(peer)/readyz", until: { $0.status == 200 }) }
                try await Acquaintance.wait(urls, peers: peers)
                let before = try await Self.queries(urls)
                for (name, points) in [("Tom", 630), ("Jack", 589), ("Sam", 567)] {
                    let answers = try await withThrowingTaskGroup(of: Score.self) { tasks in
                        for url in urls + urls { tasks.addTask { try await fetch("\(url)/scores/\(name)").json() } }
                        return try await tasks.reduce(into: []) { $0.append($1) }
                    }
                    #expect(answers.count == 6 && answers.allSatisfy { $0.points == points && $0.name == name })
                }
                let got1 = try await fetch("\(urls[0])/scores/nobody").status
                #expect(got1 == 404)
                // Three names and "nobody".
                let queries = try await Self.queries(urls) - before
                #expect(queries == 4)
            }
        }

        @Test("a change is seen at every server when the PUT has returned, and the cache's own routes are on the application's port")
        func changes() async throws {
            try await withTemporaryFolder { folder in
                let file = folder.appendingPathComponent("scores.json").path
                try #"{"Tom": 630}"#.write(toFile: file, atomically: true, encoding: .utf8)
                let ports = try await FreePorts.any(3)
                let peers = ports.map { "http://127.0.0.1:\($0)" }
                try await Self.run(ports: ports, peers: peers.joined(separator: ","), environment: ["SCORES": file]) { urls in
                    for peer in peers { _ = try await fetch("\(peer)/readyz", until: { $0.status == 200 }) }
                    try await Acquaintance.wait(urls, peers: peers)
                    for points in [630, 700, 701, 702] {
                        if points != 630 {
                            let put = try await fetch("\(urls[points % 3])/scores/Tom", method: .PUT, body: #"{"points": \#(points)}"#)
                            #expect(put.status == 204, "\(put.text)")
                        }
                        for url in urls {
                            #expect(try await fetch("\(url)/scores/Tom").json(Score.self).points == points)
                        }
                    }
                    let value = try await fetch("\(urls[0])/v1/groups/scores/keys/Tom")
                    let points = try value.json(Score.self).points
                    #expect(value.status == 200 && points == 702)
                    let refused = try await fetch("\(urls[0])/v1/groups/scores/keys/Tom", method: .DELETE).status
                    #expect(refused == 403)
                    #expect(try await fetch("\(urls[0])/_groupcache/scores/Tom").status == 404)
                    #expect(try await fetch("\(urls[0])/readyz").status == 200)
                }
            }
        }
    }
}

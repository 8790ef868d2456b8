// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import Testing

@testable import GroupCacheNode

extension ProcessTests {
    /// Two Go nodes and two of ours in one ring.
    @Suite(.enabled(if: Neighbour.go.isWanted, Neighbour.go.comment)) struct GoInteropTests {
        struct Wire: Sendable, CustomTestStringConvertible {
            var program: String
            var arguments: [String]
            var dialect: String
            var testDescription: String { self.dialect }
        }

        @Test(arguments: [
            Wire(program: "gopeer", arguments: [], dialect: "groupcache"),
            Wire(program: "geepeer", arguments: ["-body", "raw"], dialect: "geecache"),
            Wire(program: "geepeer", arguments: ["-body", "protobuf"], dialect: "geecache-protobuf"),
        ])
        func oneRing(_ wire: Wire) async throws {
            try await self.withRing(wire, go: 2, ours: 2) { go, ours in
                // Every node of either kind has the right bytes for every key.
                try await forEachConcurrently(InteropKeys.all) { key in
                    for url in ours {
                        let answer = try await fetch(NodeProgram.keyURL(url, "scores", key))
                        #expect(answer.status == 200 && answer.text == InteropKeys.value(key), "\(key) from our \(url)")
                    }
                    for url in go {
                        let answer = try await fetch("\(url)/control/get?key=\(PercentEncoding.encode(key))")
                        #expect(answer.status == 200 && answer.text == InteropKeys.value(key), "\(key) from Go's \(url)")
                    }
                }
                // Both kinds name the same owner.
                let owners = try await Self.owners(go: go[0], ours: ours[0])
                #expect(Set(owners.values) == Set(go + ours))
                // Every key was loaded once, by its owner.
                var loaded: [String: Int] = [:]
                for url in go {
                    let loads = try await GoPeer.loads(url)
                    #expect(loads.values.allSatisfy { $0 == 1 })
                    for key in loads.keys { #expect(owners[String(decoding: key, as: UTF8.self)] == url) }
                    loaded[url] = loads.count
                }
                for url in ours { loaded[url] = try await GroupCounters.fetch(node: url, group: "scores").localLoads }
                for url in go + ours { #expect(loaded[url] == owners.values.count { $0 == url }, "\(url): \(loaded)") }
            }
        }

        /// The library as it stands takes a `+` of the path literally; we must never send one for a space.
        @Test func aStockServerReadsOurEscapes() async throws {
            let wire = Wire(program: "gopeer", arguments: ["-plus", "literal"], dialect: "groupcache")
            try await self.withRing(wire, go: 1, ours: 1) { go, ours in
                try await forEachConcurrently(InteropKeys.all) { key in
                    let answer = try await fetch(NodeProgram.keyURL(ours[0], "scores", key))
                    #expect(answer.text == InteropKeys.value(key), "\(key)")
                }
                let got1 = try await GoPeer.loads(go[0]).count
                #expect(got1 > 100)
                let got2 = try await GroupCounters.fetch(node: ours[0], group: "scores").peerLoads
                #expect(got2 > 100)
            }
        }

        /// Its kernel takes connections and requests, and nobody answers. Who asks gets the value all the same, and after a few such keys at once.
        @Test func aNodeThatStandsStillIsPassedOverAndComesBack() async throws {
            try await withTemporaryFolder { folder in
                try await GoPeer.build(into: folder)
                let file = folder.appendingPathComponent("keys.csv").path
                try InteropKeys.csv.write(toFile: file, atomically: true, encoding: .utf8)
                _ = try await Child.run(folder.appendingPathComponent("gopeer").path, ["-until-eof"]) { child in
                    let url = try await "http://" + child.output.line { $0.hasPrefix("listening ") }.dropFirst("listening ".count)
                    let ports = try await FreePorts.any(1)
                    let ring = [url, "http://127.0.0.1:\(ports[0])"]
                    try await GoPeer.join([url], ring: ring)
                    let arguments = ["--dialect", "groupcache", "--group", "scores=csv:\(file)", "--peer-timeout", "300ms"]
                    try await NodeProgram.serve(ports: ports, peers: ring, arguments) { ours in
                        var keys = try await Self.owners(go: url, ours: ours[0]).filter { $0.value == url }.keys.sorted()[...]
                        func ask() async throws -> Int {
                            guard let key = keys.popFirst() else {
                                throw TestFailure("so many keys, and still none is asked for as it should be")
                            }
                            let answer = try await fetch(NodeProgram.keyURL(ours[0], "scores", key))
                            #expect(answer.status == 200 && answer.text == InteropKeys.value(key), "\(key)")
                            return try await GroupCounters.fetch(node: ours[0], group: "scores").peerErrors
                        }
                        // In the time that it has, which may be over on a machine that is busy: by and by one comes from there.
                        var before = 0
                        repeat { before = try await ask() } while try await GoPeer.loads(url).isEmpty
                        child.signal(.suspend)
                        var (errors, passedOver) = (before, 0)
                        while passedOver < 8 {
                            let now = try await ask()
                            passedOver = now == errors ? passedOver + 1 : 0
                            errors = now
                        }
                        #expect(errors > before)
                        child.signal(.resume)
                        // By and by: it is tried again now and then.
                        while try await GoPeer.loads(url).count < 8 {
                            _ = try await ask()
                            try await Task.sleep(for: .milliseconds(20))
                        }
                    }
                }
            }
        }

        private struct Explanation: Decodable { var owner: String }

        /// Each key's owner, which both kinds of node have to agree on.
        private static func owners(go: String, ours: String) async throws -> [String: String] {
            try await withThrowingTaskGroup(of: [String: String].self) { tasks in
                for start in 0..<16 {
                    tasks.addTask {
                        var part: [String: String] = [:]
                        for index in stride(from: start, to: InteropKeys.all.count, by: 16) {
                            let key = InteropKeys.all[index]
                            let segment = PercentEncoding.encode(key)
                            let own = try await fetch("\(ours)/v1/ring/scores/\(segment)").json(Explanation.self).owner
                            let theirs = try await fetch("\(go)/control/owner?key=\(segment)").text
                            #expect(own == theirs.trimmingCharacters(in: .newlines), "\(key)")
                            part[key] = own
                        }
                        return part
                    }
                }
                return try await tasks.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
            }
        }

        private func withRing(
            _ wire: Wire,
            go: Int,
            ours: Int,
            _ body: @escaping @Sendable (_ go: [String], _ ours: [String]) async throws -> Void
        ) async throws {
            try await withTemporaryFolder { folder in
                try await GoPeer.build(into: folder)
                let file = folder.appendingPathComponent("keys.csv").path
                try InteropKeys.csv.write(toFile: file, atomically: true, encoding: .utf8)
                try await GoPeer.run(folder.appendingPathComponent(wire.program).path, wire.arguments, count: go) { goURLs in
                    let ports = try await FreePorts.any(ours)
                    let ring = goURLs + ports.map { "http://127.0.0.1:\($0)" }
                    try await GoPeer.join(goURLs, ring: ring)
                    let arguments = ["--dialect", wire.dialect, "--group", "scores=csv:\(file)"]
                    try await NodeProgram.serve(ports: ports, peers: ring, arguments) { try await body(goURLs, $0) }
                }
            }
        }
    }
}

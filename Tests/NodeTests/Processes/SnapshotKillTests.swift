// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOHTTP1
import Subprocess
import Testing

@testable import GroupCacheNode

extension ProcessTests {
    /// A node that is killed while it writes a snapshot.
    @Suite struct SnapshotKillTests {
        private static let token = "a-token-of-the-snapshot-kill-tests"
        private static let keys = 20_000

        /// What lies beside the snapshots, half written.
        private static func unfinished(in folder: URL) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.contains(".writing~") }
        }

        private static func isWriting(in folder: URL) -> Bool {
            self.unfinished(in: folder).contains { name in
                let attributes = try? FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent(name).path)
                return (attributes?[.size] as? Int ?? 0) > 0
            }
        }

        /// By which a file is told from the one that takes its place.
        private static func number(of file: URL) -> UInt64 {
            let attributes = try? FileManager.default.attributesOfItem(atPath: file.path)
            return (attributes?[.systemFileNumber] as? NSNumber)?.uint64Value ?? 0
        }

        @Test func theOneBeforeIsWholeAndIsGivenBack() async throws {
            try await withTemporaryFolder { folder in
                let (tokens, table) = (folder.appendingPathComponent("tokens"), folder.appendingPathComponent("table.csv"))
                try Data("\(Self.token)\n".utf8).write(to: tokens)
                // Long keys, so that there is something to write; but a list of them has to fit a request.
                let padding = String(repeating: "x", count: 32)
                let names = (0..<Self.keys).map { "\(padding)\($0)" }
                try Data(names.map { "\($0),1\n" }.joined().utf8).write(to: table)
                try Data(names.joined(separator: "\n").utf8).write(to: folder.appendingPathComponent("keys.txt"))
                let ports = try await FreePorts.any(2)
                let arguments = [
                    "--listen", "127.0.0.1:\(ports[0])", "--admin", "127.0.0.1:\(ports[1])", "--admin-token-file", tokens.path,
                    "--group", "table=csv:\(table.path)", "--snapshots", folder.appendingPathComponent("data").path,
                    "--restore-rate", "1000000",
                ]
                let kept = folder.appendingPathComponent("data/snapshots/127.0.0.1_\(ports[0])")
                let file = kept.appendingPathComponent("table.snapshot")
                let admin = ["--node", "http://127.0.0.1:\(ports[1])", "--token-file", tokens.path]
                let list = folder.appendingPathComponent("keys.txt").path
                @Sendable func ask(_ arguments: [String]) async throws -> String {
                    let end = try await Child.run(try Programs.path("groupcache"), arguments + admin)
                    #expect(end.status == .exited(0), "\(arguments): \(end.error)")
                    return end.output
                }

                var wasInTheMiddle = false
                for turn in 0..<20 where !wasInTheMiddle {
                    wasInTheMiddle = try await NodeProgram.serve(arguments) { child, url in
                        if turn == 0 {
                            let warmed = try await ask(["warm", "--group", "table", "--file", list, "--timeout", "60s"])
                            #expect(warmed.contains("loaded=\(Self.keys)"), "\(warmed)")
                            #expect(try await ask(["snapshot"]).contains("entries=\(Self.keys)"))
                        } else {
                            // What the last life left is given back before a new one is taken.
                            _ = try await child.error.line { $0.contains("a snapshot was given back") }
                        }
                        let before = try Data(contentsOf: file)
                        let number = Self.number(of: file)
                        let body = #"{"kind":"snapshot","group":"table"}"#
                        let begun = try await fetch(
                            "http://127.0.0.1:\(ports[1])/v1/operations",
                            method: .POST,
                            headers: ["Authorization": "Bearer \(Self.token)"],
                            body: body
                        )
                        // 200 when it has ended before it was answered.
                        #expect([200, 202].contains(begun.status), "\(begun.text)")
                        // A turn of the loop at a time, so that the moment is not missed; if it is, the next turn tries again.
                        while !Self.isWriting(in: kept), Self.number(of: file) == number {
                            try Task.checkCancellation()
                            await Task.yield()
                        }
                        child.signal(.kill)
                        await child.wait()
                        let isUnfinished = Self.isWriting(in: kept)
                        if isUnfinished { #expect(try Data(contentsOf: file) == before, "the old one is as it was") }
                        return isUnfinished
                    }.result
                }
                #expect(wasInTheMiddle, "in none of twenty lives was it killed in time")
                let end = try await NodeProgram.serve(arguments) { child, _ in
                    let line = try await child.error.line { $0.contains("a snapshot was given back") || $0.contains("refused") }
                    #expect(line.contains("given back"), "\(line)")
                    #expect(Self.unfinished(in: kept).isEmpty, "what the killed one left is cleared away")
                    let shown = try await ask(["explain", names[7], "--group", "table"])
                    #expect(shown.contains("here    hit"), "\(shown)")
                }
                #expect(!end.error.contains("refused"), "\(end.error)")
            }
        }
    }
}

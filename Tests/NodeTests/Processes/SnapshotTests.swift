// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Hummingbird
import NIOConcurrencyHelpers
import Subprocess
import Testing

@testable import GroupCacheNode

extension ProcessTests {
    /// A node that is started again after it was stopped, or killed.
    @Suite struct SnapshotTests {
        private static let token = "a-token-of-the-snapshot-tests"

        private static func arguments(_ folder: URL, _ ports: [Int], _ template: String) throws -> [String] {
            let tokens = folder.appendingPathComponent("tokens")
            try Data("\(self.token)\n".utf8).write(to: tokens)
            return [
                "--listen", "127.0.0.1:\(ports[0])", "--admin", "127.0.0.1:\(ports[1])", "--admin-token-file", tokens.path,
                "--group", "pages=\(template)", "--snapshots", folder.appendingPathComponent("data").path, "--log-level", "notice",
            ]
        }

        private static func cli(_ folder: URL, _ ports: [Int], _ arguments: String...) async throws -> Child.End<Void> {
            let tokens = folder.appendingPathComponent("tokens").path
            return try await Child.run(
                try Programs.path("groupcache"),
                arguments + ["--node", "http://127.0.0.1:\(ports[1])", "--token-file", tokens]
            )
        }

        /// Asks until `count` keys were loaded by nobody who asked for them.
        private static func waitUntilWarm(_ origin: StubOrigin, _ counts: [String: Int], _ ports: [Int]) async throws {
            for (key, count) in counts {
                while origin.count(key) < count {
                    try Task.checkCancellation()
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
        }

        @Test func afterAStopItsKeysAreLoadedAgainByItself() async throws {
            try await withTemporaryFolder { folder in
                try await StubOrigin.run { origin, template in
                    origin.answer { _, key in StubOrigin.text("value of \(key)") }
                    let ports = try await FreePorts.any(2)
                    let arguments = try Self.arguments(folder, ports, template)
                    let first = try await NodeProgram.serve(arguments) { child, url in
                        for number in 0..<20 { _ = try await fetch("\(url)/v1/groups/pages/keys/k\(number)") }
                        child.signal(.terminate)
                        await child.wait()
                    }
                    #expect(first.status == .exited(0), "\(first.error)")
                    #expect(first.error.contains("the last snapshot was taken"))
                    _ = try await NodeProgram.serve(arguments) { child, url in
                        let keys = Dictionary(uniqueKeysWithValues: (0..<20).map { ("k\($0)", 2) })
                        try await Self.waitUntilWarm(origin, keys, ports)
                        // Nobody has asked: it is there all the same, once it has been loaded.
                        let answer = try await fetch("\(url)/v1/groups/pages/keys/k7")
                        #expect(answer.text == "value of k7")
                        let list = try await Self.cli(folder, ports, "operations")
                        #expect(list.status == .exited(0) && list.output.contains("restore"), "\(list.output) \(list.error)")
                    }
                    #expect(origin.count("k7") == 2)
                }
            }
        }

        @Test func valuesThatAreKeptAreConfirmedByTheirOriginAndNotSentAgain() async throws {
            try await withTemporaryFolder { folder in
                try await StubOrigin.run { origin, template in
                    let confirmed = NIOLockedValueBox(Set<String>())
                    origin.answer { request, key in
                        if request.headers[.ifNoneMatch] == "\"v1\"" {
                            confirmed.withLockedValue { _ = $0.insert(key) }
                            return Response(status: .notModified, headers: [.eTag: "\"v1\""])
                        }
                        return StubOrigin.text("value of \(key)", [.eTag: "\"v1\""])
                    }
                    let ports = try await FreePorts.any(2)
                    let arguments = try Self.arguments(folder, ports, template) + ["--snapshot-values"]
                    let keys = (0..<10).map { "k\($0)" }
                    let first = try await NodeProgram.serve(arguments) { child, url in
                        for key in keys { _ = try await fetch("\(url)/v1/groups/pages/keys/\(key)") }
                        child.signal(.terminate)
                        await child.wait()
                    }
                    #expect(first.status == .exited(0) && confirmed.withLockedValue { $0.isEmpty }, "\(first.error)")
                    _ = try await NodeProgram.serve(arguments) { _, url in
                        try await Self.waitUntilWarm(origin, Dictionary(uniqueKeysWithValues: keys.map { ($0, 2) }), ports)
                        for key in keys {
                            let answer = try await fetch("\(url)/v1/groups/pages/keys/\(key)")
                            #expect(answer.text == "value of \(key)")
                        }
                        #expect(confirmed.withLockedValue { $0 } == Set(keys))
                    }
                }
            }
        }

        @Test func afterAKillTheLastSnapshotIsWhole() async throws {
            try await withTemporaryFolder { folder in
                try await StubOrigin.run { origin, template in
                    origin.answer { _, key in StubOrigin.text("value of \(key)") }
                    let ports = try await FreePorts.any(2)
                    let arguments = try Self.arguments(folder, ports, template)
                    _ = try await NodeProgram.serve(arguments) { child, _ in
                        let warmed = try await Self.cli(folder, ports, "warm", "--group", "pages", "a", "b", "c")
                        #expect(warmed.status == .exited(0) && warmed.output.contains("loaded=3"), "\(warmed.output) \(warmed.error)")
                        let taken = try await Self.cli(folder, ports, "snapshot")
                        #expect(taken.status == .exited(0) && taken.output.contains("entries=3"), "\(taken.output) \(taken.error)")
                        let unknown = try await Self.cli(folder, ports, "operations", "run", "format")
                        #expect(
                            unknown.status == .exited(1) && unknown.error.contains("clear, drain, restore, snapshot, warm"),
                            "\(unknown.error)"
                        )
                        child.signal(.kill)
                        await child.wait()
                    }
                    _ = try await NodeProgram.serve(arguments) { _, _ in
                        try await Self.waitUntilWarm(origin, ["a": 2, "b": 2, "c": 2], ports)
                    }
                }
            }
        }

        @Test func aSnapshotThatIsRefusedIsSaidByNameAndTheNodeStartsEmpty() async throws {
            try await withTemporaryFolder { folder in
                let ports = try await FreePorts.any(2)
                let arguments = try Self.arguments(folder, ports, "http://127.0.0.1:1/{key}")
                let kept = folder.appendingPathComponent("data/snapshots/127.0.0.1_\(ports[0])")
                try FileManager.default.createDirectory(at: kept, withIntermediateDirectories: true)
                try Data("no snapshot at all, but long enough".utf8).write(to: kept.appendingPathComponent("pages.snapshot"))
                let end = try await NodeProgram.serve(arguments) { child, url in
                    _ = try await child.error.line { $0.contains("a snapshot is refused") && $0.contains("pages.snapshot") }
                    #expect(try await fetch("\(url)/readyz").status == 200)
                    child.signal(.terminate)
                    await child.wait()
                }
                #expect(end.status == .exited(0), "\(end.error)")
                #expect(FileManager.default.fileExists(atPath: kept.appendingPathComponent("pages.snapshot.refused").path))
            }
        }

        @Test func anOperationStopsTheNode() async throws {
            try await withTemporaryFolder { folder in
                let ports = try await FreePorts.any(2)
                let arguments = try Self.arguments(folder, ports, "http://127.0.0.1:1/{key}")
                let end = try await NodeProgram.serve(arguments) { child, _ in
                    let drained = try await Self.cli(folder, ports, "operations", "run", "drain")
                    #expect(drained.status == .exited(0), "\(drained.error)")
                    await child.wait()
                }
                #expect(end.status == .exited(0), "\(end.error)")
            }
        }

        @Test(arguments: [
            (["--snapshot-every", "5m"], "--snapshots"), (["--snapshots", "/dev/null"], "symbolic link or no folder"),
            (["--snapshots", "/no/such/place"], "No such file"), (["--snapshots", "/tmp", "--snapshot-every", "5"], "--snapshot-every"),
            (["--snapshots", "/tmp", "--restore-rate", "-1"], "--restore-rate"),
        ])
        func aFolderThatCannotBeUsedIsSaidBeforeAPortOpens(_ arguments: [String], _ text: String) async throws {
            let end = try await Child.run(
                try Programs.path("groupcache"),
                ["serve", "--listen", "127.0.0.1:0", "--group", "scores=demo:", "--dry-run"] + arguments
            )
            #expect(end.status != .exited(0) && end.error.contains(text), "\(end.error)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import Testing

@testable import GroupCacheNode

extension ProcessTests {
    @Suite struct AdminCommandTests {
        private static let token = "a-token-for-the-admin-port"

        private func run(_ arguments: [String]) async throws -> Child.End<Void> {
            try await Child.run(try Programs.path("groupcache"), arguments)
        }

        @Test func theAdminPortIsAskedByItsOwnCommands() async throws {
            let file = FileManager.default.temporaryDirectory.appending(path: "admin-\(UInt64.random(in: 0 ... .max)).token")
            try Data("\(Self.token)\n".utf8).write(to: file)
            defer { try? FileManager.default.removeItem(at: file) }
            let arguments = [
                "--listen", "127.0.0.1:0", "--group", "scores=demo:", "--admin", "127.0.0.1:0", "--admin-token-file", file.path,
                "--log-format", "json",
            ]
            let end = try await NodeProgram.serve(arguments) { child, url in
                let line = try await child.output.line { $0.hasPrefix("admin ") }
                let admin = ["--node", String(line.split(separator: " ").last ?? "")]

                var end = try await self.run(["explain", "Tom"] + admin)
                #expect(end.status == .exited(0) && end.output.contains("here    miss: absent"), "\(end.output)\(end.error)")
                end = try await self.run(["get", "Tom", "--node", url])
                #expect(end.output == "630")
                end = try await self.run(["explain", "Tom", "--json"] + admin)
                #expect(end.output.contains(#""outcome":"hit""#), "\(end.output)")
                end = try await self.run(["explain", "Tom", "--group", "nothing"] + admin)
                #expect(end.status == .exited(4))
                // The data port is no admin port, and the command says what to do.
                end = try await self.run(["explain", "Tom", "--node", url])
                #expect(end.status == .exited(4) && end.error.contains("--node"), "\(end.error)")
                end = try await self.run(["top", "--node", "http://127.0.0.1:1"])
                #expect(end.status == .exited(3) && end.error.contains("--admin"), "\(end.error)")

                end = try await self.run(["top", "--count", "2", "--interval", "100ms"] + admin)
                #expect(end.status == .exited(0) && end.output.contains("GROUP") && end.output.contains("scores"), "\(end.output)")
                #expect(!end.output.contains("\u{1B}"), "no terminal is there to obey")

                end = try await self.run(["loglevel"] + admin)
                #expect(end.output.contains("groupcache.http  notice"), "\(end.output)")
                end = try await self.run(["loglevel", "debug"] + admin)
                #expect(end.status == .exited(1) && end.error.contains("token"), "\(end.error)")
                end = try await self.run(["loglevel", "groupcache.http*=trace", "--token-file", file.path] + admin)
                #expect(end.status == .exited(0) && end.output.contains("groupcache.http  trace"), "\(end.output)\(end.error)")
                end = try await self.run(["loglevel", "nothing*=trace", "--token-file", file.path] + admin)
                #expect(end.status == .exited(4) && end.error.contains("nothing*"), "\(end.error)")
                end = try await self.run(["loglevel", "--reset", "--token-file", file.path] + admin)
                #expect(end.output.contains("groupcache.http  notice") && !end.output.contains("pattern"), "\(end.output)")
                for wrong in [["top", "--count", "-1"], ["top", "--interval", "x"], ["loglevel", "a=debug", "--reset"], ["explain"]] {
                    #expect(try await self.run(wrong + admin).status == .exited(64), "\(wrong)")
                }

                end = try await self.run(["stats", "--watch", "--interval", "1ms", "--node", url])
                #expect(end.status == .exited(64))
                child.signal(.terminate)
                await child.wait()
            }
            #expect(end.status == .exited(0), "\(end.error)")
            // What was logged at all is objects.
            for line in end.error.split(separator: "\n") { #expect(line.hasPrefix("{") && line.hasSuffix("}"), "\(line)") }
        }

        @Test func statisticsAreWatchedWithRates() async throws {
            _ = try await NodeProgram.serve(["--listen", "127.0.0.1:0", "--group", "scores=demo:"]) { _, url in
                for _ in 0..<50 { _ = try await fetch("\(url)/v1/groups/scores/keys/Tom") }
                let arguments = ["stats", "--watch", "--interval", "50ms", "--node", url]
                let end = try await Child.run(try Programs.path("groupcache"), arguments) { child in
                    try await child.output.lines(3) { $0.hasPrefix("hit ratio") }
                    child.signal(.interrupt)
                    await child.wait()
                }
                let lines = end.output.split(separator: "\n").filter { $0.hasPrefix("hit ratio") }
                // The first look counts from the beginning; since then nobody has asked.
                #expect(lines[0].contains("98.0 %") && lines[0].contains("gets 50"), "\(lines)")
                #expect(lines.dropFirst().allSatisfy { $0.contains("gets 0.0/s") }, "\(lines)")
                #expect(end.status != .exited(0) && !end.output.contains("\u{1B}"))
            }
        }

        @Test func theKeysThatAreHitMostAreToldToWhoShowsAToken() async throws {
            try await withTemporaryFolder { folder in
                let token = folder.appending(path: "token").path
                try "\(Self.token)\n".write(toFile: token, atomically: true, encoding: .utf8)
                let arguments = [
                    "--listen", "127.0.0.1:0", "--group", "scores=demo:", "--admin", "127.0.0.1:0", "--admin-token-file", token,
                    "--access-log", "1",
                ]
                let end = try await NodeProgram.serve(arguments) { child, url in
                    let line = try await child.output.line { $0.hasPrefix("admin ") }
                    let admin = ["--node", String(line.split(separator: " ").last ?? "")]
                    let top = ["top", "--keys", "--count", "1", "--interval", "1s", "--group", "scores"] + admin
                    #expect(try await self.run(top).status == .exited(1), "keys need a token")
                    let shown = try await withThrowingTaskGroup(of: Void.self) { tasks in
                        tasks.addTask { while !Task.isCancelled { _ = try? await fetch("\(url)/v1/groups/scores/keys/Tom") } }
                        defer { tasks.cancelAll() }
                        return try await self.run(top + ["--token-file", token])
                    }
                    #expect(
                        shown.status == .exited(0) && shown.output.contains("Tom") && shown.output.contains("100.0 %"),
                        "\(shown.output)\(shown.error)"
                    )
                    for wrong in [["--limit", "0"], ["--limit", "513"], ["--interval", "31s"]] {
                        #expect(try await self.run(["top", "--keys"] + wrong + admin).status == .exited(64), "\(wrong)")
                    }
                    #expect(try await self.run(["top", "--limit", "5"] + admin).status == .exited(64))
                }
                let logged = end.error.split(separator: "\n").filter { $0.contains("request") && $0.contains("status=200") }
                #expect(
                    logged.count > 1 && logged.allSatisfy { $0.contains("/v1/groups/{group}/keys/{key}") && !$0.contains("Tom") },
                    "\(logged.prefix(3))"
                )
            }
            for wrong in ["-1", "1.1", "x", "nan", ""] {
                let end = try await self.run(["serve", "--access-log", wrong, "--group", "a=demo:", "--dry-run"])
                #expect(end.status == .exited(64) && end.error.contains("--access-log"), "\(wrong): \(end.error)")
            }
        }

        @Test func groupsThatWouldTakeMoreThanThereIsAreRefused() async throws {
            let groups = ["--group", "a=demo:,capacity=3GiB", "--group", "b=demo:,capacity=2GiB", "--dry-run"]
            var end = try await self.run(["serve", "--memory", "4GiB"] + groups)
            #expect(end.status == .exited(64) && end.error.contains("5 GiB") && end.error.contains("capacity="), "\(end.error)")
            end = try await self.run(["serve", "--memory", "5GiB"] + groups)
            #expect(end.status == .exited(0), "\(end.error)")
            for wrong in ["", "0", "-1", "lots", "1e9"] {
                #expect(try await self.run(["serve", "--memory", wrong] + groups).status == .exited(64), "\(wrong)")
            }
            end = try await self.run(["serve", "--log-format", "xml"] + groups)
            #expect(end.status == .exited(64) && end.error.contains("text or json"))
        }

        @Test func shellsCanBeTaught() async throws {
            for shell in ["bash", "zsh", "fish"] {
                let end = try await self.run(["--generate-completion-script", shell])
                #expect(end.status == .exited(0) && end.output.contains("explain"), "\(shell)")
            }
        }
    }
}

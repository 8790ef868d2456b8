// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
import Testing

extension ProcessTests {
    @Suite struct CommandTests {
        private func run(_ arguments: [String]) async throws -> Child.End<Void> {
            try await Child.run(try Programs.path("groupcache"), arguments)
        }

        @Test func everyCommandAsksTheNode() async throws {
            let end = try await NodeProgram.serve(["--listen", "127.0.0.1:0", "--group", "scores=demo:"]) { child, url in
                let node = ["--node", url]
                let got1 = try await self.run(["health"] + node).status
                #expect(got1 == .exited(0))

                var end = try await self.run(["get", "Tom"] + node)
                #expect(end.status == .exited(0) && end.output == "630" && end.error.isEmpty)
                end = try await self.run(["get", "a/b", "--json"] + node)
                #expect(end.output.contains(#""value":"42""#), "\(end.output)")
                end = try await self.run(["get", "nobody"] + node)
                #expect(end.status == .exited(4) && end.output.isEmpty && !end.error.contains("\n"))
                end = try await self.run(["get", "Tom", "--group", "nothing"] + node)
                #expect(end.status == .exited(4))

                let got2 = try await self.run(["set", "new key", "12 34"] + node).status
                #expect(got2 == .exited(0))
                let got3 = try await self.run(["get", "new key"] + node).output
                #expect(got3 == "12 34")
                let got4 = try await self.run(["remove", "new key"] + node).status
                #expect(got4 == .exited(0))
                let got5 = try await self.run(["get", "new key"] + node).status
                #expect(got5 == .exited(4))
                let got6 = try await self.run(["set", "Tom", "1", "--ttl", "60s"] + node).status
                #expect(got6 == .exited(0))
                let got7 = try await self.run(["get", "Tom"] + node).output
                #expect(got7 == "1")
                for arguments in [
                    ["set", "tagged", "1", "--tag", "a b", "--tag", "c"], ["remove", "--tag", "nobody"],
                    ["remove", "--tag", "a b", "--soft", "--applied"],
                    ["set", "tagged", "2", "--tag", "c"], ["remove", "--tag", "c"],
                ] {
                    let end = try await self.run(arguments + node)
                    #expect(end.status == .exited(0), "\(arguments) \(end.error)")
                }
                let gotTagged = try await self.run(["get", "tagged"] + node).status
                #expect(gotTagged == .exited(4))
                for arguments in [
                    ["remove"], ["remove", "key", "--tag", "t"], ["remove", "key", "--soft"], ["set", "k", "v", "--tag", "a,b"],
                ] {
                    let status = try await self.run(arguments + node).status
                    #expect(status == .exited(64), "\(arguments)")
                }
                let gotTooMany = try await self.run(["set", "k", "v"] + (0..<9).flatMap { ["--tag", "\($0)"] } + node).status
                #expect(gotTooMany == .exited(1))
                let got8 = try await self.run(["clear", "--json"] + node).output
                #expect(got8 == #"{"done":true}"#)
                let got9 = try await self.run(["get", "Tom"] + node).output
                #expect(got9 == "630")

                end = try await self.run(["stats"] + node)
                #expect(
                    end.output.contains("hit ratio  ") && end.output.contains("misses  ") && end.output.contains(" KiB"),
                    "\(end.output)"
                )
                end = try await self.run(["stats", "--all"] + node)
                #expect(end.output.split(separator: "\n").contains { $0.hasPrefix("gets ") }, "\(end.output)")
                #expect(end.output.contains("main.items"))
                end = try await self.run(["stats", "--json"] + node)
                let counters = try JSONDecoder().decode(GroupCounters.self, from: Data(end.output.utf8))
                #expect(counters.gets > 5)

                end = try await self.run(["ring", "Tom"] + node)
                #expect(end.status == .exited(0) && end.output.contains("owner  \(url)"), "\(end.output)")
                end = try await self.run(["ring", "--json"] + node)
                #expect(end.output.contains(#""dialect":"native""#))
                child.signal(.terminate)
                await child.wait()
                let got10 = try await self.run(["health"] + node).status
                #expect(got10 == .exited(3))
                end = try await self.run(["get", "Tom"] + node)
                #expect(end.status == .exited(3) && end.error.contains(url) && !end.error.contains("\n"))
            }
            #expect(end.status == .exited(0), "\(end.error)")
        }

        @Test func aNodeCanBeSetUpByEnvironmentAndFile() async throws {
            try await withTemporaryFolder { folder in
                let file = folder.appendingPathComponent("node.json").path
                try #"{"listen": "127.0.0.1:0", "groups": ["file=demo:"]}"#.write(toFile: file, atomically: true, encoding: .utf8)
                _ = try await NodeProgram.serve(["--config", file], environment: ["GROUPCACHE_GROUPS": "one=demo:;two=demo:"]) { _, url in
                    let got11 = try await fetch("\(url)/v1/groups/two/keys/Tom").text
                    #expect(got11 == "630")
                    let got12 = try await fetch("\(url)/v1/groups/file/keys/Tom").status
                    #expect(got12 == 404)
                }
            }
        }

        @Test(arguments: ["hit", "cached", "miss", "peer"])
        func getsOfEachKind(_ kind: String) async throws {
            let end = try await self.run(["bench", "gets", kind, "--count", "1000", "--concurrency", "3"])
            #expect(end.status == .exited(0) && end.output.isEmpty, "\(end.error)")
        }

        @Test func localNumbersHaveTheirNames() async throws {
            let end = try await self.run(["bench", "local", "--json", "--rounds", "1", "--operations", "5000", "--entries", "20000"])
            #expect(end.status == .exited(0), "\(end.error)")
            let numbers = try JSONDecoder().decode([String: Double].self, from: Data(end.output.utf8))
            let names = [
                "get_ns", "get_2threads_ns", "cached_ns", "lru_get_ns", "s3fifo_get_ns", "ring8_ns", "ring512_ns", "negative_ns",
                "stale_ns",
                "miss_us", "miss_codable_us", "served_codable_ratio",
            ]
            for name in names {
                #expect((numbers[name] ?? 0) > 0, "\(name)")
            }
            #if os(Linux)
                #expect(numbers["overhead_bytes_per_entry"] != nil)
            #endif
        }

        @Test func listAndWatchShowKeysAndWhatChanges() async throws {
            let end = try await NodeProgram.serve(["--listen", "127.0.0.1:0", "--group", "scores=demo:", "--max-connections", "64"]) {
                _,
                url in
                let node = ["--node", url]
                for key in ["Tom", "Jack", "new key"] {
                    let status = try await self.run(["set", key, "1"] + node).status
                    #expect(status == .exited(0))
                }
                let keys = try await self.run(["list", "scores"] + node).output.split(separator: "\n").sorted()
                #expect(keys == ["Jack", "Tom", "new key"])
                let some = try await self.run(["list", "scores", "--prefix", "new", "--limit", "5", "--json"] + node).output
                #expect(some.contains(#""name":"new key""#) && some.contains(#""size":1"#))
                let nothing = try await self.run(["list", "nothing"] + node).status
                #expect(nothing == .exited(4))
                let missing = try await self.run(["watch", "nothing"] + node).status
                #expect(missing == .exited(4))
                let both = try await self.run(["watch", "scores", "--key", "a", "--prefix", "b"] + node).status
                #expect(both == .exited(64))
                _ = try await Child.run(try Programs.path("groupcache"), ["watch", "scores", "--values"] + node) { watch in
                    _ = try await watch.error.line { $0.hasPrefix("! \(url) is followed from now on") }
                    let changes = [
                        (["set", "a", "b c"], "set a b c"), (["remove", "a"], "remove a"),
                        (["remove", "--tag", "t", "--soft"], "tag t (soft)"), (["clear"], "clear"),
                    ]
                    for (change, line) in changes {
                        let status = try await self.run(change + node).status
                        #expect(status == .exited(0))
                        // Before the next change: a value that has gone by then is not told.
                        _ = try await watch.output.line { $0 == line }
                    }
                    let lines = watch.output.lines
                    #expect(lines == changes.map(\.1))
                }
                _ = try await Child.run(try Programs.path("groupcache"), ["watch", "scores", "--key", "a", "--output", "json"] + node) {
                    watch in
                    _ = try await watch.error.line { $0.hasPrefix("! \(url) is followed from now on") }
                    for key in ["b", "a"] { _ = try await self.run(["set", key, "1"] + node) }
                    let line = try await watch.output.line { _ in true }
                    #expect(line.hasPrefix("{\"node\":\"\(url)\",\"event\":{\"type\":\"MODIFIED\"") && line.contains(#""name":"a""#))
                }
            }
            // Nothing has gone wrong: where it listens is all that it says.
            #expect(end.error.split(separator: "\n").allSatisfy { $0.contains(" listening") }, "\(end.error)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOHTTP1
import Subprocess
import Testing

/// The examples that are servers, as somebody would run them.
extension ProcessTests {
    @Suite struct ExampleTests {
        /// Runs a program that says where it listens.
        private static func run(
            _ program: String,
            _ arguments: [String],
            _ body: @escaping @Sendable (String) async throws -> Void
        ) async throws {
            let end = try await Child.run(try Programs.path(program), arguments) { child in
                let url = try await child.output.line { $0.hasPrefix("listening ") }.dropFirst("listening ".count)
                try await body(String(url))
                child.signal(.terminate)
                await child.wait()
            }
            #expect(end.status == .exited(0), "\(end.error)")
        }

        @Test("HTTPResponseCache: made once, and again after a change")
        func responseCache() async throws {
            try await Self.run("HTTPResponseCache", ["0"]) { url in
                let page = "\(url)/articles/1"
                let first = try await fetch(page)
                #expect(first.text == "article 1, version 1\n" && first.headers["Cache-Status"] == ["GroupCache; fwd=uri-miss; stored"])
                let second = try await fetch(page)
                #expect(second.text == first.text && second.headers["Cache-Status"].first?.hasPrefix("GroupCache; hit") == true)
                #expect(second.headers["Age"].count == 1)
                #expect(try await fetch(page, method: .PUT).status == 204)
                #expect(try await fetch(page).text == "article 1, version 2\n")
                #expect(try await fetch("\(url)/whoami").headers["Cache-Status"] == ["GroupCache; fwd=uri-miss"])
            }
        }

        @Test(
            "JoinGoRing: a Swift node and one of Go's have the same values, each loaded by its owner",
            .enabled(if: Neighbour.go.isWanted, Neighbour.go.comment)
        )
        func goRing() async throws {
            try await withTemporaryFolder { folder in
                try await GoPeer.build(into: folder)
                let program = folder.appendingPathComponent("gopeer").path
                try await GoPeer.run(program, [], count: 1) { go in
                    let own = "http://127.0.0.1:\(try await FreePorts.any(1)[0])"
                    try await GoPeer.join(go, ring: [own] + go)
                    let end = try await Child.run(try Programs.path("JoinGoRing"), [own] + go) { child in
                        _ = try await fetch("\(own)/readyz", until: { $0.status == 200 })
                        // What Go's node owns comes from there: it makes a value of any key. What this one owns has its own table.
                        var theirs = 0
                        for key in ["Tom", "Jack", "Sam"] + (0..<60).map({ "key-\($0)" }) {
                            let owner = try await fetch("\(go[0])/control/owner?key=\(key)").text.trimmingCharacters(in: .newlines)
                            let answer = try await fetch("\(own)/v1/groups/scores/keys/\(key)")
                            let fromGo = try await fetch("\(go[0])/control/get?key=\(key)")
                            if owner == own {
                                let points = ["Tom": "630", "Jack": "589", "Sam": "567"][key]
                                #expect(answer.status == (points == nil ? 404 : 200))
                                if let points { #expect(answer.text == points && fromGo.text == points) }
                            } else {
                                theirs += 1
                                #expect(answer.status == 200 && answer.text == fromGo.text, "\(key)")
                            }
                        }
                        #expect(theirs > 0)
                        #expect(try await GoPeer.loads(go[0]).count >= theirs)
                        child.signal(.terminate)
                        await child.wait()
                    }
                    #expect(end.status == .exited(0), "\(end.error)")
                }
            }
        }

        @Test(
            "ReadThroughValkey: however many ask, Redis is asked once; and not at all while it is away",
            .enabled(if: Neighbour.redis.isWanted, Neighbour.redis.comment)
        )
        func valkey() async throws {
            try await withTemporaryFolder { folder in
                let redis = try Redis(folder: folder, port: try await FreePorts.any(1)[0])
                try await Self.run("ReadThroughValkey", ["0", "127.0.0.1", "\(redis.port)"]) { url in
                    try await redis.run {
                        #expect(try await fetch("\(url)/values/Tom").status == 404)
                        #expect(try await fetch("\(url)/values/Tom", method: .PUT, body: "630").status == 204)
                        let before = try await redis.gets(url)
                        try await forEachConcurrently((0..<64).map { $0 }) { _ in
                            let text = try await fetch("\(url)/values/Tom").text
                            #expect(text == "630")
                        }
                        let after = try await redis.gets(url)
                        #expect(after == before + 1)
                        #expect(try await fetch("\(url)/values/Tom", method: .PUT, body: "700").status == 204)
                        #expect(try await fetch("\(url)/values/Tom").text == "700")
                    }
                    // Redis has gone: what is here is served, and what is not is an error and no wrong word.
                    #expect(try await fetch("\(url)/values/Tom").text == "700")
                    #expect(try await fetch("\(url)/values/Sam").status == 502)
                    // And when it is back it is asked again. (The pause after a failure is a second.)
                    try await redis.run {
                        _ = try await fetch("\(url)/values/Jack", until: { $0.status == 404 })
                    }
                }
            }
        }
    }
}

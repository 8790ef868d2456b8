// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import Informers
import Testing

@testable import GroupCacheHTTP

/// Lists of keys, and the watch that goes on from one.
@Suite("Watch: lists", .timeLimit(.minutes(5))) struct ListTests {
    private struct List: Decodable {
        struct Item: Decodable {
            struct Metadata: Decodable {
                var name: String
                var etag: String?
            }
            var kind: String
            var metadata: Metadata
            var size: Int
            var expiresAt: String?
        }
        struct Metadata: Decodable {
            var resourceVersion: String
            var `continue`: String?
        }
        var kind: String
        var metadata: Metadata
        var items: [Item]
    }

    private func list(_ port: Int, _ query: String) async throws -> List {
        let answer = try await answer(port, "GET /v1/groups/g/keys\(query)")
        #expect(answer.status == 200, "\(answer.body)")
        return try JSONDecoder().decode(List.self, from: Data(answer.body.utf8))
    }

    @Test("pages hold each key once, with its tag, size and end; a limit of 0 is for the version alone; a prefix selects")
    func pages() async throws {
        try await withWatchedNode { group, port, _ in
            for number in 0..<300 { try await group.set(Key("key/\(number)"), to: "\(number)", ttl: .seconds(3_600)) }
            _ = try? await group.get("nobody")
            try await group.set("gone", to: "x")
            try await group.remove("gone")
            var names: [String] = []
            var query = "?limit=7"
            var version = ""
            while true {
                let page = try await self.list(port, query)
                #expect(page.kind == "KeyList" && page.items.count <= 7 && (version.isEmpty || version == page.metadata.resourceVersion))
                version = page.metadata.resourceVersion
                names += page.items.map(\.metadata.name)
                guard let token = page.metadata.continue else { break }
                query = "?limit=7&continue=\(token)"
            }
            #expect(names.count == 300 && Set(names) == Set((0..<300).map { "key/\($0)" }))
            let all = try await self.list(port, "?prefix=key/29")
            #expect(Set(all.items.map(\.metadata.name)) == Set(["key/29"] + (290..<300).map { "key/\($0)" }))
            let item = try #require(all.items.first { $0.metadata.name == "key/29" })
            let value = try await answer(port, "GET /v1/groups/g/keys/key%2F29")
            #expect(value.head.contains("ETag: \(item.metadata.etag ?? "none")") && item.size == 2)
            #expect(item.expiresAt?.hasSuffix("Z") == true && item.expiresAt?.count == 20)
            let none = try await self.list(port, "?limit=0")
            #expect(none.items.isEmpty && none.metadata.continue == nil && none.metadata.resourceVersion == version)
            for other in ["/v1/groups/g/keys?prefix=k&", "/v1/groups/g/keys?"] {
                let token = try #require(try await self.list(port, "?limit=1&prefix=key").metadata.continue)
                #expect(try await answer(port, "GET \(other)continue=\(token)").status == 400)
            }
            #expect(try await answer(port, "GET /v1/groups/g/keys?resourceVersion=\(version)&resourceVersionMatch=Exact").status == 200)
            try await group.set("new", to: "x")
            #expect(try await answer(port, "GET /v1/groups/g/keys?resourceVersion=\(version)&resourceVersionMatch=Exact").status == 410)
            #expect(try await answer(port, "GET /v1/groups/g/keys?resourceVersion=\(version)").status == 200)
        }
    }

    @Test("a page that has its own name point at a node on this machine lists no keys; who proves a right to does")
    func rebinding() async throws {
        try await withWatchedNode { group, port, _ in
            try await group.set("secret", to: "1")
            for path in ["/v1/groups/g/keys", "/v1/watch/groups/g", "/v1/groups/g/keys?watch=true", "/v1/groups/g/keys/secret?watch=true"] {
                for (host, status) in [("evil.example:8001", 403), ("evil.example", 403)] {
                    let connection = try await RawConnection(port: port)
                    try await connection.send("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
                    try await connection.wait { received, _ in received.count > 12 }
                    let answer = String(decoding: connection.received, as: UTF8.self)
                    #expect(answer.hasPrefix("HTTP/1.1 \(status) ") && !answer.contains("secret"), "\(path) \(host)")
                    await connection.close()
                }
            }
            for host in ["localhost", "127.0.0.1:\(port)", "[::1]:1"] {
                let connection = try await RawConnection(port: port)
                try await connection.send("GET /v1/groups/g/keys HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n")
                try await connection.wait { _, isClosed in isClosed }
                #expect(String(decoding: connection.received, as: UTF8.self).contains("secret"))
                await connection.close()
            }
        }
    }

    @Test("pages and the watch from their version are what there is, whatever changes while they are read")
    func consistency() async throws {
        try await withWatchedNode { group, port, _ in
            for number in 0..<200 { try await group.set(Key("\(number)"), to: "first") }
            for round in 0..<10 {
                async let writer: Void = {
                    var dice = Dice(state: UInt64(round))
                    for _ in 0..<200 {
                        let key = Key("\(dice.next() % 250)")
                        if dice.next() % 3 == 0 { try await group.remove(key) } else { try await group.set(key, to: "\(round)") }
                    }
                }()
                var known: Set<String> = []
                var query = "?limit=20"
                var version = ""
                repeat {
                    let page = try await self.list(port, query)
                    known.formUnion(page.items.map(\.metadata.name))
                    version = page.metadata.resourceVersion
                    query = page.metadata.continue.map { "?limit=20&continue=\($0)" } ?? ""
                } while !query.isEmpty
                let reader = try await WatchReader(port, "/v1/watch/groups/g?resourceVersion=\(version)")
                try await writer
                // Everything is told before this, which is the last change.
                try await group.set("the end", to: "x")
                let end = Array(#""reason":"set"}}"#.utf8) + [10]
                try await reader.connection.wait { received, _ in
                    let body = WatchReader.body(received).bytes
                    return body.suffix(end.count).elementsEqual(end)
                        && String(decoding: body.suffix(200), as: UTF8.self).contains("the end")
                }
                for event in WatchReader.events(reader.connection.received) {
                    guard let name = event.object.metadata?.name else { continue }
                    if event.type == "DELETED" { known.remove(name) } else { known.insert(name) }
                }
                await reader.connection.close()
                var held: Set<String> = []
                var cursor: HeldPage.Cursor? = .start
                while let from = cursor {
                    let page = group.entries(from: from)
                    held.formUnion(page.entries.map(\.key.string))
                    cursor = page.next
                }
                #expect(known == held)
            }
        }
    }
}

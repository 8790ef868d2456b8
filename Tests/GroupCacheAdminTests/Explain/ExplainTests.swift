// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import GroupCacheHTTP
import NIOHTTP1
import Testing

@testable import GroupCacheAdmin

@Suite(.timeLimit(.minutes(5))) struct ExplainTests {
    @Test func saysWhyAGetWouldBeAHitOrAMiss() async throws {
        try await RunningAdmin.with { (admin) async throws in
            var configuration = GroupConfiguration()
            configuration.freshness.negative = .seconds(60)
            let group = try Group<String>("scores", capacity: .mebibytes(1), configuration: configuration, peers: admin.pool) { key, _ in
                key.string == "none" ? nil : key.string
            }
            let path = "/v1/groups/scores/keys"
            var it = try await admin.ask(.GET, "\(path)/Tom/explain").json
            #expect(it["outcome"] as? String == "miss" && it["reason"] as? String == "absent")
            _ = try await group.get("Tom")
            _ = try? await group.get("none")
            it = try await admin.ask(.GET, "\(path)/Tom/explain").json
            #expect(it["outcome"] as? String == "hit" && it["reason"] == nil)
            #expect((it["held"] as? [String: Any])?["kind"] as? String == "own")
            it = try await admin.ask(.GET, "\(path)/none/explain").json
            #expect((it["held"] as? [String: Any])?["isNegative"] as? Bool == true)
            try await group.remove("Tom")
            it = try await admin.ask(.GET, "\(path)/Tom/explain").json
            #expect(it["reason"] as? String == "removed")
            #expect((it["before"] as? [String: Any])?["reason"] as? String == "removed")
            #expect(group.statistics.gets == 2, "who looks counts nothing")
        }
    }

    @Test func whatANodeHoldsOfAnothersKeyIsACopyAndItsOwnerIsNamed() async throws {
        try await RunningAdmin.with(
            .init(pool: {
                $0.peers = ["http://127.0.0.1:1"]; $0.advertise = "http://127.0.0.1:2"; $0.peers.append("http://127.0.0.1:2")
            })
        ) { (admin) async throws in
            _ = try Group<String>("scores", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            let it = try await admin.ask(.GET, "/v1/groups/scores/keys/Tom/explain").json
            let nodes = it["nodes"] as? [[String: Any]] ?? []
            #expect(nodes.count == 2 && Set(nodes.compactMap { $0["place"] as? Int }) == [0, 1])
            #expect(it["owner"] as? String == nodes[0]["id"] as? String)
        }
    }

    @Test func keysOfStrangersAreOnlyText() async throws {
        try await RunningAdmin.with { (admin) async throws in
            _ = try Group<String>("scores", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            let it = try await admin.ask(.GET, "/v1/groups/scores/keys/%3Cscript%3Ealert(1)%3C%2Fscript%3E/explain")
            #expect(it.status == 200 && it.headers.first(name: "Content-Type") == "application/json")
            #expect(it.json["key"] as? String == "<script>alert(1)</script>")
            #expect(try await RawRequest.status(port: admin.port, target: "/v1/groups/scores/keys/%zz/explain") == 400)
            let odd = try await admin.ask(.GET, "/v1/groups/scores/keys/%FF%00%0A/explain")
            #expect(odd.status == 200)
            for (path, status) in [
                ("/v1/groups/none/keys/a/explain", 404),
                ("/v1/groups/scores/keys//explain", 404),
                ("/v1/groups/scores/keys/\(String(repeating: "k", count: 4_097))/explain", 400),
                ("/v1/groups/scores/keys/a/explain?x=1", 400),
            ] {
                let answer = try await admin.ask(.GET, path)
                #expect(answer.status == status && answer.json["kind"] as? String == "Status", "\(path.prefix(60)): \(answer.body)")
            }
        }
    }

    @Test func readingNeedsATokenWhereItIsSaid() async throws {
        try await RunningAdmin.with(.init(admin: { $0.tokenReads = true })) { (admin) async throws in
            _ = try Group<String>("scores", capacity: .mebibytes(1), peers: admin.pool) { key, _ in key.string }
            for path in ["/v1/groups/scores/keys/a/explain", "/v1/memory", "/v1/overview", "/v1/changes", "/metrics", "/v1/loglevel"] {
                let answer = try await admin.ask(.GET, path)
                #expect(answer.status == 401 && answer.headers.first(name: "WWW-Authenticate") == "Bearer", "\(path)")
                #expect(try await admin.ask(.GET, path + "?token=\(RunningAdmin.token)").status == 401, "\(path)")
                let allowed = try await admin.ask(.GET, path, token: RunningAdmin.token)
                #expect(allowed.status == 200 || path == "/v1/loglevel", "\(path)")
            }
            #expect(try await admin.ask(.GET, "/").status == 200)
        }
    }

    @Test func memoryIsToldByGroupAndShard() async throws {
        try await RunningAdmin.with { (admin) async throws in
            var configuration = GroupConfiguration()
            configuration.shards = 4
            let group = try Group<String>("scores", capacity: .mebibytes(1), configuration: configuration, peers: admin.pool) { key, _ in
                key.string
            }
            for number in 0..<100 { _ = try await group.get("\(number)") }
            let memory = try await admin.ask(.GET, "/v1/memory").json
            let first = (memory["groups"] as? [[String: Any]])?.first ?? [:]
            #expect(first["capacity"] as? Int == 1 << 20)
            let shards = first["shards"] as? [[String: Any]] ?? []
            #expect(shards.count == 4)
            let entries = shards.compactMap { ($0["own"] as? [String: Any])?["entries"] as? Int }
            #expect(entries.reduce(0, +) == 100)
            #expect((first["used"] as? Int ?? 0) > 100)
        }
    }
}

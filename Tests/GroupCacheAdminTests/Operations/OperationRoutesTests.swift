// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import GroupCacheHTTP
import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Testing

@testable import GroupCache
@testable import GroupCacheAdmin

/// Operations over HTTP, by a client as any other.
@Suite(.timeLimit(.minutes(5))) struct OperationRoutesTests {
    private static func group(_ admin: RunningAdmin, _ name: String = "scores", gate: Gate? = nil) throws -> Group<String> {
        try Group(name, capacity: .mebibytes(1), peers: admin.pool, codec: StringCodec()) { key, _ in
            try await gate?.pass()
            return "value of \(key.string)"
        }
    }

    @Test func `Keys are warmed: 202 with a place to look, then 200 with what it came to`() async throws {
        try await RunningAdmin.with { admin in
            let gate = Gate()
            let group = try Self.group(admin, gate: gate)
            let answer = try await admin.ask(
                .POST,
                "/v1/operations",
                token: RunningAdmin.token,
                body: #"{"kind":"warm","group":"scores","keys":["Tom","Jack"]}"#
            )
            #expect(answer.status == 202 && answer.headers.first(name: "Location") == "/v1/operations/1")
            #expect(answer.json["status"] as? String == "Working" && answer.json["code"] as? Int == 202)
            gate.open()
            let ended = try await admin.ask(.GET, "/v1/operations/1?wait=30s")
            #expect(ended.status == 200 && ended.json["status"] as? String == "Success" && ended.json["percent"] as? Int == 100)
            #expect((ended.json["result"] as? [String: Int])?["loaded"] == 2)
            #expect(group.cached("Tom") == "value of Tom")
            // No key is shown to who may only read.
            #expect(!ended.body.contains("Tom"))
            let list = try await admin.ask(.GET, "/v1/operations")
            #expect((list.json["items"] as? [[String: Any]])?.compactMap { $0["id"] as? Int } == [1])
            #expect(list.json["kinds"] as? [String] == ["clear", "warm"])
        }
    }

    @Test func `A group is cleared, and who waits is told at once`() async throws {
        try await RunningAdmin.with { admin in
            let group = try Self.group(admin)
            try await group.set("Tom", to: "630")
            let body = #"{"kind":"clear","group":"scores"}"#
            let answer = try await admin.ask(.POST, "/v1/operations?wait=30s", token: RunningAdmin.token, body: body)
            #expect(answer.status == 200 && group.cached("Tom") == nil)
        }
    }

    @Test(arguments: [
        (#"{"kind":"format","group":"scores"}"#, 400, "clear, warm"), (#"{"kind":"snapshot"}"#, 400, "clear, warm"),
        (#"{"kind":"warm","group":"scores"}"#, 400, "keys"), (#"{"kind":"warm","group":"scores","keys":[]}"#, 400, "keys"),
        (#"{"kind":"warm","group":"scores","keys":[""]}"#, 400, "bytes"), (#"{"kind":"warm","keys":["Tom"]}"#, 400, "group"),
        (#"{"kind":"warm","group":"none","keys":["Tom"]}"#, 404, "no such group"), (#"{"kind":"clear"}"#, 400, "group"),
        (#"{"kind":"clear","group":"../scores"}"#, 404, "no such group"),
        (#"{"kind":"clear","group":"scores","keys":["Tom"]}"#, 400, "no keys"), ("", 400, "operation"), ("[]", 400, "operation"),
        (#"{"kind":7}"#, 400, "operation"), (String(repeating: "[", count: 100_000), 400, "operation"),
    ])
    func `What cannot be done is refused with its reason`(body: String, code: Int, text: String) async throws {
        try await RunningAdmin.with { admin in
            _ = try Self.group(admin)
            let answer = try await admin.ask(.POST, "/v1/operations", token: RunningAdmin.token, body: body)
            #expect(answer.status == code && answer.body.contains(text), "\(answer.body)")
            #expect(try await admin.ask(.GET, "/v1/operations").body.contains(#""items":[]"#))
        }
    }

    @Test func `Only who shows a token changes something`() async throws {
        try await RunningAdmin.with { admin in
            _ = try Self.group(admin)
            let body = #"{"kind":"clear","group":"scores"}"#
            #expect(try await admin.ask(.POST, "/v1/operations", body: body).status == 401)
            #expect(try await admin.ask(.POST, "/v1/operations", token: "another-token-of-nobody", body: body).status == 401)
            #expect(try await admin.ask(.POST, "/v1/operations?token=\(RunningAdmin.token)", body: body).status == 401)
            #expect(try await admin.ask(.DELETE, "/v1/operations/1").status == 401)
            #expect(try await admin.ask(.GET, "/v1/operations").body.contains(#""items":[]"#))
        }
        try await RunningAdmin.with(.init(hasToken: false)) { admin in
            let refused = try await admin.ask(.POST, "/v1/operations", body: #"{"kind":"clear","group":"scores"}"#)
            #expect(refused.status == 403)
        }
    }

    @Test func `One that runs is cancelled, one that ended conflicts, one that there is not is 404`() async throws {
        try await RunningAdmin.with { admin in
            let gate = Gate()
            _ = try Self.group(admin, gate: gate)
            let body = #"{"kind":"warm","group":"scores","keys":["Tom"]}"#
            #expect(try await admin.ask(.POST, "/v1/operations?wait=10ms", token: RunningAdmin.token, body: body).status == 202)
            let stopped = try await admin.ask(.DELETE, "/v1/operations/1?wait=30s", token: RunningAdmin.token)
            #expect(stopped.status == 200 && stopped.json["phase"] as? String == "cancelled")
            #expect(try await admin.ask(.DELETE, "/v1/operations/1", token: RunningAdmin.token).status == 409)
            for id in ["2", "0", "01", "x", "-1", "18446744073709551616", "1%2F", "%2e%2e"] {
                #expect(try await admin.ask(.GET, "/v1/operations/\(id)").status == 404, "\(id)")
            }
            for wait in ["", "2", "s", "-1s", "1e3s", "99999999999999999999s", "2h"] {
                #expect(try await admin.ask(.GET, "/v1/operations/1?wait=\(wait)").status == 400, "\(wait)")
            }
            #expect(try await admin.ask(.PUT, "/v1/operations/1", token: RunningAdmin.token).status == 405)
            gate.open()
        }
    }

    @Test(arguments: ["/v1/operations?watch=true", "/v1/watch/operations"]) func `They are watched as members are`(path: String)
        async throws
    {
        try await RunningAdmin.with { admin in
            _ = try Self.group(admin)
            let body = #"{"kind":"clear","group":"scores"}"#
            _ = try await admin.ask(.POST, "/v1/operations?wait=30s", token: RunningAdmin.token, body: body)
            let response = try await HTTPClient.shared.execute(HTTPClientRequest(url: admin.url + path), timeout: .seconds(30))
            #expect(response.status == .ok && response.headers.first(name: "Content-Type") == "application/json")
            var lines: [String] = []
            var text = ""
            var asked = false
            for try await piece in response.body {
                text += String(buffer: piece)
                lines = text.split(separator: "\n").map(String.init)
                // What there was has been told: now something happens.
                if !asked {
                    asked = true
                    _ = try await admin.ask(.POST, "/v1/operations", token: RunningAdmin.token, body: body)
                }
                if lines.contains(where: { $0.contains(#""id":2"#) && $0.contains("succeeded") }) { break }
            }
            #expect(lines.first?.hasPrefix(#"{"type":"ADDED""#) == true && lines.first?.contains(#""id":1"#) == true)
            let second = lines.filter { $0.contains(#""id":2"#) }
            #expect(second.first?.contains(#""type":"ADDED""#) == true && second.first?.contains("waiting") == true)
            #expect(second.allSatisfy { $0.contains(#""resourceVersion":""#) })
        }
    }

    @Test func `A watch that cannot be is refused`() async throws {
        try await RunningAdmin.with { admin in
            #expect(try await admin.ask(.GET, "/v1/watch/operations?resourceVersion=x").status == 400)
            #expect(try await admin.ask(.GET, "/v1/watch/operations?resourceVersion=ff.7").status == 410)
            #expect(try await admin.ask(.GET, "/v1/watch/operations?prefix=a").status == 400)
            #expect(try await admin.ask(.GET, "/v1/operations?watch=perhaps").status == 400)
            #expect(try await admin.ask(.GET, "/v1/watch/operations", headers: [("Accept", "image/png")]).status == 406)
            let ends = try await admin.ask(.GET, "/v1/watch/operations?timeoutSeconds=1&heartbeatSeconds=1")
            #expect(ends.status == 200 && ends.body.contains("BOOKMARK"))
        }
    }

    @Test func `As many keys as may be warmed at once fit a request, and what is larger than that is refused`() async throws {
        try await RunningAdmin.with { admin in
            let gate = Gate()
            _ = try Self.group(admin, gate: gate)
            func body(_ count: Int) -> String {
                let keys = (0..<count).map { "\"a-key-of-some-length-\($0)\"" }.joined(separator: ",")
                return "{\"kind\":\"warm\",\"group\":\"scores\",\"keys\":[\(keys)]}"
            }
            let most = try await admin.ask(.POST, "/v1/operations", token: RunningAdmin.token, body: body(OperationKind.longestList))
            #expect(most.status == 202, "\(most.body)")
            let more = try await admin.ask(.POST, "/v1/operations", token: RunningAdmin.token, body: body(OperationKind.longestList + 1))
            #expect(more.status == 400 && more.body.contains("at most"), "\(more.body)")
            let huge = String(repeating: " ", count: 9 << 20)
            #expect(try await admin.ask(.POST, "/v1/operations", token: RunningAdmin.token, body: huge).status == 413)
            #expect(try await admin.ask(.GET, "/v1/operations").status == 200)
            gate.open()
        }
    }

    @Test func `A flood is refused with a time to come back`() async throws {
        try await RunningAdmin.with { admin in
            let gate = Gate()
            _ = try Self.group(admin, gate: gate)
            var refused: RunningAdmin.Answer?
            for number in 0..<60 {
                let body = "{\"kind\":\"warm\",\"group\":\"scores\",\"keys\":[\"key\(number)\"]}"
                let answer = try await admin.ask(.POST, "/v1/operations", token: RunningAdmin.token, body: body)
                if answer.status == 429 { refused = answer }
            }
            #expect(Int(refused?.headers.first(name: "Retry-After") ?? "").map { (1...60).contains($0) } == true)
            #expect((try await admin.ask(.GET, "/v1/operations").json["items"] as? [Any]).map { (33...36).contains($0.count) } == true)
            gate.open()
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import GroupCacheTesting
import HTTPTypes
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// A pool's routes without its server: requests in, responses out, as another server would have it.
@Suite("Routes in another server", .timeLimit(.minutes(5)))
struct PoolRoutesTests {
    private static func pool(_ configure: (inout HTTPPool.Configuration) -> Void = { _ in }) throws -> (HTTPPool, Group<String>) {
        var configuration = HTTPPool.Configuration(listen: .init(host: "127.0.0.1", port: 0))
        configure(&configuration)
        let pool = try HTTPPool(configuration: configuration)
        let group = try Group<String>("scores", capacity: .mebibytes(1), peers: pool) { key, _ in
            key == "nobody" ? nil : "value of \(key.string)"
        }
        return (pool, group)
    }

    private static func ask(
        _ routes: PoolRoutes,
        _ method: HTTPRequest.Method,
        _ path: String,
        _ fields: HTTPFields = [:],
        body: String? = nil
    ) async throws -> (status: Int, fields: HTTPFields, body: String) {
        var request = HTTPRequest(method: method, scheme: "http", authority: "app.example.org", path: path, headerFields: fields)
        if let body { request.headerFields[.contentLength] = "\(body.utf8.count)" }
        let response = await routes.answer(request) { limit in
            let bytes = ByteBuffer(string: body ?? "")
            return bytes.readableBytes <= limit ? bytes : nil
        }
        let pieces = NIOLockedValueBox(ByteBuffer())
        switch response.body {
        case .bytes(let bytes): pieces.withLockedValue { $0 = bytes }
        case .stream(let stream): try await stream.forEach { piece in pieces.withLockedValue { _ = $0.writeImmutableBuffer(piece) } }
        }
        return (response.head.status.code, response.head.headerFields, pieces.withLockedValue { String(buffer: $0) })
    }

    @Test("values, their heads, conditions, and what is not there")
    func reading() async throws {
        let routes = PoolRoutes(try Self.pool().0)
        let got = try await Self.ask(routes, .get, "/v1/groups/scores/keys/a%2Fb?x=1")
        #expect(got.status == 200 && got.body == "value of a/b" && got.fields[.contentLength] == "12")
        #expect(got.fields[.contentType] == "application/octet-stream" && got.fields[.connection] == nil)
        let tag = try #require(got.fields[.eTag])
        let head = try await Self.ask(routes, .head, "/v1/groups/scores/keys/a%2Fb")
        #expect(head.status == 200 && head.body == "" && head.fields[.contentLength] == "12" && head.fields[.eTag] == tag)
        let known = try await Self.ask(routes, .get, "/v1/groups/scores/keys/a%2Fb", [.ifNoneMatch: tag])
        #expect(known.status == 304 && known.body == "" && known.fields[.contentLength] == nil)
        #expect(try await Self.ask(routes, .get, "/v1/groups/scores/keys/nobody").status == 404)
        #expect(try await Self.ask(routes, .get, "/v1/groups/others/keys/a").status == 404)
        #expect(try await Self.ask(routes, .get, "/v1/groups/scores/keys/a/b").status == 404)
        #expect(try await Self.ask(routes, .get, "/v1/groups/scores/keys/%zz").status == 400)
        #expect(try await Self.ask(routes, .get, "/api?key=Tom").body == "value of Tom")
        #expect(try await Self.ask(routes, .get, "/livez").status == 200)
        let many = try await Self.ask(routes, .post, "/v1/groups/scores/keys:get", body: #"{"keys":["a","nobody"]}"#)
        #expect(many.status == 200 && many.body.split(separator: "\n").count == 2 && many.fields[.transferEncoding] == nil)
        #expect(try await Self.ask(routes, .post, "/v1/groups/scores/keys:get", body: "{").status == 400)
    }

    @Test("what is not mounted is not there: peers' paths unless they are asked for")
    func surfaces() async throws {
        let (pool, _) = try Self.pool()
        let all = PoolRoutes(pool, [.values, .peers, .health])
        #expect(try await Self.ask(PoolRoutes(pool), .get, "/_groupcache/scores/a").status == 404)
        #expect(try await Self.ask(all, .get, "/_groupcache/scores/a").body == "value of a")
        #expect(try await Self.ask(PoolRoutes(pool, .health), .get, "/v1/groups").status == 404)
        #expect(PoolRoutes(pool, .health).paths == ["/livez", "/readyz"])
        #expect(all.owns("/v1/groups/scores/keys/a?b=c") && all.owns("/api?key=a") && all.owns("/_groupcache/g/k") && !all.owns("/apis"))
        #expect(!PoolRoutes(pool).owns("/_groupcache/g/k") && !PoolRoutes(pool).owns("/v1/users"))
    }

    @Test("nothing can be changed through another server's port, unless that is said, or with a token")
    func changing() async throws {
        let path = "/v1/groups/scores/keys/Tom"
        do {
            let (pool, group) = try Self.pool()
            let closed = PoolRoutes(pool, [.values, .peers])
            for (method, path) in [
                (HTTPRequest.Method.put, path), (.delete, path), (.delete, "/v1/groups/scores/keys"), (.delete, "/v1/groups/scores/tags/t"),
                (.put, "/_groupcache/scores/Tom"), (.delete, "/_groupcache/scores/Tom"),
            ] {
                let answer = try await Self.ask(closed, method, path, body: "1")
                #expect(answer.status == 403, "\(method) \(path): \(answer.body)")
            }
            // A peer's wish for a reload is a change, too: it is not heeded.
            _ = try await Self.ask(closed, .get, "/_groupcache/scores/Tom")
            _ = try await Self.ask(closed, .get, "/_groupcache/scores/Tom", [.cacheControl: "no-cache"])
            #expect(group.statistics.getterCalls == 1)
            let open = PoolRoutes(pool, allowsChanges: true)
            #expect(try await Self.ask(open, .put, path, body: "700").status == 204)
            #expect(try await group.get("Tom") == "700")
            #expect(try await Self.ask(open, .delete, path).status == 204)
            #expect(group.cached("Tom") == nil)
            #expect(try await Self.ask(open, .put, path, [.origin: "http://evil.example"], body: "1").status == 403)
        }
        let folder = try TestFiles()
        let file = try folder.write("token", "0123456789abcdef0123456789abcdef\n")
        let (pool, group) = try Self.pool { $0.tokenFile = file }
        for routes in [PoolRoutes(pool), PoolRoutes(pool, allowsChanges: true)] {
            #expect(try await Self.ask(routes, .put, path, body: "1").status == 401)
            #expect(try await Self.ask(routes, .put, path, [.authorization: "Bearer wrong"], body: "1").status == 401)
            let right: HTTPFields = [.authorization: "Bearer 0123456789abcdef0123456789abcdef"]
            #expect([201, 204].contains(try await Self.ask(routes, .put, path, right, body: "1").status))
        }
        #expect(group.cached("Tom") == "1")
    }

    @Test("bodies have limits, whatever they say of their length, and a place among them")
    func bodies() async throws {
        let (pool, _) = try Self.pool { $0.limits.valueSize = 1_000 }
        let routes = PoolRoutes(pool, allowsChanges: true)
        let path = "/v1/groups/scores/keys/Tom"
        #expect([201, 204].contains(try await Self.ask(routes, .put, path, body: String(repeating: "x", count: 1_000)).status))
        #expect(try await Self.ask(routes, .put, path, body: String(repeating: "x", count: 20_000)).status == 413)
        var request = HTTPRequest(method: .put, scheme: "http", authority: "a", path: path)
        #expect(await routes.answer(request) { _ in nil }.head.status == 413, "of unknown length, and too long")
        #expect(await routes.answer(request) { limit in ByteBuffer(repeating: 0, count: limit + 1) }.head.status == 413)
        struct Cut: Error {}
        #expect(await routes.answer(request) { _ in throw Cut() }.head.status == 400)
        request.headerFields[.contentLength] = "many"
        #expect(await routes.answer(request) { _ in ByteBuffer() }.head.status == 400)
        request = HTTPRequest(method: .get, scheme: "http", authority: "a", path: path)
        #expect(await routes.answer(request) { _ in throw Cut() }.head.status == 200, "a GET's body is not asked for")
        #expect(pool.core.bodies.count == 0 && pool.core.places.count == 0)
    }

    @Test("what would begin another line or another word is refused")
    func injection() async throws {
        let routes = PoolRoutes(try Self.pool().0)
        for path in ["/livez HTTP/1.1\r\nHost: b\r\n\r\n", "/livez\nX: y", "/li vez", "/\u{7F}x", "livez\t"] {
            #expect(try await Self.ask(routes, .get, path).status == 400, "\(path.debugDescription)")
        }
        let request = HTTPRequest(method: .get, scheme: "http", authority: "a\r\nX: y", path: "/livez")
        #expect(await routes.answer(request) { _ in nil }.head.status == 400)
        let long = "/v1/groups/scores/keys/" + String(repeating: "x", count: 20_000)
        #expect(try await Self.ask(routes, .get, long).status == 414)
        var many = HTTPFields()
        for number in 0..<200 { many.append(HTTPField(name: HTTPField.Name("X-\(number)")!, value: "1")) }
        #expect(try await Self.ask(routes, .get, "/livez", many).status == 431)
        #expect(try await Self.ask(routes, HTTPRequest.Method("BREW")!, "/v1/groups/scores/keys/a").status == 405)
    }

    @Test("a watch tells what happens until its reader has gone; it never becomes a WebSocket here")
    func watching() async throws {
        struct Gone: Error {}
        let (pool, group) = try Self.pool()
        let routes = PoolRoutes(pool)
        let request = HTTPRequest(
            method: .get,
            scheme: "http",
            authority: "a",
            path: "/v1/watch/groups/scores",
            headerFields: [
                .connection: "Upgrade", .upgrade: "websocket", .secWebSocketKey: "AAAAAAAAAAAAAAAAAAAAAA==", .secWebSocketVersion: "13",
            ]
        )
        let response = await routes.answer(request) { _ in nil }
        #expect(response.head.status == 200 && response.head.headerFields[.upgrade] == nil)
        guard case .stream(let stream) = response.body else { return _ = Issue.record("no stream") }
        let seen = NIOLockedValueBox("")
        let reader = Task {
            try await stream.forEach { piece in
                let text = seen.withLockedValue { seen in
                    seen += String(buffer: piece)
                    return seen
                }
                if text.contains("MODIFIED") { throw Gone() }
            }
        }
        // It is watched since the answer.
        try await group.set("Tom", to: "1")
        try await group.set("Tom", to: "2")
        await #expect(throws: Gone.self) { try await reader.value }
        #expect(seen.withLockedValue { $0 }.contains("MODIFIED"))
    }

    @Test("a watch in another server ends when its time is over, and a body of pieces when it has no more")
    func endOfStreams() async throws {
        let clock = ManualClock()
        let places = WorkPlaces(limit: 1)
        let watch = Response.Stream(
            run: { write in
                await write(ByteBuffer(string: "one"))
                // As a watch of what does not change: until it is cancelled.
                try? await Gate().pass()
            },
            watch: .init(timeout: .seconds(1_800), isSocket: false)
        )
        let place = try #require(places.take())
        let stream = RoutedResponse.Stream(watch, place) { try await clock.sleep(for: $0) }
        let pieces = NIOLockedValueBox("")
        let reader = Task { try await stream.forEach { piece in pieces.withLockedValue { $0 += String(buffer: piece) } } }
        await clock.waitForSleepers()
        clock.advance(by: .seconds(1_799))
        #expect(clock.sleepers == 1, "not yet")
        clock.advance(by: .seconds(1))
        try await reader.value
        #expect(pieces.withLockedValue { $0 } == "one")
        let finite = Response.Stream(run: { write in await write(ByteBuffer(string: " and two")) })
        try await RoutedResponse.Stream(finite, place) { _ in Issue.record("nothing to wait for") }.forEach { piece in
            pieces.withLockedValue { $0 += String(buffer: piece) }
        }
        #expect(pieces.withLockedValue { $0 } == "one and two")
    }
}

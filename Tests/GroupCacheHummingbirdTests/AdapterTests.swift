// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheHummingbird
import GroupCacheTesting
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCacheHTTP

@Suite("Hummingbird", .timeLimit(.minutes(5)))
struct AdapterTests {
    private struct Down: Error {}

    private static func pool() throws -> (HTTPPool, Group<String>) {
        let pool = try HTTPPool(configuration: .init(listen: .init(host: "127.0.0.1", port: 0)))
        let group = try Group<String>("scores", capacity: .mebibytes(1), peers: pool) { key, _ in
            if key == "broken" { throw Down() }
            return key == "nobody" ? nil : "value of \(key.string)"
        }
        return (pool, group)
    }

    @Test("one port serves the application and the cache", arguments: [false, true])
    func onePort(live: Bool) async throws {
        let (pool, scores) = try Self.pool()
        let router = Router()
        router.get("hello/:name") { _, context in try await scores.get(context.parameters.require("name")) }
        router.addRoutes(of: pool, [.values, .peers, .health])
        var app = Application(router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)))
        app.addServices(pool)
        try await app.test(live ? .live : .router) { client in
            #expect(try await client.execute(uri: "/hello/Tom", method: .get) { String(buffer: $0.body) } == "value of Tom")
            for uri in ["/v1/groups/scores/keys/a%2Fb", "/_groupcache/scores/a%2Fb"] {
                #expect(try await client.execute(uri: uri, method: .get) { String(buffer: $0.body) } == "value of a/b")
            }
            try await client.execute(uri: "/v1/groups/scores/keys/Tom", method: .head) { response in
                #expect(response.status == .ok && response.headers[.contentLength] == "12" && response.body.readableBytes == 0)
            }
            try await client.execute(uri: "/v1/groups/scores/keys/Tom", method: .put, body: ByteBuffer(string: "1")) { response in
                #expect(response.status == .forbidden)
            }
            let many = ByteBuffer(string: #"{"keys":["a","b","c"]}"#)
            try await client.execute(uri: "/v1/groups/scores/keys:get", method: .post, body: many) { response in
                #expect(String(buffer: response.body).split(separator: "\n").count == 3)
            }
            #expect(try await client.execute(uri: "/readyz", method: .get) { $0.status } == .ok)
            #expect(try await client.execute(uri: "/v1/groups/scores", method: .delete) { $0.status } == .methodNotAllowed)
            #expect(try await client.execute(uri: "/v1/elsewhere", method: .get) { $0.status } == .notFound)
            #expect(try await client.execute(uri: "/v1/groups", method: .get) { String(buffer: $0.body).contains("\"scores\"") })
        }
    }

    @Test("what a handler lets through is the status that it means")
    func errors() async throws {
        let (_, scores) = try Self.pool()
        let router = Router()
        router.get("scores/:name") { _, context in try await scores.get(context.parameters.require("name")) }
        router.get("busy") { _, _ -> String in throw GroupCacheError(.overloaded, "too much", retryAfter: .milliseconds(1_500)) }
        router.get("late") { _, _ -> String in throw GroupCacheError(.deadlineExceeded, "late") }
        try await Application(router: router).test(.router) { client in
            for (uri, status) in [
                ("/scores/Tom", HTTPResponse.Status.ok), ("/scores/nobody", .notFound), ("/scores/broken", .badGateway),
                ("/late", .gatewayTimeout),
            ] {
                try await client.execute(uri: uri, method: .get) { response in
                    #expect(response.status == status, "\(uri)")
                    let text = String(buffer: response.body)
                    #expect(status == .ok || (!text.contains("nobody") && !text.contains("broken") && !text.contains("Down")), "\(text)")
                }
            }
            try await client.execute(uri: "/busy", method: .get) { response in
                #expect(response.status == .serviceUnavailable && response.headers[.retryAfter] == "2")
            }
        }
    }

    @Test("responses are cached whole, also those that are streamed, and a change removes them", arguments: [false, true])
    func responses(live: Bool) async throws {
        let made = NIOLockedValueBox(0)
        let cache = try ResponseCache(capacity: .mebibytes(4), settings: .init(maximumBodySize: 10_000))
        let router = Router()
        router.add(middleware: ResponseCacheMiddleware(cache))
        router.get("pages/:pieces") { _, context in
            let pieces = try context.parameters.require("pieces", as: Int.self)
            let number = made.withLockedValue { count in
                count += 1
                return count
            }
            return Response(
                status: .ok,
                headers: [.cacheControl: "max-age=60"],
                body: ResponseBody { writer in
                    for _ in 0..<pieces { try await writer.write(ByteBuffer(string: "\(number)".padded(to: 1_000))) }
                    try await writer.finish(nil)
                }
            )
        }
        router.post("pages/:pieces") { _, _ in HTTPResponse.Status.noContent }
        router.get("cookie") { _, _ in
            let number = made.withLockedValue { count in
                count += 1
                return count
            }
            let body = ResponseBody(byteBuffer: ByteBuffer(string: "\(number)"))
            return Response(status: .ok, headers: [.cacheControl: "max-age=60", .setCookie: "a=b"], body: body)
        }
        let app = Application(router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)))
        try await app.test(live ? .live : .router) { client in
            func get(_ uri: String) async throws -> (number: Int?, length: Int, status: String) {
                try await client.execute(uri: uri, method: .get) { response in
                    let text = String(buffer: response.body)
                    return (Int(text.prefix { $0.isNumber }), text.utf8.count, response.headers[HTTPField.Name("Cache-Status")!] ?? "")
                }
            }
            var answer = try await get("/pages/3")
            #expect(answer.number == 1 && answer.length == 3_000 && answer.status.contains("stored"))
            answer = try await get("/pages/3")
            #expect(answer.number == 1 && answer.length == 3_000 && answer.status.contains("hit"))
            try await client.execute(uri: "/pages/3", method: .post) { #expect($0.status == .noContent) }
            #expect(try await get("/pages/3").number == 2)
            #expect(try await get("/pages/3").number == 2)
            for expected in [3, 4] {
                let large = try await get("/pages/20")
                #expect(large.number == expected && large.length == 20_000, "too large to be kept, and whole")
            }
            for expected in [5, 6] { #expect(try await get("/cookie").number == expected) }
        }
    }

    @Test("a handler that fails is stood in for, if the response of before says that it may be")
    func stale() async throws {
        let isDown = NIOLockedValueBox(false)
        let clock = ManualClock()
        let cache = try ResponseCache("pages", capacity: .mebibytes(1), peers: nil, settings: .init(), clock: CacheClock(clock)) {
            1_700_000_000_000 + clock.milliseconds
        }
        let router = Router()
        router.add(middleware: ResponseCacheMiddleware(cache))
        router.get("page") { _, _ -> Response in
            if isDown.withLockedValue({ $0 }) { throw Down() }
            return Response(
                status: .ok,
                headers: [.cacheControl: "max-age=1, stale-if-error=60", .age: "0"],
                body: .init(byteBuffer: ByteBuffer(string: "old"))
            )
        }
        try await Application(router: router).test(.router) { client in
            #expect(try await client.execute(uri: "/page", method: .get) { String(buffer: $0.body) } == "old")
            isDown.withLockedValue { $0 = true }
            // Also when it is past its time, which is a second.
            for (milliseconds, status) in [(0, "hit"), (1_500, "fwd=stale")] {
                clock.advance(by: .milliseconds(milliseconds))
                let (body, field) = try await client.execute(uri: "/page", method: .get) {
                    (String(buffer: $0.body), $0.headers[HTTPField.Name("Cache-Status")!] ?? "")
                }
                #expect(body == "old" && field.contains(status), "\(field)")
            }
        }
    }
}

extension String {
    fileprivate func padded(to length: Int) -> String { self + String(repeating: ".", count: Swift.max(0, length - self.count)) }
}

// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import HTTPTypes
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import GroupCacheHTTP

/// Whole responses in a group, as RFC 9111 has it; time stands still unless it is moved.
@Suite("A cache of responses", .timeLimit(.minutes(5)))
struct ResponseCacheTests {
    /// A cache with an origin behind it, whose time a test moves.
    private final class Rig: Sendable {
        struct Answer: Sendable {
            var status: Int
            var fields: HTTPFields
            var body: String
            /// Of the member of `Cache-Status` that is ours.
            var cacheStatus: String { self.fields[.cacheStatus] ?? "" }
            var isHit: Bool { self.cacheStatus.contains("; hit") }
        }

        let clock = ManualClock()
        /// By which requests wait for each other: not the group's, which waits by its own for other things.
        let patience = ManualClock()
        let cache: ResponseCache
        let requests = NIOLockedValueBox(0)

        init(_ settings: ResponseCache.Settings = .init(patience: .zero), peers: (any PeerPicker)? = nil) throws {
            let (clock, patience) = (self.clock, self.patience)
            self.cache = try ResponseCache(
                "responses",
                capacity: .mebibytes(4),
                peers: peers,
                settings: settings,
                clock: CacheClock(clock),
                pause: { try await patience.sleep(for: $0) }
            ) { 1_700_000_000_000 + clock.milliseconds }
        }

        /// One request; `respond` is the origin, which is asked for what the cache has not.
        func ask(
            _ path: String = "/page",
            _ fields: HTTPFields = [:],
            method: HTTPRequest.Method = .get,
            pieces: Int = 1,
            _ respond: (Int) throws -> (Int, HTTPFields, String)
        ) async throws -> Answer {
            let request = HTTPRequest(method: method, scheme: "https", authority: "Example.org", path: path, headerFields: fields)
            switch await self.cache.lookUp(request) {
            case .answer(let head, let body): return Answer(status: head.status.code, fields: head.headerFields, body: String(buffer: body))
            case .forward(let exchange):
                let number = self.requests.withLockedValue { count in
                    count += 1
                    return count
                }
                let (status, fields, text): (Int, HTTPFields, String)
                do {
                    (status, fields, text) = try respond(number)
                } catch {
                    guard let (head, body) = exchange.fail() else { throw error }
                    return Answer(status: head.status.code, fields: head.headerFields, body: String(buffer: body))
                }
                switch await exchange.receive(HTTPResponse(status: .init(code: status), headerFields: fields)) {
                case .pass(let head): return Answer(status: status, fields: head.headerFields, body: text)
                case .replace(let head, let body):
                    return Answer(status: head.status.code, fields: head.headerFields, body: String(buffer: body))
                case .keep(let head, var recorder):
                    for _ in 0..<pieces { recorder.append(ByteBuffer(string: text)) }
                    await recorder.finish()
                    return Answer(status: status, fields: head.headerFields, body: text)
                }
            }
        }

        /// Whether a response is kept: what the next request for the same thing gets.
        func keeps(
            _ status: Int,
            _ response: HTTPFields,
            to request: HTTPFields = [:],
            method: HTTPRequest.Method = .get,
            pieces: Int = 1
        ) async throws -> Bool {
            let path = "/\(self.requests.withLockedValue { $0 })/\(status)"
            _ = try await self.ask(path, request, method: method, pieces: pieces) { _ in (status, response, "text") }
            return try await self.ask(path, request) { _ in (200, [:], "again") }.isHit
        }

        func keeps(_ response: HTTPFields, to request: HTTPFields = [:], method: HTTPRequest.Method = .get) async throws -> Bool {
            try await self.keeps(200, response, to: request, method: method)
        }
    }

    @Test("kept and served with its head, its age and its length, until its time is over")
    func kept() async throws {
        let rig = try Rig()
        let fields: HTTPFields = [
            .cacheControl: "max-age=60", .contentType: "text/html", .eTag: "\"1\"", .connection: "X-Hop", HTTPField.Name("X-Hop")!: "1",
        ]
        let first = try await rig.ask { _ in (200, fields, "hello") }
        #expect(first.cacheStatus == "GroupCache; fwd=uri-miss; stored" && first.fields[.connection] == "X-Hop")
        rig.clock.advance(by: .milliseconds(59_900))
        let second = try await rig.ask { number in (200, fields, "\(number)") }
        #expect(second.status == 200 && second.body == "hello" && second.cacheStatus == "GroupCache; hit; ttl=0")
        #expect(second.fields[.contentType] == "text/html" && second.fields[.age] == "59" && second.fields[.contentLength] == "5")
        #expect(second.fields[.connection] == nil && second.fields[HTTPField.Name("X-Hop")!] == nil)
        rig.clock.advance(by: .milliseconds(100))
        #expect(try await rig.ask { number in (200, fields, "\(number)") }.body == "2")
    }

    @Test("HEAD is answered from what GET has brought; who has it already is told so; who wants a part is passed on")
    func conditions() async throws {
        let rig = try Rig()
        let fields: HTTPFields = [.cacheControl: "max-age=60", .eTag: "W/\"1\"", .lastModified: "Sat, 01 Jan 2022 00:00:00 GMT"]
        #expect(try await rig.ask(method: .head) { _ in (200, fields, "") }.cacheStatus == "GroupCache; fwd=uri-miss")
        _ = try await rig.ask { _ in (200, fields, "hello") }
        let head = try await rig.ask(method: .head) { _ in (500, [:], "") }
        #expect(head.status == 200 && head.body == "" && head.fields[.contentLength] == "5")
        for known: HTTPFields in [
            [.ifNoneMatch: "\"0\", \"1\""], [.ifNoneMatch: "*"], [.ifModifiedSince: "Sat, 01 Jan 2022 00:00:00 GMT"],
        ] {
            let answer = try await rig.ask("/page", known) { _ in (500, [:], "") }
            #expect(answer.status == 304 && answer.body == "" && answer.fields[.eTag] == "W/\"1\"" && answer.fields[.contentLength] == nil)
        }
        for unknown: HTTPFields in [
            [.ifNoneMatch: "\"2\"", .ifModifiedSince: "Sat, 01 Jan 2022 00:00:00 GMT"], [.ifModifiedSince: "Fri, 31 Dec 2021 00:00:00 GMT"],
            [.ifModifiedSince: "yesterday"],
        ] {
            #expect(try await rig.ask("/page", unknown) { _ in (500, [:], "") }.status == 200)
        }
        let part = try await rig.ask("/page", [.range: "bytes=0-1"]) { _ in (206, fields, "he") }
        #expect(part.status == 206 && part.cacheStatus == "GroupCache; fwd=request")
    }

    @Test("what may be kept, and what may not")
    func storing() async throws {
        let rig = try Rig()
        let fresh = "max-age=60"
        for status in [200, 203, 204, 300, 301, 302, 307, 308, 404, 405, 410, 414, 501] {
            #expect(try await rig.keeps(status, [.cacheControl: fresh]), "\(status)")
        }
        for status in [201, 202, 206, 303, 304, 400, 401, 403, 429, 500, 502, 503] {
            #expect(try await !rig.keeps(status, [.cacheControl: fresh]), "\(status)")
        }
        #expect(try await rig.keeps([.cacheControl: "s-maxage=60, max-age=0"]))
        #expect(try await rig.keeps([.expires: "Thu, 01 Jan 2099 00:00:00 GMT"]))
        for no: HTTPFields in [
            [:], [.cacheControl: "max-age=0"], [.cacheControl: "max-age=60, no-store"], [.cacheControl: "private, max-age=60"],
            [.cacheControl: "no-cache, max-age=60"], [.cacheControl: fresh, .setCookie: "session=1"], [.cacheControl: fresh, .vary: "*"],
            [.cacheControl: fresh, .vary: "Accept, Cookie"], [.cacheControl: fresh, .vary: "Authorization"], [.expires: "0"],
            [.cacheControl: "max-age=60, s-maxage=0"], [.cacheControl: fresh, .age: "60"], [.cacheControl: "max-age=many"],
        ] {
            #expect(try await !rig.keeps(no), "\(no)")
        }
        #expect(try await !rig.keeps([.cacheControl: fresh], to: [.cacheControl: "no-store"]))
        #expect(try await !rig.keeps([.cacheControl: fresh], method: .head))
    }

    @Test("what is sent to one who is known is kept only if it says that it may be")
    func authorized() async throws {
        let rig = try Rig()
        let who: HTTPFields = [.authorization: "Bearer x"]
        #expect(try await !rig.keeps([.cacheControl: "max-age=60"], to: who))
        for said in ["public, max-age=60", "s-maxage=60", "max-age=60, must-revalidate"] {
            #expect(try await rig.keeps([.cacheControl: said], to: who), "\(said)")
        }
    }

    @Test(
        "what is for one connection, or between a proxy and its clients, is not sent again (RFC 9111 §3.1)",
        arguments: [
            "Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
        ]
    )
    func fieldsOfTheWay(_ text: String) async throws {
        let rig = try Rig()
        let name = try #require(HTTPField.Name(text))
        _ = try await rig.ask { _ in (200, [.cacheControl: "max-age=60", name: "x"], "hello") }
        let second = try await rig.ask { _ in (500, [:], "") }
        #expect(second.isHit && second.fields[name] == nil)
    }

    @Test("fields that are private, or to be confirmed each time, are not sent again")
    func privateFields() async throws {
        let rig = try Rig()
        let name = HTTPField.Name("X-User")!
        _ = try await rig.ask { _ in (200, [.cacheControl: "max-age=60, private=\"X-User\"", name: "7"], "hello") }
        let second = try await rig.ask { _ in (500, [:], "") }
        #expect(second.isHit && second.fields[name] == nil)
    }

    @Test("variants: each has its own, and whoever asks for another is passed on")
    func variants() async throws {
        let rig = try Rig()
        func get(_ language: String?, _ number: Int? = nil) async throws -> Rig.Answer {
            try await rig.ask("/page", language.map { [.acceptLanguage: $0] } ?? [:]) { _ in
                (200, [.cacheControl: "max-age=60", .vary: "Accept-Language"], "\(language ?? "none") \(number ?? 1)")
            }
        }
        _ = try await get("de")
        #expect(try await get("de").isHit)
        #expect(try await get("fr").cacheStatus == "GroupCache; fwd=vary-miss; stored")
        _ = try await get(nil)
        for language in ["de", "fr", nil] {
            let answer = try await get(language, 2)
            #expect(answer.isHit && answer.body == "\(language ?? "none") 1")
        }
        // Blanks and lines do not make another value.
        #expect(try await rig.ask("/page", [.acceptLanguage: " de "]) { _ in (500, [:], "") }.isHit)
        try await rig.cache.remove(authority: "example.org", path: "/page")
        for language in ["de", "fr", nil] { #expect(try await !get(language, 3).isHit) }
        for language in ["de", "fr", nil] { #expect(try await get(language, 4).body == "\(language ?? "none") 3") }
        #expect(rig.requests.withLockedValue { $0 } == 6)
    }

    @Test("a change removes its target, also what was being made of what was there before")
    func changes() async throws {
        let rig = try Rig()
        let fresh: HTTPFields = [.cacheControl: "max-age=60"]
        for (status, removes) in [(200, true), (204, true), (303, true), (404, false), (500, false)] {
            _ = try await rig.ask { number in (200, fresh, "\(number)") }
            #expect(try await rig.ask { _ in (500, [:], "") }.isHit)
            _ = try await rig.ask(method: .post) { _ in (status, [:], "") }
            #expect(try await rig.ask { number in (200, fresh, "\(number)") }.isHit == !removes, "\(status)")
        }
        // Asked before the change, answered after it.
        for vary: HTTPFields in [[:], [.vary: "Accept"]] {
            try await rig.cache.group.clear()
            let late = await rig.cache.lookUp(HTTPRequest(method: .get, scheme: "https", authority: "example.org", path: "/page"))
            _ = try await rig.ask(method: .delete) { _ in (204, [:], "") }
            guard case .forward(let exchange) = late else { return _ = Issue.record("a hit") }
            var fields = fresh
            fields.append(contentsOf: vary)
            guard case .keep(_, var recorder) = await exchange.receive(HTTPResponse(status: .ok, headerFields: fields)) else {
                return _ = Issue.record("not to be kept")
            }
            recorder.append(ByteBuffer(string: "old"))
            await recorder.finish()
            #expect(try await rig.ask { _ in (200, [:], "new") }.body == "new")
        }
    }

    @Test("what the client says to caches")
    func requestDirectives() async throws {
        let rig = try Rig()
        let fresh: HTTPFields = [.cacheControl: "max-age=60"]
        #expect(try await rig.ask("/page", [.cacheControl: "only-if-cached"]) { _ in (200, fresh, "") }.status == 504)
        _ = try await rig.ask { _ in (200, fresh, "1") }
        rig.clock.advance(by: .seconds(20))
        for hit in ["max-age=30", "min-fresh=30", "only-if-cached", "max-stale"] {
            #expect(try await rig.ask("/page", [.cacheControl: hit]) { _ in (500, [:], "") }.isHit, "\(hit)")
        }
        for odd in ["=", "==5", ",", "=max-age", "\"", "max-stale==", "\u{130}=1"] {
            #expect(try await rig.ask("/page", [.cacheControl: odd]) { _ in (500, [:], "") }.isHit, "\(odd)")
        }
        for miss in ["max-age=10", "min-fresh=50", "max-age=soon", "no-store"] {
            #expect(try await !rig.ask("/page", [.cacheControl: miss]) { _ in (200, [:], "") }.isHit, "\(miss)")
        }
        #expect(try await rig.ask("/page", [.cacheControl: "no-cache"]) { _ in (200, fresh, "2") }.body == "2")
        #expect(try await rig.ask { _ in (500, [:], "") }.body == "2", "what it brought is kept")
        #expect(try await rig.ask("/page", [HTTPField.Name("Pragma")!: "no-cache"]) { _ in (200, fresh, "3") }.body == "3")
    }

    @Test("bodies beyond the limit are passed on and not kept")
    func limits() async throws {
        let rig = try Rig(.init(maximumBodySize: 10, patience: .zero))
        let fresh: HTTPFields = [.cacheControl: "max-age=60"]
        #expect(try await rig.keeps(200, fresh, pieces: 2))
        #expect(try await !rig.keeps(200, fresh, pieces: 3))
        let request = HTTPRequest(method: .get, scheme: "https", authority: "a", path: "/big")
        guard case .forward(let exchange) = await rig.cache.lookUp(request) else { return _ = Issue.record("a hit") }
        guard case .pass = await exchange.receive(HTTPResponse(status: .ok, headerFields: fresh), contentLength: 11) else {
            return _ = Issue.record("it is too long, and says so")
        }
        let long = "/" + String(repeating: "x", count: 5_000)
        #expect(try await rig.ask(long) { _ in (200, fresh, "x") }.cacheStatus == "GroupCache; fwd=request")
        #expect(throws: GroupCacheError.self) { try Rig(.init(maximumBodySize: -1)) }
        #expect(throws: GroupCacheError.self) { try Rig(.init(defaultTTL: .zero)) }
    }

    @Test("without a word on how long: as the settings say")
    func defaultTTL() async throws {
        let rig = try Rig(.init(defaultTTL: .seconds(5), patience: .zero))
        #expect(try await rig.keeps([:]))
        #expect(try await !rig.keeps(302, [:]), "only what is good for more than one request by itself")
        #expect(try await !rig.keeps([.cacheControl: "no-store"]))
    }

    @Test("stale-if-error: while the origin fails what there was is served, and not for longer than that")
    func staleIfError() async throws {
        struct Down: Error {}
        let rig = try Rig()
        _ = try await rig.ask { _ in (200, [.cacheControl: "max-age=10, stale-if-error=60"], "old") }
        rig.clock.advance(by: .seconds(30))
        #expect(try await rig.ask { _ in (503, [:], "down") }.body == "old")
        #expect(try await rig.ask { _ in throw Down() }.cacheStatus == "GroupCache; fwd=stale; ttl=-20")
        #expect(try await rig.ask { _ in (404, [:], "gone") }.body == "gone", "that is an answer")
        #expect(try await rig.ask("/page", [.cacheControl: "no-cache"]) { _ in (503, [:], "down") }.body == "down")
        rig.clock.advance(by: .seconds(60))
        await #expect(throws: Down.self) { try await rig.ask { _ in throw Down() } }
    }

    @Test("all nodes share what is kept, and a change on one is a change on all")
    func cluster() async throws {
        let cluster = try Cluster(3, follows: true)
        let rigs = try cluster.nodes.map { try Rig(.init(patience: .zero), peers: $0) }
        let fresh: HTTPFields = [.cacheControl: "max-age=60", .vary: "Accept"]
        for page in 0..<20 {
            let path = "/\(page)"
            _ = try await rigs[page % 3].ask(path) { _ in (200, fresh, "one") }
            for rig in rigs { #expect(try await rig.ask(path) { _ in (500, [:], "") }.body == "one") }
            _ = try await rigs[(page + 1) % 3].ask(path, method: .put) { _ in (204, [:], "") }
            for rig in rigs { #expect(try await rig.ask(path) { _ in (404, [:], "none") }.body == "none") }
        }
    }

    @Test("of requests for the same at the same time one goes on, and the others wait for it")
    func collapsed() async throws {
        let rig = try Rig(.init(patience: .seconds(60)))
        let request = HTTPRequest(method: .get, scheme: "https", authority: "example.org", path: "/page")
        let first = await rig.cache.lookUp(request)
        let others = (0..<10).map { _ in Task { await rig.cache.lookUp(request) } }
        guard case .forward(let exchange) = first else { return _ = Issue.record("a hit") }
        guard case .keep(_, var recorder) = await exchange.receive(HTTPResponse(status: .ok, headerFields: [.cacheControl: "max-age=60"]))
        else {
            return _ = Issue.record("not to be kept")
        }
        recorder.append(ByteBuffer(string: "one"))
        await recorder.finish()
        for other in others {
            guard case .answer(_, let body) = await other.value else { return _ = Issue.record("another one went on") }
            #expect(String(buffer: body) == "one")
        }
    }

    @Test("whoever waits for a request that brings nothing to keep goes on itself")
    func released() async throws {
        let rig = try Rig(.init(patience: .seconds(60)))
        let request = HTTPRequest(method: .get, scheme: "https", authority: "example.org", path: "/page")
        let gate = Gate()
        let first = Task {
            guard case .forward(let exchange) = await rig.cache.lookUp(request) else { return }
            try? await gate.pass()
            _ = await exchange.receive(HTTPResponse(status: .ok))
        }
        await gate.waitForArrivals()
        let second = Task { if case .forward = await rig.cache.lookUp(request) { true } else { false } }
        gate.open()
        await first.value
        #expect(await second.value)
    }

    @Test("whoever waits for longer than it has patience goes on itself, and the first one is not disturbed")
    func patience() async throws {
        let rig = try Rig(.init(patience: .seconds(5)))
        let request = HTTPRequest(method: .get, scheme: "https", authority: "example.org", path: "/page")
        guard case .forward(let first) = await rig.cache.lookUp(request) else { return _ = Issue.record("a hit") }
        let second = Task { if case .forward = await rig.cache.lookUp(request) { true } else { false } }
        await rig.patience.waitForSleepers()
        rig.patience.advance(by: .seconds(5))
        #expect(await second.value)
        // A third one waits, since the first is still at it.
        let third = Task { if case .answer(_, let body) = await rig.cache.lookUp(request) { String(buffer: body) } else { "none" } }
        await rig.patience.waitForSleepers()
        guard case .keep(_, var recorder) = await first.receive(HTTPResponse(status: .ok, headerFields: [.cacheControl: "max-age=60"]))
        else {
            return _ = Issue.record("not to be kept")
        }
        recorder.append(ByteBuffer(string: "one"))
        await recorder.finish()
        #expect(await third.value == "one")
    }

    @Test("bytes that are no response are refused, wherever they are cut")
    func codec() throws {
        let codec = CachedResponseCodec()
        let fields = [CachedResponse.Field(name: "A", value: "b"), .init(name: "Content-Type", value: "text/html")]
        for content: CachedResponse.Content in [
            .response(status: 200, fields, body: ByteBuffer(string: "hello")), .variants(["accept", "x"], generation: .max),
        ] {
            let value = CachedResponse(content: content, born: 1, lifetime: 2, staleIfError: 3)
            let bytes = try codec.encode(value)
            #expect(try codec.decode(bytes) == value)
            let all = bytes.withUnsafeBytes { Array($0) }
            for length in 0..<all.count {
                let cut = try? codec.decode(ByteView(all[..<length]))
                // A body may end anywhere: that is the wire's to see.
                #expect(cut == nil || (value.status != nil && all.count - length <= 5))
            }
            for index in 0..<min(60, all.count) {
                for byte in [0, 1, 0x7F, 0xFF] as [UInt8] {
                    var wrong = all
                    wrong[index] = byte
                    if let decoded = try? codec.decode(ByteView(wrong)) { _ = (decoded.status, decoded.fields) }
                }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import GroupCache
import GroupCacheHTTP
import HTTPTypes
import NIOConcurrencyHelpers
import NIOCore
import Testing

typealias Handler = @Sendable (HTTPRequest, ByteBuffer) async throws -> (HTTPResponse, ByteBuffer)

/// The adapter that `OtherServers.md` shows, line for line, and what it does.
@Suite("An adapter for another framework", .timeLimit(.minutes(5)))
struct OtherServersTests {
    /// The cache's own routes, and `next` for all others.
    func mount(_ pool: HTTPPool, before next: @escaping Handler) -> Handler {
        let routes = PoolRoutes(pool)
        return { request, body in
            guard routes.owns(request.path ?? "") else { return try await next(request, body) }
            let response = await routes.answer(request) { limit in body.readableBytes <= limit ? body : nil }
            switch response.body {
            case .bytes(let bytes): return (response.head, bytes)
            case .stream(let stream):
                let all = NIOLockedValueBox(ByteBuffer())
                try await stream.forEach { piece in all.withLockedValue { _ = $0.writeImmutableBuffer(piece) } }
                return (response.head, all.withLockedValue { $0 })
            }
        }
    }

    /// What is cached, or what `next` answers, which is kept if it may be.
    func cached(by cache: ResponseCache, _ next: @escaping Handler) -> Handler {
        { request, body in
            switch await cache.lookUp(request) {
            case .answer(let head, let bytes): return (head, bytes)
            case .forward(let exchange):
                let (head, bytes) = try await next(request, body)
                switch await exchange.receive(head, contentLength: bytes.readableBytes) {
                case .pass(let head): return (head, bytes)
                case .replace(let head, let bytes): return (head, bytes)
                case .keep(let head, var recorder):
                    recorder.append(bytes)
                    await recorder.finish()
                    return (head, bytes)
                }
            }
        }
    }

    @Test("it mounts and it caches")
    func adapter() async throws {
        let pool = try HTTPPool(configuration: .init(listen: .init(host: "127.0.0.1", port: 0)))
        let group = try Group<String>("scores", capacity: .mebibytes(1), peers: pool) { key, _ in "value of \(key.string)" }
        let made = NIOLockedValueBox(0)
        let application: Handler = { _, _ in
            let number = made.withLockedValue { count in
                count += 1
                return count
            }
            return (HTTPResponse(status: .ok, headerFields: [.cacheControl: "max-age=60"]), ByteBuffer(string: "\(number)"))
        }
        let handler = self.mount(pool, before: self.cached(by: try ResponseCache(capacity: .mebibytes(1)), application))
        func ask(_ method: HTTPRequest.Method, _ path: String, _ body: String = "") async throws -> (Int, String) {
            let request = HTTPRequest(method: method, scheme: "https", authority: "example.org", path: path)
            let (head, bytes) = try await handler(request, ByteBuffer(string: body))
            return (head.status.code, String(buffer: bytes))
        }
        #expect(try await ask(.get, "/v1/groups/scores/keys/Tom") == (200, "value of Tom"))
        #expect(try await ask(.put, "/v1/groups/scores/keys/Tom", "1").0 == 403)
        #expect(try await ask(.post, "/v1/groups/scores/keys:get", #"{"keys":["a","b"]}"#).1.split(separator: "\n").count == 2)
        #expect(group.statistics.getterCalls == 3)
        #expect(try await ask(.get, "/page") == (200, "1"))
        #expect(try await ask(.get, "/page") == (200, "1"))
        #expect(try await ask(.get, "/other") == (200, "2"))
    }

    @Test("the code in the article is this code")
    func article() throws {
        func lines(_ file: URL) throws -> [String] {
            try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
        let here = URL(filePath: #filePath)
        let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let code = Set(try lines(here))
        let article = try lines(root.appending(path: "Sources/GroupCacheHTTP/GroupCacheHTTP.docc/OtherServers.md"))
        let begin = try #require(article.firstIndex(of: "```swift"))
        let snippet = article[(begin + 1)...].prefix { $0 != "```" }
        #expect(snippet.count > 30 && snippet.count < 50)
        for line in snippet { #expect(code.contains(line), "\(line)") }
    }
}

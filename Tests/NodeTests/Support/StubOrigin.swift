// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hummingbird
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// An HTTP server whose answers a test decides.
final class StubOrigin: Sendable {
    typealias Handler = @Sendable (Request, String) async throws -> Response

    private let handler = NIOLockedValueBox<Handler> { _, _ in Response(status: .notFound) }
    private let counts = NIOLockedValueBox<[String: Int]>([:])

    /// How often a key was asked for.
    func count(_ key: String) -> Int { self.counts.withLockedValue { $0[key] ?? 0 } }

    /// What `GET /v/{key}` answers from now on.
    func answer(_ handler: @escaping Handler) { self.handler.withLockedValue { $0 = handler } }

    static func text(_ text: String, _ headers: HTTPFields = [:], status: HTTPResponse.Status = .ok) -> Response {
        Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    /// Serves while `body` runs, which is given the server and the template of its URLs.
    static func run<Result: Sendable>(_ body: @escaping @Sendable (StubOrigin, String) async throws -> Result) async throws -> Result {
        let origin = StubOrigin()
        let router = Router()
        router.get("v/:key") { request, context -> Response in
            let key = try context.parameters.require("key").removingPercentEncoding ?? ""
            origin.counts.withLockedValue { $0[key, default: 0] += 1 }
            return try await origin.handler.withLockedValue { $0 }(request, key)
        }
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        var logger = Logger(label: "origin")
        logger.logLevel = .critical
        let application = Application(
            router: router,
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in continuation.yield(channel.localAddress?.port ?? 0) },
            logger: logger
        )
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await application.run() }
            defer { tasks.cancelAll() }
            var iterator = ports.makeAsyncIterator()
            guard let port = await iterator.next() else { throw TestFailure("the stub origin did not start") }
            return try await body(origin, "http://127.0.0.1:\(port)/v/{key}")
        }
    }
}

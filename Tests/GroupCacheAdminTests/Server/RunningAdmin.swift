// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import GroupCache
import GroupCacheAdmin
import GroupCacheHTTP
import Logging
import NIOCore
import NIOHTTP1

/// A pool with groups and its admin port, on free ports.
struct RunningAdmin: Sendable {
    static let token = "an-admin-token-for-tests"

    let pool: HTTPPool
    let server: AdminServer
    let url: String
    let port: Int

    struct Answer: Sendable {
        var status: Int
        var headers: HTTPHeaders
        var body: String

        /// The object of the body.
        var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(self.body.utf8)) as? [String: Any]) ?? [:] }
    }

    /// - Parameters:
    ///   - token: as `Authorization: Bearer`; `nil`: none.
    func ask(
        _ method: HTTPMethod = .GET,
        _ path: String,
        token: String? = nil,
        headers: [(String, String)] = [],
        body: String? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: self.url + path)
        request.method = method
        request.headers = HTTPHeaders(headers)
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let body { request.body = .bytes(ByteBuffer(string: body)) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
        let body = try await response.body.collect(upTo: 64 << 20)
        return Answer(status: Int(response.status.code), headers: response.headers, body: String(buffer: body))
    }

    /// What is to be other than usual.
    struct Setup: Sendable {
        var hasToken = true
        var admin: @Sendable (inout AdminConfiguration) -> Void = { _ in }
        var pool: @Sendable (inout HTTPPool.Configuration) -> Void = { _ in }
        var levels: LogLevels?
    }

    /// Runs both for the length of `body`.
    static func with<R: Sendable>(_ setup: Setup = Setup(), _ body: @Sendable (RunningAdmin) async throws -> R) async throws -> R {
        var pool = HTTPPool.Configuration()
        pool.listen = .init(host: "127.0.0.1", port: 0)
        pool.publicRoutes = true
        setup.pool(&pool)
        let file = FileManager.default.temporaryDirectory.appending(path: "admin-\(UInt64.random(in: 0 ... .max)).token")
        try Data("\(Self.token)\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        var configuration = AdminConfiguration()
        configuration.port = 0
        if setup.hasToken { configuration.tokenFile = file.path }
        setup.admin(&configuration)
        let node = try HTTPPool(configuration: pool)
        let server = try AdminServer(pool: node, configuration: configuration, levels: setup.levels)
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { try await node.run() }
            tasks.addTask { try await server.run() }
            _ = try await node.boundAddress
            let port = try await server.boundAddress.port ?? 0
            return try await body(RunningAdmin(pool: node, server: server, url: "http://127.0.0.1:\(port)", port: port))
        }
    }
}

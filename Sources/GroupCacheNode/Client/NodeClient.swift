// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import GroupCacheHTTP
internal import NIOCore
internal import NIOHTTP1

/// A node as the commands ask it.
struct NodeClient: Sendable {
    /// An answer below 400.
    struct Answer: Sendable {
        var status: Int
        var headers: HTTPHeaders
        var body: [UInt8]
    }

    /// The largest answer that is read, in bytes.
    static let maximumBody = 64 << 20

    let node: String
    let timeout: Duration

    private let security: ClientSecurity?

    /// One for the life of the process. Unlike `HTTPClient.shared` it says at once that nobody listens.
    private static let http: HTTPClient = {
        var configuration = HTTPClient.Configuration.singletonConfiguration
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    init(node: String, timeout: Duration, security: ClientSecurity? = nil) throws(CommandError) {
        guard let url = URL(string: node), url.scheme == "http" || url.scheme == "https", url.host?.isEmpty == false else {
            throw .usage("--node wants a URL like http://127.0.0.1:8001, not \"\(node)\"")
        }
        self.node = node.hasSuffix("/") ? String(node.dropLast()) : node
        self.timeout = timeout
        self.security = security
    }

    /// The path of a key.
    static func path(group: String, key: String) -> String {
        "/v1/groups/\(PercentEncoding.encode(group))/keys/\(PercentEncoding.encode(key))"
    }

    /// Asks, and throws for an answer of 400 and more what the node says about it.
    func ask(
        _ method: HTTPMethod = .GET,
        _ path: String,
        headers: HTTPHeaders = [:],
        body: [UInt8]? = nil
    ) async throws(CommandError) -> Answer {
        var request = HTTPClientRequest(url: self.node + path)
        request.method = method
        request.headers = headers
        #if TLS
            request.tlsConfiguration = self.security?.tls
        #endif
        // Also for reading, which may need it, too (--token-reads).
        if let authorization = self.security?.authorization {
            request.headers.replaceOrAdd(name: "Authorization", value: authorization)
        }
        if let body { request.body = .bytes(body) }
        let answer: Answer
        do {
            let response = try await Self.http.execute(request, timeout: TimeAmount(self.timeout))
            let body = try await response.body.collect(upTo: Self.maximumBody)
            answer = Answer(status: Int(response.status.code), headers: response.headers, body: Array(body.readableBytesView))
        } catch {
            throw CommandError(.unreachable, "cannot reach \(self.node): \(CommandError.text(of: error))")
        }
        guard answer.status >= 400 else { return answer }
        let status = try? JSONDecoder().decode(Status.self, from: Data(answer.body))
        throw CommandError(
            answer.status == 404 ? .notFound : .failure,
            status?.message ?? "\(self.node) answered \(answer.status)"
        )
    }

    /// Asks for JSON.
    func json<T: Decodable>(_ type: T.Type, _ path: String) async throws(CommandError) -> (value: T, body: [UInt8]) {
        let answer = try await self.ask(.GET, path)
        do {
            return (try JSONDecoder().decode(type, from: Data(answer.body)), answer.body)
        } catch {
            throw CommandError("\(self.node) answered something that is no \(type)")
        }
    }

    /// The error object that a node answers with.
    private struct Status: Decodable {
        var message: String
    }
}

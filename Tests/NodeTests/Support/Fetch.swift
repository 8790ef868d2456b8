// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// An HTTP answer.
struct Fetched: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var body: [UInt8]

    var text: String { String(decoding: self.body, as: UTF8.self) }

    func json<T: Decodable>(_ type: T.Type = T.self) throws -> T {
        try JSONDecoder().decode(type, from: Data(self.body))
    }
}

/// A client that does not wait for a server that is not there.
private let client: HTTPClient = {
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
}()

/// Asks a URL.
func fetch(_ url: String, method: HTTPMethod = .GET, headers: HTTPHeaders = [:], body: String? = nil) async throws -> Fetched {
    var request = HTTPClientRequest(url: url)
    request.method = method
    request.headers = headers
    if let body { request.body = .bytes(Array(body.utf8)) }
    let response = try await client.execute(request, timeout: .seconds(30))
    let body = try await response.body.collect(upTo: 16 << 20)
    return Fetched(status: Int(response.status.code), headers: response.headers, body: Array(body.readableBytesView))
}

/// Asks until the answer is as wished. The test's time limit bounds it.
func fetch(_ url: String, until wished: (Fetched) throws -> Bool) async throws -> Fetched {
    while true {
        try Task.checkCancellation()
        if let answer = try? await fetch(url), try wished(answer) { return answer }
        await Task.yield()
    }
}

/// Calls `body` for every element, up to 32 at once.
func forEachConcurrently<Element: Sendable>(_ elements: [Element], _ body: @escaping @Sendable (Element) async throws -> Void) async throws
{
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        for start in 0..<min(32, elements.count) {
            tasks.addTask {
                for index in stride(from: start, to: elements.count, by: 32) { try await body(elements[index]) }
            }
        }
        try await tasks.waitForAll()
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPCompression
internal import NIOPosix

/// How a node asks its HTTP origins.
struct OriginClient: Sendable {
    /// With connections that are used again.
    private let pooled: HTTPClient
    /// With a new connection for each request.
    private let fresh: HTTPClient

    init(logger: Logger? = nil) {
        func client(_ configuration: HTTPClient.Configuration) -> HTTPClient {
            let group = MultiThreadedEventLoopGroup.singleton
            guard let logger else { return HTTPClient(eventLoopGroup: group, configuration: configuration) }
            return HTTPClient(eventLoopGroup: group, configuration: configuration, backgroundActivityLogger: logger)
        }
        var configuration = Self.configuration
        self.pooled = client(configuration)
        configuration.maximumUsesPerConnection = 1
        self.fresh = client(configuration)
    }

    /// The largest body, in bytes, as it is after decoding.
    static let maximumBody = 8 << 20

    private static var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        // Where to is for us to judge.
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(5), read: .seconds(30))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = OriginLimits.running
        // An origin that refuses connections has failed: the cache has older values for that, or a caller that wants to know.
        configuration.connectionPool.retryConnectionEstablishment = false
        // What comes encoded though nobody asked for it.
        configuration.decompression = .enabled(limit: .size(Self.maximumBody))
        // The watch below is for this version.
        configuration.httpVersion = .http1Only
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.submit { try OriginConnection.watch(channel) }
        }
        return configuration
    }

    func shutdown() async throws {
        // Both, also when the first fails.
        let result = await Result { try await self.pooled.shutdown() }
        try await self.fresh.shutdown()
        try result.get()
    }

    /// Ends it when nothing can wait for that.
    func discard() {
        self.pooled.shutdown { _ in }
        self.fresh.shutdown { _ in }
    }

    /// Sends a GET. Once more, over a new connection, when the one that it was sent over had been used before and ends before a byte of an answer:
    /// then the server had most likely hung up before it was asked.
    func get(_ url: URL, _ headers: HTTPHeaders, deadline: NIODeadline) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: url.absoluteString)
        request.headers = headers
        if let target = try Self.target(beside: url) { request.headers.add(name: OriginConnection.targetField, value: target) }
        do {
            return try await self.pooled.execute(request, deadline: deadline)
        } catch is OriginConnection.EndedUnanswered {
            return try await self.fresh.execute(request, deadline: deadline)
        }
    }

    /// The path and query to ask for, where the client by itself would ask for `/`, as it does when a path is not UTF-8.
    private static func target(beside url: URL) throws -> String? {
        guard url.path.isEmpty else { return nil }
        // Behind the scheme, "://" and the authority, and before a fragment.
        let text = url.absoluteString.drop { $0 != ":" }.dropFirst(3).drop { $0 != "/" && $0 != "?" }
        let target = String(text.prefix { $0 != "#" })
        guard target.utf8.count > 1, target.hasPrefix("/") else { return nil }
        guard target.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw HTTPClientError.invalidURL }
        return target
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import Informers
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// How nodes are asked over HTTP by who is none: connections, a token, and whom to believe over TLS.
public final class NodeAccess: Sendable {
    /// The largest answer that is read, in bytes.
    private static let maximumAnswer = 64 << 20

    private let client: HTTPClient
    private let authorization: String?
    /// Whether the token has gone out encrypted: then it does not go out as anybody can read it, wherever a list of members points.
    private let isEncrypted = NIOLockedValueBox(false)

    /// Asks nobody yet.
    ///
    /// - Parameters:
    ///   - token: What the nodes ask of those who read, where they do.
    ///   - tls: `nil`: what is usual.
    public init(token: String? = nil, tls: SourceTLS? = nil) {
        // A node that watches sends a sign of life each few seconds: see `heartbeatSeconds` of those who ask.
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls?.configuration,
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(3), read: .seconds(20))
        )
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        self.client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        self.authorization = token.map { "Bearer \($0)" }
    }

    /// Closes the connections, and returns when they are. Nothing can be asked after that. Who does not wait for it need not call it.
    public func shutdown() async { try? await self.client.shutdown() }

    // Of one that is closed already this is an error that concerns nobody.
    deinit { self.client.shutdown { _ in } }

    /// The body of a good answer.
    ///
    /// - Throws: ``/Informers/Status`` for what the node says; ``/Informers/WatchError``: nobody listens there.
    func open(_ url: String) async throws -> HTTPClientResponse.Body {
        var request = HTTPClientRequest(url: url)
        let isEncrypted = self.isEncrypted.withLockedValue { known in
            known = known || url.lowercased().hasPrefix("https://")
            return known
        }
        if let authorization, !isEncrypted || url.lowercased().hasPrefix("https://") {
            request.headers.add(name: "Authorization", value: authorization)
        }
        let response: HTTPClientResponse
        do {
            response = try await self.client.execute(request, timeout: .seconds(10))
        } catch is NIOConnectionError {
            throw WatchError(.connectionRefused)
        } catch is IOError {
            // Of an address, and not of a name.
            throw WatchError(.connectionRefused)
        } catch let error as HTTPClientError where error == .connectTimeout {
            throw WatchError(.connectionRefused)
        }
        if response.status == .ok { return response.body }
        let body = Data(try await response.body.collect(upTo: 1 << 20).readableBytesView)
        throw (try? JSONDecoder().decode(Status.self, from: body)) ?? Status(.unknown, code: Int(response.status.code))
    }

    /// A whole answer in JSON.
    func get<Value: Decodable>(_ type: Value.Type, _ url: String) async throws -> Value {
        let body = try await self.open(url).collect(upTo: Self.maximumAnswer)
        return try JSONDecoder().decode(type, from: Data(body.readableBytesView))
    }

    /// A part of a query, with what must not stand there escaped.
    static func escaped(_ text: String) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        return text.addingPercentEncoding(withAllowedCharacters: allowed.intersection(CharacterSet(charactersIn: "\u{21}"..."\u{7E}")))
            ?? ""
    }
}

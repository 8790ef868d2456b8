// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Foundation
internal import Informers
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// A list of objects behind a URL: `GET url` lists, `GET url?watch=true` tells what changes, one JSON object after the other.
struct HTTPSource<Object: Codable & Sendable>: ListerWatcher {
    private let url: String
    private let client: HTTPClient

    init(_ url: String, client: HTTPClient) {
        self.url = url
        self.client = client
    }

    /// A refused connection is told at once: when to try again is for the informer to say. A watch may be silent for as long as it likes.
    static var clientConfiguration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(timeout: .init(connect: .seconds(3)))
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }

    func list(_ options: ListOptions) async throws -> ListResult<Object> {
        var query = [URLQueryItem(name: "resourceVersion", value: options.resourceVersion)]
        if options.limit > 0 { query.append(URLQueryItem(name: "limit", value: "\(options.limit)")) }
        if !options.continueToken.isEmpty { query.append(URLQueryItem(name: "continue", value: options.continueToken)) }
        let body = try await self.get(query).collect(upTo: 64 << 20)
        return try JSONDecoder().decode(ListResult<Object>.self, from: Data(body.readableBytesView))
    }

    func watch(_ options: WatchOptions) async throws -> WatchStream<Object> {
        var query = [
            URLQueryItem(name: "watch", value: "true"),
            URLQueryItem(name: "resourceVersion", value: options.resourceVersion),
            URLQueryItem(name: "allowWatchBookmarks", value: "\(options.allowBookmarks)"),
        ]
        if let timeout = options.timeout { query.append(URLQueryItem(name: "timeoutSeconds", value: "\(timeout.components.seconds)")) }
        let events = DecodedWatchSource(try await self.get(query).map(\.readableBytesView)) { bytes in
            try JSONDecoder().decode(WatchEvent<Object>.self, from: Data(bytes))
        }
        // Nonsense is an error. A connection that breaks, in whatever way, is an end: the informer goes on where it was.
        return WatchStream(events) { error in
            error is DecodingError || error is WatchError ? WatchStream<Object>.report(error) : nil
        }
    }

    /// The body of a good answer; throws what a bad one says.
    private func get(_ query: [URLQueryItem]) async throws -> HTTPClientResponse.Body {
        var components = URLComponents(string: self.url)
        components?.queryItems = query
        let response: HTTPClientResponse
        do {
            // So long until the head of the answer; a watch may go on as it likes.
            response = try await self.client.execute(HTTPClientRequest(url: components?.string ?? self.url), timeout: .seconds(10))
        } catch is NIOConnectionError {
            throw WatchError(.connectionRefused)
        } catch let error as HTTPClientError where error == .connectTimeout {
            throw WatchError(.connectionRefused)
        }
        if response.status == .ok { return response.body }
        let body = Data(try await response.body.collect(upTo: 1 << 20).readableBytesView)
        throw (try? JSONDecoder().decode(Status.self, from: body)) ?? Status(.unknown, code: Int(response.status.code))
    }
}

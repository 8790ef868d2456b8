// SPDX-License-Identifier: Apache-2.0

import Foundation
import Informers
import InformersTesting
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

@testable import InformerExample

/// A real HTTP server over a ``FakeSource``: small, and easy to break.
final class TinyHTTPSource: Sendable {
    private struct Connection {
        var channel: any Channel
        /// Answers what was asked last.
        var answer: Task<Void, Never>?
    }

    private struct State {
        var port = 0
        var server: (any Channel)?
        var connections: [ObjectIdentifier: Connection] = [:]
        var answers: [Int: Int] = [:]
    }

    let source = FakeSource<Score>(key: \.metadata.name) { score, version in
        var score = score
        score.metadata.resourceVersion = "\(version)"
        return score
    }
    private let state = Mutex(State())

    var url: String { "http://127.0.0.1:\(self.state.withLock { $0.port })/scores" }
    /// How many answers had each status.
    var answers: [Int: Int] { self.state.withLock { $0.answers } }

    /// Starts to serve, the first time on any port, then on the same one. Returns when the port is open.
    func start() async throws {
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(RequestHandler(self))
                }
            }
            .bind(host: "127.0.0.1", port: self.state.withLock { $0.port }).get()
        self.state.withLock { state in
            state.port = server.localAddress?.port ?? 0
            state.server = server
        }
    }

    /// Stops as a process that is killed: every connection breaks, and nobody listens.
    func stop() async throws {
        let server = self.state.withLock { $0.server.take() }
        try await server?.close()
        self.dropConnections()
    }

    /// Breaks every connection, wherever it is.
    func dropConnections() {
        for connection in self.state.withLock({ $0.connections.values }) { connection.channel.close(promise: nil) }
    }

    func opened(_ channel: any Channel) {
        let isUp = self.state.withLock { state in
            state.connections[ObjectIdentifier(channel)] = Connection(channel: channel)
            return state.server != nil
        }
        // Accepted just before the stop.
        if !isUp { channel.close(promise: nil) }
    }

    func closed(_ channel: any Channel) {
        self.state.withLock { $0.connections.removeValue(forKey: ObjectIdentifier(channel)) }?.answer?.cancel()
    }

    func received(_ request: HTTPRequestHead, _ channel: any Channel) {
        let answer = Task {
            // Whatever goes wrong ends the connection.
            do { try await self.answer(request, channel) } catch { channel.close(promise: nil) }
        }
        self.state.withLock { $0.connections[ObjectIdentifier(channel)]?.answer = answer }
    }

    private func answer(_ request: HTTPRequestHead, _ channel: any Channel) async throws {
        let items = URLComponents(string: request.uri)?.queryItems ?? []
        let query = Dictionary(items.map { ($0.name, $0.value ?? "") }) { $1 }
        do {
            if query["watch"] == "true" {
                try await self.watch(query, channel)
            } else {
                let options = ListOptions(
                    resourceVersion: query["resourceVersion"] ?? "",
                    limit: query["limit"].flatMap(Int.init) ?? 0,
                    continueToken: query["continue"] ?? ""
                )
                let list = try await self.source.list(options)
                let page = Page(metadata: .init(resourceVersion: list.resourceVersion, continue: list.continueToken), items: list.items)
                try await self.head(.ok, channel)
                try await Self.write(.body(.byteBuffer(ByteBuffer(bytes: JSONEncoder().encode(page)))), channel)
            }
        } catch let status as Status {
            try await self.head(HTTPResponseStatus(statusCode: status.code), channel)
            try await Self.write(.body(.byteBuffer(ByteBuffer(bytes: JSONEncoder().encode(status)))), channel)
        }
        try await Self.write(.end(nil), channel)
    }

    private func watch(_ query: [String: String], _ channel: any Channel) async throws {
        let options = WatchOptions(
            resourceVersion: query["resourceVersion"] ?? "",
            allowBookmarks: query["allowWatchBookmarks"] == "true"
        )
        let stream = try await self.source.watch(options)
        defer { stream.stop() }
        try await self.head(.ok, channel)
        for await event in stream {
            try await Self.write(.body(.byteBuffer(ByteBuffer(bytes: JSONEncoder().encode(event) + Data("\n".utf8)))), channel)
        }
    }

    private func head(_ status: HTTPResponseStatus, _ channel: any Channel) async throws {
        self.state.withLock { $0.answers[Int(status.code), default: 0] += 1 }
        try await Self.write(
            .head(HTTPResponseHead(version: .http1_1, status: status, headers: ["content-type": "application/json"])),
            channel
        )
    }

    private static func write(_ part: HTTPServerResponsePart, _ channel: any Channel) async throws {
        try await channel.writeAndFlush(part).get()
    }

    private struct Page: Encodable {
        struct Metadata: Encodable {
            var resourceVersion: String
            var `continue`: String
        }

        var metadata: Metadata
        var items: [Score]
    }
}

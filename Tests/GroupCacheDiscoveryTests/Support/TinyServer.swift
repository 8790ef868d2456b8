// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// A real HTTP server whose answers a test writes, and which is easy to break.
final class TinyServer: Sendable {
    struct Request: Sendable {
        var method: HTTPMethod
        var path: String
        var query: [String: String]
        var headers: HTTPHeaders
        var body: [UInt8]
    }

    /// One answer, written piece by piece.
    struct Reply: Sendable {
        let channel: any Channel

        func head(_ status: Int, _ headers: HTTPHeaders = ["content-type": "application/json"]) async throws {
            let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
            try await self.channel.writeAndFlush(HTTPServerResponsePart.head(head)).get()
        }

        func write(_ text: String) async throws {
            try await self.channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: text)))).get()
        }

        func end() async throws { try await self.channel.writeAndFlush(HTTPServerResponsePart.end(nil)).get() }

        func whole(_ status: Int, _ text: String, _ headers: HTTPHeaders = ["content-type": "application/json"]) async throws {
            try await self.head(status, headers)
            try await self.write(text)
            try await self.end()
        }
    }

    typealias Handler = @Sendable (Request, Reply) async throws -> Void

    private struct State: Sendable {
        var port = 0
        var server: (any Channel)?
        var connections: [ObjectIdentifier: (channel: any Channel, task: Task<Void, Never>?)] = [:]
        var requests: [Request] = []
    }

    private let handler: NIOLockedValueBox<Handler>
    private let state = NIOLockedValueBox(State())

    init(_ handler: @escaping Handler = { _, reply in try await reply.whole(500, "") }) { self.handler = NIOLockedValueBox(handler) }

    var url: String { "http://127.0.0.1:\(self.state.withLockedValue { $0.port })" }
    var requests: [Request] { self.state.withLockedValue { $0.requests } }
    var connections: Int { self.state.withLockedValue { $0.connections.count } }

    func answer(_ handler: @escaping Handler) { self.handler.withLockedValue { $0 = handler } }

    /// Starts to serve, the first time on any port, then on the same one.
    func start() async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Connection(server: self))
                }
            }
            .bind(host: "127.0.0.1", port: self.state.withLockedValue { $0.port }).get()
        self.state.withLockedValue { state in
            state.port = server.localAddress?.port ?? 0
            state.server = server
        }
    }

    /// Stops as a process that is killed: every connection breaks, and nobody listens.
    func stop() async throws {
        let server = self.state.withLockedValue { state in
            defer { state.server = nil }
            return state.server
        }
        try await server?.close()
        self.dropConnections()
    }

    /// Breaks every connection, wherever it is.
    func dropConnections() {
        for connection in self.state.withLockedValue({ Array($0.connections.values) }) { connection.channel.close(promise: nil) }
    }

    /// Runs the server while `body` does.
    func run(_ body: () async throws -> Void) async throws {
        try await self.start()
        do { try await body() } catch {
            try? await self.stop()
            throw error
        }
        try await self.stop()
    }

    fileprivate func opened(_ channel: any Channel) {
        let isUp = self.state.withLockedValue { state in
            state.connections[ObjectIdentifier(channel)] = (channel, nil)
            return state.server != nil
        }
        // Accepted just before the stop, which has not found it.
        if !isUp { channel.close(promise: nil) }
    }

    fileprivate func closed(_ channel: any Channel) {
        self.state.withLockedValue { $0.connections.removeValue(forKey: ObjectIdentifier(channel)) }?.task?.cancel()
    }

    fileprivate func received(_ request: Request, _ channel: any Channel) {
        let handler = self.handler.withLockedValue { $0 }
        self.state.withLockedValue { $0.requests.append(request) }
        let task = Task {
            // Whatever goes wrong ends the connection.
            do { try await handler(request, Reply(channel: channel)) } catch { channel.close(promise: nil) }
        }
        self.state.withLockedValue { $0.connections[ObjectIdentifier(channel)]?.task = task }
    }

    private final class Connection: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart

        private let server: TinyServer
        private var head: HTTPRequestHead?
        private var body: [UInt8] = []

        init(server: TinyServer) { self.server = server }

        func channelActive(context: ChannelHandlerContext) { self.server.opened(context.channel) }
        func channelInactive(context: ChannelHandlerContext) { self.server.closed(context.channel) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch self.unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                self.body = []
            case .body(let bytes): self.body += Array(bytes.readableBytesView)
            case .end:
                guard let head = self.head else { return }
                let components = URLComponents(string: head.uri)
                let query = Dictionary((components?.queryItems ?? []).map { ($0.name, $0.value ?? "") }) { $1 }
                self.server.received(
                    Request(method: head.method, path: components?.path ?? "", query: query, headers: head.headers, body: self.body),
                    context.channel
                )
            }
        }
    }
}

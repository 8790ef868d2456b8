import Foundation
import GroupCacheTesting
import Informers
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

@testable import InformerExample

/// A real HTTP server over a ``FakeSource``: small, and easy to break.
final class TinyHTTPSource: Sendable {
    private typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

    private struct State {
        var port = 0
        var server: Task<Void, any Error>?
        var connections: [ObjectIdentifier: any Channel] = [:]
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
            .bind(host: "127.0.0.1", port: self.state.withLock { $0.port }) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
        let port = server.channel.localAddress?.port ?? 0
        let task = Task {
            try await server.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await connection in connections { group.addTask { await self.serve(connection) } }
                }
            }
        }
        self.state.withLock { state in
            state.port = port
            state.server = task
        }
    }

    /// Stops as a process that is killed: every connection breaks, and nobody listens.
    func stop() async {
        let server = self.state.withLock { $0.server.take() }
        server?.cancel()
        self.dropConnections()
        _ = await server?.result
    }

    /// Breaks every connection, wherever it is.
    func dropConnections() {
        for channel in self.state.withLock({ $0.connections.values }) { channel.close(promise: nil) }
    }

    private func serve(_ connection: Connection) async {
        let id = ObjectIdentifier(connection.channel)
        self.state.withLock { $0.connections[id] = connection.channel }
        // However a connection ends is all right.
        try? await connection.executeThenClose { inbound, outbound in
            for try await part in inbound {
                if case .head(let head) = part { try await self.answer(head, outbound) }
            }
        }
        self.state.withLock { $0.connections[id] = nil }
    }

    private func answer(_ request: HTTPRequestHead, _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>) async throws {
        let items = URLComponents(string: request.uri)?.queryItems ?? []
        let query = Dictionary(items.map { ($0.name, $0.value ?? "") }) { $1 }
        do {
            if query["watch"] == "true" {
                try await self.watch(query, outbound)
            } else {
                let options = ListOptions(
                    resourceVersion: query["resourceVersion"] ?? "",
                    limit: query["limit"].flatMap(Int.init) ?? 0,
                    continueToken: query["continue"] ?? ""
                )
                let list = try await self.source.list(options)
                let page = Page(metadata: .init(resourceVersion: list.resourceVersion, continue: list.continueToken), items: list.items)
                try await self.head(.ok, outbound)
                try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: JSONEncoder().encode(page)))))
            }
        } catch let status as Status {
            try await self.head(HTTPResponseStatus(statusCode: status.code), outbound)
            try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: JSONEncoder().encode(status)))))
        }
        try await outbound.write(.end(nil))
    }

    private func watch(_ query: [String: String], _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>) async throws {
        let options = WatchOptions(
            resourceVersion: query["resourceVersion"] ?? "",
            allowBookmarks: query["allowWatchBookmarks"] == "true"
        )
        let stream = try await self.source.watch(options)
        defer { stream.stop() }
        try await self.head(.ok, outbound)
        for await event in stream {
            try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: JSONEncoder().encode(event) + Data("\n".utf8)))))
        }
    }

    private func head(_ status: HTTPResponseStatus, _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>) async throws {
        self.state.withLock { $0.answers[Int(status.code), default: 0] += 1 }
        try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: status, headers: ["content-type": "application/json"])))
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

// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// What happens to an HTTP connection within one of its own writes.
@Suite("Server: a channel that changes or ends during a write", .timeLimit(.minutes(5))) struct ServerReentryTests {
    /// Something happens at the first flush.
    private final class Event: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        private let happens: (NIOAsyncTestingChannel, ChannelHandlerContext) -> Void
        private var isOver = false

        init(_ happens: @escaping (NIOAsyncTestingChannel, ChannelHandlerContext) -> Void) { self.happens = happens }

        func flush(context: ChannelHandlerContext) {
            context.flush()
            guard !self.isOver, let channel = context.channel as? NIOAsyncTestingChannel else { return }
            self.isOver = true
            self.happens(channel, context)
        }
    }

    private func withConnection(
        _ happens: @escaping @Sendable (NIOAsyncTestingChannel, ChannelHandlerContext) -> Void,
        _ body: @Sendable (NIOLoopBound<ServerConnection>, NIOAsyncTestingChannel, PoolCore) async throws -> Void
    ) async throws {
        let core = try PoolCore.idle()
        let channel = NIOAsyncTestingChannel()
        let connection = try await channel.testingEventLoop.executeInContext {
            let loop = LoopContext(core: core, eventLoop: channel.testingEventLoop)
            let connection = ServerConnection(core: core, loop: loop, permit: ConnectionPermit(core, limit: 1))
            try channel.pipeline.syncOperations.addHandlers([Event(happens), connection])
            return NIOLoopBound(connection, eventLoop: channel.testingEventLoop)
        }
        try await body(connection, channel, core)
        _ = try? await channel.finish(acceptAlreadyClosed: true)
        #expect(core.counters.connections.load(ordering: .relaxed) == 0)
    }

    @Test("a client that is found gone while a piece of a stream is sent: whoever writes it goes on")
    func goneInAStream() async throws {
        try await self.withConnection { channel, context in
            // The channel was full when it broke, and stays so.
            channel.isWritable = false
            channel.pipeline.fireChannelWritabilityChanged()
            context.close(promise: nil)
        } _: { connection, channel, _ in
            try await channel.testingEventLoop.executeInContext {
                var head = ByteBuffer(string: ServerStateTests.get)
                connection.value.state.received(&head)
                _ = try connection.value.state.next()
                _ = connection.value.state.stream(Task {}, now: .now())
            }
            await withCheckedContinuation { continuation in
                Task {
                    try await channel.testingEventLoop.executeInContext {
                        connection.value.writePiece(ByteBuffer(string: "a line"), continuation)
                    }
                }
            }
            let isOver = try await channel.testingEventLoop.executeInContext { connection.value.state.lifecycle == .closed }
            #expect(isOver)
        }
    }

    @Test("a channel that was full for a moment while a link was agreed on: what came behind is the link's, not HTTP")
    func fullDuringUpgrade() async throws {
        try await self.withConnection { channel, _ in
            for isWritable in [false, true] {
                channel.isWritable = isWritable
                channel.pipeline.fireChannelWritabilityChanged()
            }
        } _: { _, channel, _ in
            var bytes = ByteBuffer(string: RawLink.handshake + "\r\n")
            var writer = WebSocketWriter()
            writer.payload.writeLinkGroup("scores")
            // To who takes it for HTTP, the second key ends a malformed head.
            for (id, key) in ["Tom", "\r\n\r\n"].enumerated() {
                writer.payload.writeLinkRequest(id: UInt32(id), group: 0, key: Array(key.utf8).span)
            }
            bytes.writeImmutableBuffer(writer.frame(mask: 0))
            try await channel.writeInbound(bytes)
            var sent = ByteBuffer()
            while var more = try await channel.readOutbound(as: ByteBuffer.self) { sent.writeBuffer(&more) }
            let text = String(decoding: sent.readableBytesView, as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 101 "))
            #expect(text.contains("630"))
            #expect(!text.contains("HTTP/1.1 400"))
        }
    }

    @Test("a connection that breaks while a link is agreed on is counted down once")
    func goneDuringUpgrade() async throws {
        try await self.withConnection { _, context in
            context.close(promise: nil)
        } _: { _, channel, core in
            _ = try? await channel.writeInbound(ByteBuffer(string: RawLink.handshake + "\r\n"))
            await channel.testingEventLoop.run()
            #expect(core.counters.connections.load(ordering: .relaxed) == 0)
        }
    }
}

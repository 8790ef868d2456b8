import Dispatch
import GroupCache
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// A channel tells of its writability in the middle of a write, and the link then sends from within its own sending.
@Suite("Link: a channel that changes its mind during a write", .timeLimit(.minutes(1))) struct LinkReentryTests {
    /// The first flush fills the channel and empties it again, as a socket does that takes everything at once. Meanwhile a task hands over
    /// more answers.
    private final class Hesitation: ChannelOutboundHandler, Sendable {
        typealias OutboundIn = ByteBuffer

        private let flushes = Atomic(0)
        private let meanwhile: @Sendable () async -> Void

        init(_ meanwhile: @escaping @Sendable () async -> Void) { self.meanwhile = meanwhile }

        func flush(context: ChannelHandlerContext) {
            context.flush()
            guard self.flushes.wrappingAdd(1, ordering: .relaxed).newValue == 1, let channel = context.channel as? NIOAsyncTestingChannel
            else { return }
            LinkReentryTests.blocking(self.meanwhile)
            for isWritable in [false, true] {
                channel.isWritable = isWritable
                channel.pipeline.fireChannelWritabilityChanged()
            }
        }
    }

    /// Keeps the thread, and so the loop, until `body` has ended.
    private static func blocking(_ body: @escaping @Sendable () async -> Void) {
        let done = DispatchSemaphore(value: 0)
        Task {
            await body()
            done.signal()
        }
        done.wait()
    }

    @Test("answers that are ready while others are being sent wait for those; the request does not end before its last answer")
    func order() async throws {
        var configuration = HTTPPool.Configuration()
        configuration.listen = nil
        let core = try HTTPPool(configuration: configuration).core
        let channel = NIOAsyncTestingChannel()
        // Two of them are more than a message is to carry, so that the first is sent while others wait their turn.
        let value = ByteView(LinkSamples.bytes(200_000))
        let reply = { @Sendable (serial: UInt64, index: UInt32) in
            LinkReplies.Reply(id: 7, serial: serial, index: index, content: .entry(ServedEntry(value: value, source: .main)))
        }
        try await channel.testingEventLoop.executeInContext {
            let link = LinkServer(core: core, loop: LoopContext(core: core, eventLoop: channel.testingEventLoop))
            #expect(link.begin(7, keys: 5) { _ in })
            let (replies, serial) = (link.replies, link.running[7]?.serial ?? 0)
            let hesitation = Hesitation {
                await replies.add(reply(serial, 4))
                await replies.add(LinkReplies.Reply(id: 7, serial: serial, content: .end))
            }
            try channel.pipeline.syncOperations.addHandlers([hesitation, link])
            Self.blocking { for index in 0..<4 { await replies.add(reply(serial, UInt32(index))) } }
        }
        await channel.testingEventLoop.run()

        var received: [UInt32] = []
        var reader = WebSocketReader(expectsMask: false, limit: LinkLimits().messageSize)
        var input = ByteBuffer()
        while var more = try await channel.readOutbound(as: ByteBuffer.self) { input.writeBuffer(&more) }
        while let message = try reader.next(&input) {
            #expect(message.opcode == .binary)
            var items = LinkReader()
            while let item = try items.next(message.payload.readableBytesUInt8Span) {
                if case .reply(let reply) = item { received.append(reply.index) }
            }
        }
        #expect(received == [0, 1, 2, 3, 4])
        try await channel.testingEventLoop.executeInContext {
            let link = try channel.pipeline.syncOperations.handler(type: LinkServer.self)
            #expect(link.running.isEmpty)
        }
        _ = try await channel.finish(acceptAlreadyClosed: true)
    }
}

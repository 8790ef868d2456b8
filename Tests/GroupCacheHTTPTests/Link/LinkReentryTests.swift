// SPDX-License-Identifier: Apache-2.0

import Dispatch
import GroupCache
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import GroupCacheHTTP

/// A channel tells of its writability in the middle of a write, and the link then sends from within its own sending.
@Suite("Link: a channel that changes its mind during a write", .timeLimit(.minutes(5))) struct LinkReentryTests {
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
        let core = try PoolCore.idle()
        let channel = NIOAsyncTestingChannel()
        // Two of them are more than a message is to carry, so that the first is sent while others wait their turn.
        let value = ByteView(LinkSamples.bytes(200_000))
        let reply = { @Sendable (serial: UInt64, index: UInt32) in
            LinkReplies.Reply(id: 7, serial: serial, index: index, content: .entry(ServedEntry(value: value, source: .main)))
        }
        let isRunning = try await channel.testingEventLoop.executeInContext {
            let link = LinkServer(core: core, loop: LoopContext(core: core, eventLoop: channel.testingEventLoop))
            let isRunning = link.state.run(7, keys: 5) { _ in Task {} }
            let (replies, serial) = (link.replies, link.state.open?.running[7]?.serial ?? 0)
            let hesitation = Hesitation {
                await replies.add(reply(serial, 4))
                await replies.add(LinkReplies.Reply(id: 7, serial: serial, content: .end))
            }
            try channel.pipeline.syncOperations.addHandlers([hesitation, link])
            Self.blocking { for index in 0..<4 { await replies.add(reply(serial, UInt32(index))) } }
            return isRunning
        }
        #expect(isRunning)
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
        let left = try await channel.testingEventLoop.executeInContext {
            try channel.pipeline.syncOperations.handler(type: LinkServer.self).state.open?.running.count
        }
        #expect(left == 0)
        _ = try await channel.finish(acceptAlreadyClosed: true)
    }

    // MARK: Links on full channels

    /// What `body` finds about a link that has got one message.
    private func withLink<Findings: Sendable>(
        isWritable: Bool,
        _ body: @escaping @Sendable (LinkServer, NIOAsyncTestingChannel) -> Findings
    ) async throws -> Findings {
        let core = try PoolCore.idle()
        let channel = NIOAsyncTestingChannel()
        channel.isWritable = isWritable
        let findings = try await channel.testingEventLoop.executeInContext {
            let link = LinkServer(core: core, loop: LoopContext(core: core, eventLoop: channel.testingEventLoop))
            try channel.pipeline.syncOperations.addHandler(link)
            channel.pipeline.fireChannelRead(ByteBuffer(bytes: RawLink.gets(["Tom"])))
            channel.pipeline.fireChannelReadComplete()
            return body(link, channel)
        }
        var reader = WebSocketReader(expectsMask: false, limit: LinkLimits().messageSize)
        var sent = ByteBuffer()
        while var more = try await channel.readOutbound(as: ByteBuffer.self) { sent.writeBuffer(&more) }
        #expect(try reader.next(&sent)?.opcode == .binary)
        _ = try await channel.finish(acceptAlreadyClosed: true)
        return findings
    }

    @Test("a link on a channel that is full when it begins answers when there is room")
    func beginsFull() async throws {
        let takesAnswers = try await self.withLink(isWritable: false) { link, channel in
            let before = link.state.takesAnswers
            channel.isWritable = true
            channel.pipeline.fireChannelWritabilityChanged()
            return [before, link.state.takesAnswers]
        }
        #expect(takesAnswers == [false, true])
    }

    @Test("a node that stops does not cut a peer that is still reading its answers")
    func stopsWhileFull() async throws {
        let limits = try await self.withLink(isWritable: true) { link, channel in
            link.drain()
            var limits = [link.deadline - .now()]
            for isWritable in [false, true] {
                channel.isWritable = isWritable
                channel.pipeline.fireChannelWritabilityChanged()
                limits.append(link.deadline - .now())
            }
            return limits
        }
        #expect(limits[0] < .seconds(5) && limits[1] > .seconds(5) && limits[2] < .seconds(5), "\(limits)")
    }

    @Test("a node that stops answers what a peer has asked and not been read yet, as soon as there is room")
    func stopsWithQuestions() async throws {
        _ = try await self.withLink(isWritable: false) { link, channel in
            // Two seconds later, as far as the link knows.
            _ = link.state.drain(now: .now() - .seconds(3))
            channel.isWritable = true
            channel.pipeline.fireChannelWritabilityChanged()
        }
    }
}

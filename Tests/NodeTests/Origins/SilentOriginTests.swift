// SPDX-License-Identifier: Apache-2.0

import GroupCache
import GroupCacheTesting
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import GroupCacheNode

/// An origin that accepts connections and never answers, over real sockets.
@Suite(.timeLimit(.minutes(5))) struct SilentOriginTests {
    private static let client = OriginClient()

    /// Accepts, and says nothing until it is told to.
    private final class SilentServer: Sendable {
        private final class Handler: ChannelInboundHandler {
            typealias InboundIn = ByteBuffer
            typealias OutboundOut = ByteBuffer
            private let server: SilentServer
            init(_ server: SilentServer) { self.server = server }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                guard self.server.answers.withLockedValue({ $0 }) else { return }
                let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvalue"
                context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            }

            func channelActive(context: ChannelHandlerContext) { self.server.open.withLockedValue { $0 += 1 } }
            func channelInactive(context: ChannelHandlerContext) { self.server.open.withLockedValue { $0 -= 1 } }
        }

        let answers = NIOLockedValueBox(false)
        /// Connections.
        let open = NIOLockedValueBox(0)
        private let listener = NIOLockedValueBox<(any Channel)?>(nil)

        init() async throws {
            let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Handler(self)) }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            self.listener.withLockedValue { $0 = listener }
        }

        var template: String { "http://127.0.0.1:\(self.listener.withLockedValue { $0?.localAddress?.port } ?? 0)/{key}" }
        func close() async throws { try await self.listener.withLockedValue { $0 }?.close() }
    }

    @Test func everybodyIsAnsweredAndItWorksAgainAfter() async throws {
        let server = try await SilentServer()
        var limits = OriginLimits()
        let clock = ManualClock()
        var configuration = GroupConfiguration()
        configuration.clock = CacheClock(clock)
        configuration.loadTimeout = .seconds(5)
        configuration.loads = limits.limit(of: try OriginLocation(server.template))
        let group = try Group(
            "pages",
            capacity: .mebibytes(1),
            configuration: configuration,
            codec: OriginCodec(),
            getter: HTTPOrigin(template: URLTemplate(server.template), client: Self.client)
        )
        // No time passes before so many wait that others are refused, however long it takes them to come: then it passes until everybody is answered.
        let time = Task {
            while group.statistics.overloads == 0, !Task.isCancelled { await Task.yield() }
            while !Task.isCancelled {
                clock.advance(by: .milliseconds(500))
                try? await MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: .milliseconds(5)) {}.futureResult.get()
            }
        }
        defer { time.cancel() }
        let answers = await withTaskGroup(of: String.self) { tasks in
            for number in 0..<6_000 {
                tasks.addTask {
                    do throws(GroupCacheError) {
                        _ = try await group.get("key-\(number % 5_000)")
                        return "value"
                    } catch {
                        return error.code.description
                    }
                }
            }
            return await tasks.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        // 64 ask, 4,096 wait until their time is over, the rest is refused at once.
        #expect(answers["deadlineExceeded", default: 0] + answers["getterFailed", default: 0] >= OriginLimits.running)
        #expect(answers["overloaded", default: 0] > 0)
        #expect(answers["value"] == nil)
        #expect(answers.values.reduce(0, +) == 6_000)
        // One that has been given up is closed here before the server hears of it.
        while server.open.withLockedValue({ $0 }) > OriginLimits.running {
            try Task.checkCancellation()
            await Task.yield()
        }
        server.answers.withLockedValue { $0 = true }
        while (group.statistics.runningLoads, group.statistics.queuedLoads) != (0, 0) {
            try Task.checkCancellation()
            await Task.yield()
        }
        #expect(group.statistics.waiters == 0)
        time.cancel()
        // A machine that has much else to do may need more than one attempt, and a key that has failed is left alone for a while.
        var value: ByteView?
        while value == nil {
            try Task.checkCancellation()
            clock.advance(by: .seconds(60))
            value = try? await group.get("key-1").bytes
        }
        #expect(value == "value")
        try await server.close()
    }
}

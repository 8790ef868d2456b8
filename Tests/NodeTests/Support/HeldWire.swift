// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A way to a program that a test can hold: connections stay open and new ones are taken, and nothing gets through until it is let go. Then everything does,
/// however late.
final class HeldWire: Sendable {
    private struct State: Sendable {
        var isHeld = false
        var channels: [ObjectIdentifier: any Channel] = [:]
    }

    private let state: NIOLockedValueBox<State>
    private let listener: any Channel

    /// - Parameter target: the port that it leads to.
    init(to target: Int) async throws {
        let state = NIOLockedValueBox(State())
        self.state = state
        self.listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Until there is somebody to pass it on to.
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { inbound in
                ClientBootstrap(group: inbound.eventLoop)
                    .channelOption(.autoRead, value: false)
                    .channelInitializer { outbound in
                        outbound.eventLoop.makeCompletedFuture {
                            try outbound.pipeline.syncOperations.addHandler(Pipe(to: inbound, state))
                            try inbound.pipeline.syncOperations.addHandler(Pipe(to: outbound, state))
                        }
                    }
                    .connect(host: "127.0.0.1", port: target)
                    .map { outbound in
                        for channel in [inbound, outbound] {
                            let isHeld = state.withLockedValue { state in
                                state.channels[ObjectIdentifier(channel)] = channel
                                return state.isHeld
                            }
                            if !isHeld { channel.setOption(.autoRead, value: true).whenFailure { _ in } }
                        }
                    }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    var url: String { "http://127.0.0.1:\(self.listener.localAddress?.port ?? 0)" }

    /// Nothing gets through from now on; what is on its way may. Or everything does.
    func hold(_ isHeld: Bool) {
        let channels = self.state.withLockedValue { state in
            state.isHeld = isHeld
            return Array(state.channels.values)
        }
        for channel in channels { channel.setOption(.autoRead, value: !isHeld).whenFailure { _ in } }
    }

    func close() async throws {
        try await self.listener.close()
        for channel in self.state.withLockedValue({ Array($0.channels.values) }) { channel.close(promise: nil) }
    }

    private final class Pipe: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel
        private let state: NIOLockedValueBox<State>

        init(to other: any Channel, _ state: NIOLockedValueBox<State>) { (self.other, self.state) = (other, state) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.other.writeAndFlush(self.unwrapInboundIn(data), promise: nil)
        }
        func channelInactive(context: ChannelHandlerContext) {
            _ = self.state.withLockedValue { $0.channels.removeValue(forKey: ObjectIdentifier(context.channel)) }
            self.other.close(promise: nil)
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

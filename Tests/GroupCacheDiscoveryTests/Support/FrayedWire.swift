// SPDX-License-Identifier: Apache-2.0

import GroupCacheTesting
import InformersTesting
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A way to a node that breaks of itself: after a number of bytes, in the middle of whatever, and then for a time. Which ones a seed says.
final class FrayedWire: Sendable {
    private struct State {
        var random: SeededGenerator
        /// How often it breaks yet.
        var breaks: Int
        /// Until when nobody gets through.
        var isBrokenUntil = NIODeadline.uptimeNanoseconds(0)
    }

    private let state: NIOLockedValueBox<State>
    private let listener: any Channel
    let port: Int

    /// - Parameters:
    ///   - breaks: how often it breaks before it holds.
    ///   - longest: how long it is broken, at the most.
    init(to target: Int, seed: UInt64, breaks: Int, longest: TimeAmount) async throws {
        let state = NIOLockedValueBox(State(random: SeededGenerator(seed: seed), breaks: breaks))
        self.state = state
        self.listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { inbound in
                let budget = state.withLockedValue { state -> Int? in
                    if state.isBrokenUntil > .now() { return nil }
                    return state.breaks == 0 ? .max : .random(in: 0...6_000, using: &state.random)
                }
                guard let budget else { return inbound.close() }
                return ClientBootstrap(group: inbound.eventLoop)
                    .channelInitializer { outbound in
                        outbound.eventLoop.makeCompletedFuture {
                            let end = Pipe(to: inbound, budget: budget) {
                                state.withLockedValue { state in
                                    guard state.breaks > 0 else { return }
                                    state.breaks -= 1
                                    let time = Int64.random(in: 0...longest.nanoseconds, using: &state.random)
                                    state.isBrokenUntil = .now() + .nanoseconds(time)
                                }
                            }
                            try outbound.pipeline.syncOperations.addHandler(end)
                            try inbound.pipeline.syncOperations.addHandler(Pipe(to: outbound, budget: .max) {})
                        }
                    }
                    .connect(host: "127.0.0.1", port: target)
                    .map { _ in }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.port = self.listener.localAddress?.port ?? 0
    }

    /// How often it is still to break.
    var breaks: Int { self.state.withLockedValue { $0.breaks } }

    func close() async throws { try await self.listener.close() }

    private final class Pipe: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel
        private var budget: Int
        private let onBreak: () -> Void

        init(to other: any Channel, budget: Int, onBreak: @escaping () -> Void) {
            (self.other, self.budget, self.onBreak) = (other, budget, onBreak)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = self.unwrapInboundIn(data)
            guard self.budget >= 0 else { return }
            let some = bytes.readSlice(length: min(bytes.readableBytes, self.budget)) ?? ByteBuffer()
            self.other.writeAndFlush(some, promise: nil)
            if self.budget == .max { return }
            self.budget -= some.readableBytes
            guard bytes.readableBytes > 0 else { return }
            self.budget = -1
            self.onBreak()
            // After what it has let through.
            self.other.close(promise: nil)
            context.close(promise: nil)
        }
        func channelInactive(context: ChannelHandlerContext) { self.other.close(promise: nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

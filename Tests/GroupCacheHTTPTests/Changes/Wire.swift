// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A way to a node that a test can cut, or stop: others reach it by this one's port.
final class Wire: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isCut = false
        /// What goes on to the node when it is let go; `nil`: it goes at once.
        var held: [@Sendable () -> Void]?
        var target = 0
    }

    private let state = NIOLockedValueBox(State())
    private let listener: any Channel
    let port: Int

    /// Leads nowhere yet.
    init() async throws {
        let state = self.state
        self.listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { inbound in
                // In one step: what comes about while the wire is cut is either found there or not let in.
                let target = state.withLockedValue { state -> Int? in
                    guard !state.isCut else { return nil }
                    state.channels[ObjectIdentifier(inbound)] = inbound
                    return state.target
                }
                guard let target else { return inbound.close() }
                inbound.closeFuture.whenComplete { _ in state.withLockedValue { $0.channels[ObjectIdentifier(inbound)] = nil } }
                return ClientBootstrap(group: inbound.eventLoop)
                    .channelInitializer { outbound in
                        outbound.eventLoop.makeCompletedFuture {
                            try outbound.pipeline.syncOperations.addHandler(Pipe(to: inbound, state, holds: false))
                            try inbound.pipeline.syncOperations.addHandler(Pipe(to: outbound, state, holds: true))
                        }
                    }
                    .connect(host: "127.0.0.1", port: target)
                    .map { _ in }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.port = self.listener.localAddress?.port ?? 0
    }

    func lead(to port: Int) { self.state.withLockedValue { $0.target = port } }

    /// Breaks every connection, and lets no new one come about.
    func cut() {
        let channels = self.state.withLockedValue { state in
            state.isCut = true
            return Array(state.channels.values)
        }
        for channel in channels { channel.close(promise: nil) }
    }

    func mend() { self.state.withLockedValue { $0.isCut = false } }

    /// What is sent to the node lies in a buffer from now on, as where it stands still: also when its sender has closed the connection since.
    func hold() { self.state.withLockedValue { $0.held = $0.held ?? [] } }

    /// All of that comes to the node at once.
    func letGo() {
        let held = self.state.withLockedValue { state in
            defer { state.held = nil }
            return state.held ?? []
        }
        for go in held { go() }
    }

    func close() async throws {
        self.cut()
        self.letGo()
        try await self.listener.close()
    }

    private final class Pipe: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel
        private let state: NIOLockedValueBox<State>
        /// Whether it is the way to the node, on which things can be held.
        private let holds: Bool

        init(to other: any Channel, _ state: NIOLockedValueBox<State>, holds: Bool) {
            (self.other, self.state, self.holds) = (other, state, holds)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            // From the cut on nothing passes, and not only from when the channel has been closed, which its event loop does when it comes to it.
            if self.state.withLockedValue({ $0.isCut }) { return }
            let bytes = self.unwrapInboundIn(data)
            self.pass { [other] in other.writeAndFlush(bytes, promise: nil) }
        }
        func channelInactive(context: ChannelHandlerContext) { self.pass { [other] in other.close(promise: nil) } }

        private func pass(_ go: @escaping @Sendable () -> Void) {
            let isHeld = self.state.withLockedValue { state in
                if self.holds { state.held?.append(go) }
                return self.holds && state.held != nil
            }
            if !isHeld { go() }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

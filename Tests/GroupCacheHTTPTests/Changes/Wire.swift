import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A way to a node that a test can cut: others reach it by this one's port.
final class Wire: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isCut = false
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
                let (isCut, target) = state.withLockedValue { ($0.isCut, $0.target) }
                guard !isCut else { return inbound.close() }
                state.withLockedValue { $0.channels[ObjectIdentifier(inbound)] = inbound }
                inbound.closeFuture.whenComplete { _ in state.withLockedValue { $0.channels[ObjectIdentifier(inbound)] = nil } }
                return ClientBootstrap(group: inbound.eventLoop)
                    .channelInitializer { outbound in
                        outbound.eventLoop.makeCompletedFuture {
                            try outbound.pipeline.syncOperations.addHandler(Pipe(to: inbound))
                            try inbound.pipeline.syncOperations.addHandler(Pipe(to: outbound))
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

    func close() async throws {
        self.cut()
        try await self.listener.close()
    }

    private final class Pipe: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel

        init(to other: any Channel) { self.other = other }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.other.writeAndFlush(self.unwrapInboundIn(data), promise: nil)
        }
        func channelInactive(context: ChannelHandlerContext) { self.other.close(promise: nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

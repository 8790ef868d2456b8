// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A server that answers the n-th request of the n-th connection with whatever the test says, however wrong.
final class ScriptedServer: Sendable {
    enum Action: Sendable {
        case reply(String)
        case replyAndClose(String)
        /// What arrives is cut off by a TCP reset instead of an end.
        case replyAndReset(String)
        case close
        case silence
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let connection: Int
        private let script: @Sendable (Int, Int) -> Action
        private let seen: NIOLockedValueBox<[String]>
        private var requests = 0
        private var input = ""

        init(_ connection: Int, _ seen: NIOLockedValueBox<[String]>, _ script: @escaping @Sendable (Int, Int) -> Action) {
            self.connection = connection
            self.seen = seen
            self.script = script
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.input += String(buffer: self.unwrapInboundIn(data))
            guard self.input.hasSuffix("\r\n\r\n") else { return }
            let head = self.input
            self.seen.withLockedValue { $0.append(head) }
            self.input = ""
            self.requests += 1
            switch self.script(self.connection, self.requests) {
            case .reply(let text): context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            case .replyAndClose(let text):
                context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
                context.close(promise: nil)
            case .replyAndReset(let text):
                context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
                _ = (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                context.close(promise: nil)
            case .close: context.close(promise: nil)
            case .silence: break
            }
        }
    }

    private let listener: any Channel
    private let seen = NIOLockedValueBox<[String]>([])
    private let count = NIOLockedValueBox(0)

    init(tls: NIOSSLContext? = nil, _ script: @escaping @Sendable (_ connection: Int, _ request: Int) -> Action) async throws {
        let (seen, count) = (self.seen, self.count)
        self.listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = count.withLockedValue { count in
                        count += 1
                        return count
                    }
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.addHandler(Handler(connection, seen, script))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    var port: Int { self.listener.localAddress?.port ?? 0 }
    var url: String { "http://127.0.0.1:\(self.listener.localAddress?.port ?? 0)" }
    var requests: [String] { self.seen.withLockedValue { $0 } }
    var connections: Int { self.count.withLockedValue { $0 } }
    func close() async throws { try await self.listener.close() }
}

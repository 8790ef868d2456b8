// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

@testable import GroupCacheHTTP

#if canImport(Glibc)
    import Glibc
#endif

/// A peer that behaves as badly as a test wants: accepts connections and links, and then misbehaves. Every get that it answers, it answers with
/// `from the peer`.
final class ScriptedPeer: Sendable {
    enum Manner: Sendable {
        /// Answers.
        case answers
        /// Accepts connections, and never says a word.
        case accepts
        /// Agrees to a link, and then never says a word: not even to a ping.
        case opensLinks
        /// Answers pings, and never a request: its getter is stuck.
        case pings
        /// Breaks the connection (RST) in the middle of its answer to a request: in a frame over a link, in a body else.
        case breaksOff
        /// Refuses links, and answers GETs.
        case refusesLinks
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let peer: ScriptedPeer
        private var input = ByteBuffer()
        private var reader: WebSocketReader?

        init(_ peer: ScriptedPeer) { self.peer = peer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var incoming = self.unwrapInboundIn(data)
            self.input.writeBuffer(&incoming)
            if self.peer.manner == .accepts { return }
            if self.reader == nil { self.readHead(context) }
            while let message = try? self.reader?.next(&self.input) { self.receive(message, context) }
        }

        private func readHead(_ context: ChannelHandlerContext) {
            let text = String(buffer: self.input)
            guard text.hasSuffix("\r\n\r\n") else { return }
            self.input.clear()
            let lines = text.split(separator: "\r\n")
            let key = lines.first { $0.hasPrefix("Sec-WebSocket-Key: ") }?.dropFirst("Sec-WebSocket-Key: ".count)
            switch (key, self.peer.manner) {
            case (.some, .refusesLinks):
                self.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", context)
            case (.some(let key), _):
                self.reader = WebSocketReader(expectsMask: true, limit: 1 << 20)
                context.writeAndFlush(self.wrapOutboundOut(LinkHandshake.response(key: String(key))), promise: nil)
            case (nil, let manner):
                self.peer.countRequest()
                switch manner {
                case .answers, .refusesLinks: self.send("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nfrom the peer", context)
                case .breaksOff:
                    self.send("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nfrom", context)
                    self.breakOff(context)
                case .accepts, .opensLinks, .pings: break
                }
            }
        }

        private func receive(_ message: WebSocketReader.Message, _ context: ChannelHandlerContext) {
            var writer = WebSocketWriter()
            switch message.opcode {
            case .ping:
                guard self.peer.manner != .opensLinks else { return }
                writer.payload.writeImmutableBuffer(message.payload)
                context.writeAndFlush(self.wrapOutboundOut(writer.frame(.pong, mask: nil)), promise: nil)
            case .binary:
                let bytes = message.payload.readableBytesUInt8Span
                var items = LinkReader()
                while let item = try? items.next(bytes) {
                    guard case .request(let request) = item else { continue }
                    self.peer.countRequest()
                    writer.payload.writeLinkReply(id: request.id, value: "from the peer", ttl: LinkTime.replyTTL(nil), version: 1, index: 0)
                }
                guard !writer.isEmpty else { return }
                let frame = writer.frame(mask: nil)
                switch self.peer.manner {
                case .answers, .refusesLinks: context.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
                case .breaksOff:
                    let half = frame.getSlice(at: frame.readerIndex, length: frame.readableBytes / 2) ?? frame
                    context.writeAndFlush(self.wrapOutboundOut(half), promise: nil)
                    self.breakOff(context)
                case .accepts, .opensLinks, .pings: break
                }
            default: break
            }
        }

        private func send(_ text: String, _ context: ChannelHandlerContext) {
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }

        private func breakOff(_ context: ChannelHandlerContext) {
            // Without lingering the kernel says RST instead of FIN.
            let channel = context.channel
            (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                .whenComplete { _ in channel.close(promise: nil) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private struct State {
        var manner: Manner
        var requests = 0
    }

    private let state: NIOLockedValueBox<State>
    private let listener: NIOLockedValueBox<(any Channel)?> = NIOLockedValueBox(nil)

    /// A peer on a free port.
    init(_ manner: Manner) async throws {
        self.state = NIOLockedValueBox(State(manner: manner))
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Handler(self)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.listener.withLockedValue { $0 = listener }
    }

    var manner: Manner {
        get { self.state.withLockedValue { $0.manner } }
        set { self.state.withLockedValue { $0.manner = newValue } }
    }

    /// Gets that have come here.
    var requests: Int { self.state.withLockedValue { $0.requests } }
    var url: String { "http://127.0.0.1:\(self.listener.withLockedValue { $0?.localAddress?.port } ?? 0)" }

    func close() async throws { try await self.listener.withLockedValue { $0 }?.close() }

    fileprivate func countRequest() { self.state.withLockedValue { $0.requests += 1 } }
}

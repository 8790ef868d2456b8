// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// An HTTP server that says, byte for byte, what a test says, however wrong.
final class RawOrigin: Sendable {
    /// One request as it came.
    struct Request: Sendable {
        /// Path and query.
        var target: String
        /// In lower case.
        var fields: [String: String]
        /// Counted from 1: of all connections, and on this one.
        var connection: Int
        var number: Int
    }

    enum Reply: Sendable {
        case bytes(ByteBuffer)
        case bytesAndClose(ByteBuffer)
        case close
        case reset
        case silence
        /// The same bytes for as long as the client takes them.
        case endless(ByteBuffer, repeated: ByteBuffer)

        static func text(_ text: String) -> Reply { .bytes(ByteBuffer(string: text)) }

        /// A well-formed response.
        static func response(_ status: Int = 200, _ lines: [String] = [], _ body: String = "") -> Reply {
            let length = status == 204 || status == 304 ? [] : ["Content-Length: \(body.utf8.count)"]
            return .text((["HTTP/1.1 \(status) Whatever"] + lines + length).joined(separator: "\r\n") + "\r\n\r\n" + body)
        }
    }

    typealias Script = @Sendable (Request) -> Reply

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let origin: RawOrigin
        private let connection: Int
        private var input = ""
        private var number = 0
        private var repeated: ByteBuffer?

        init(_ origin: RawOrigin, _ connection: Int) {
            self.origin = origin
            self.connection = connection
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.input += String(buffer: self.unwrapInboundIn(data))
            guard self.input.hasSuffix("\r\n\r\n") else { return }
            let lines = self.input.split(separator: "\r\n")
            self.input = ""
            self.number += 1
            var request = Request(
                target: String(lines[0].split(separator: " ")[1]),
                fields: [:],
                connection: self.connection,
                number: self.number
            )
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                request.fields[parts[0].lowercased()] = parts[1].drop { $0 == " " }.description
            }
            self.origin.seen.withLockedValue { $0.append(request) }
            switch self.origin.script.withLockedValue({ $0 })(request) {
            case .bytes(let bytes): context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
            case .bytesAndClose(let bytes):
                context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
                context.close(promise: nil)
            case .close: context.close(promise: nil)
            case .reset:
                _ = (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                context.close(promise: nil)
            case .silence: break
            case .endless(let bytes, let repeated):
                context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
                self.repeated = repeated
                self.goOn(context)
            }
        }

        func channelWritabilityChanged(context: ChannelHandlerContext) { self.goOn(context) }

        private func goOn(_ context: ChannelHandlerContext) {
            guard let repeated, context.channel.isWritable, context.channel.isActive else { return }
            let channel = NIOLoopBound(context, eventLoop: context.eventLoop)
            context.writeAndFlush(self.wrapOutboundOut(repeated)).assumeIsolated().whenSuccess {
                self.origin.pieces.withLockedValue { $0 += 1 }
                self.goOn(channel.value)
            }
        }
    }

    private let script: NIOLockedValueBox<Script>
    private let seen = NIOLockedValueBox<[Request]>([])
    private let connections = NIOLockedValueBox(0)
    private let pieces = NIOLockedValueBox(0)
    private let listener = NIOLockedValueBox<(any Channel)?>(nil)

    init(_ script: @escaping Script = { _ in .response(404) }) async throws {
        self.script = NIOLockedValueBox(script)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let number = self.connections.withLockedValue { count in
                        count += 1
                        return count
                    }
                    try channel.pipeline.syncOperations.addHandler(Handler(self, number))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.listener.withLockedValue { $0 = listener }
    }

    var port: Int { self.listener.withLockedValue { $0?.localAddress?.port } ?? 0 }
    var url: String { "http://127.0.0.1:\(self.port)" }
    var requests: [Request] { self.seen.withLockedValue { $0 } }
    /// How many of an endless reply's pieces the client has taken.
    var taken: Int { self.pieces.withLockedValue { $0 } }
    func answer(_ script: @escaping Script) { self.script.withLockedValue { $0 = script } }
    func answer(_ reply: Reply) { self.answer { _ in reply } }
    func close() async throws { try await self.listener.withLockedValue { $0 }?.close() }
}

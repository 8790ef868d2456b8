// SPDX-License-Identifier: Apache-2.0

import GroupCache
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

@testable import GroupCacheHTTP

/// A peer that notes everything that it is sent over links, and answers every request with `recorded`.
final class RecordingPeer: Sendable {
    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let seen: NIOLockedValueBox<[LinkContent]>
        private let status: LinkStatus?
        private var input = ByteBuffer()
        private var isLink = false
        private var reader = WebSocketReader(expectsMask: true, limit: 1 << 24)

        init(_ seen: NIOLockedValueBox<[LinkContent]>, _ status: LinkStatus?) {
            self.seen = seen
            self.status = status
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var incoming = self.unwrapInboundIn(data)
            self.input.writeBuffer(&incoming)
            if !self.isLink {
                let head = String(buffer: self.input)
                guard head.hasSuffix("\r\n\r\n") else { return }
                self.input.clear()
                self.isLink = true
                let name = "Sec-WebSocket-Key: "
                let key = head.split(separator: "\r\n").first { $0.hasPrefix(name) }?.dropFirst(name.count) ?? ""
                context.writeAndFlush(self.wrapOutboundOut(LinkHandshake.response(key: String(key))), promise: nil)
            }
            while let message = try? self.reader.next(&self.input) {
                guard message.opcode == .binary else { continue }
                var writer = WebSocketWriter()
                var items = LinkReader()
                let bytes = message.payload.readableBytesUInt8Span
                while let item = try? items.next(bytes) {
                    let content = LinkContent(item, in: bytes)
                    self.seen.withLockedValue { $0.append(content) }
                    guard case .request(let request) = content else { continue }
                    for index in 0..<UInt32(max(1, request.keys.count)) {
                        if let status = self.status {
                            writer.payload.writeLinkReply(id: request.id, status: status, index: index)
                        } else {
                            writer.payload.writeLinkReply(id: request.id, value: "recorded", index: index)
                        }
                    }
                }
                context.writeAndFlush(self.wrapOutboundOut(writer.frame(mask: nil)), promise: nil)
            }
        }
    }

    private let listener: any Channel
    private let contents: NIOLockedValueBox<[LinkContent]>

    /// - Parameter status: What it answers instead.
    init(status: LinkStatus? = nil) async throws {
        let contents = NIOLockedValueBox<[LinkContent]>([])
        self.contents = contents
        self.listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Handler(contents, status)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    var url: String { "http://127.0.0.1:\(self.listener.localAddress?.port ?? 0)" }
    var seen: [LinkContent] { self.contents.withLockedValue { $0 } }
    func close() async throws { try await self.listener.close() }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1

/// Tells a ``TinyHTTPSource`` of connections and requests.
final class RequestHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let server: TinyHTTPSource

    init(_ server: TinyHTTPSource) { self.server = server }

    func channelActive(context: ChannelHandlerContext) {
        self.server.opened(context.channel)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.server.closed(context.channel)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = self.unwrapInboundIn(data) { self.server.received(head, context.channel) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1

/// What a connection to an origin is watched for, on top of what the client sees to: interim responses without end, and an end where a connection
/// that was used before is used again.
///
/// One for each connection, and only ever on its event loop.
final class OriginConnection {
    /// The connection had been used before, and ended before a byte of an answer.
    struct EndedUnanswered: Error {}
    /// More interim responses (RFC 9110 §15.2) than anybody needs.
    struct TooManyInterimResponses: Error {}

    /// A field of ours that holds the target of a request; it is not sent.
    static let targetField = "GroupCache-Target"
    /// How many interim responses a request may have.
    static let mostInterimResponses = 32

    private var requests = 0
    private var interimResponses = 0
    private var isUnanswered = false

    static func watch(_ channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let connection = OriginConnection()
        let encoder = try pipeline.handler(type: HTTPRequestEncoder.self)
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
        try pipeline.addHandler(Bytes(connection), position: .before(encoder))
        try pipeline.addHandler(Parts(connection), position: .after(decoder))
    }

    /// Sees the bytes.
    private final class Bytes: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias InboundOut = ByteBuffer
        private let connection: OriginConnection

        init(_ connection: OriginConnection) { self.connection = connection }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.connection.isUnanswered = false
            context.fireChannelRead(data)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.fireErrorCaught(self.connection.endsUnanswered() ? EndedUnanswered() : error)
        }

        func channelInactive(context: ChannelHandlerContext) {
            // Before the client's own handlers hear of it: they would not say that nothing had come.
            if self.connection.endsUnanswered() { context.fireErrorCaught(EndedUnanswered()) }
            context.fireChannelInactive()
        }
    }

    /// Sees requests and responses.
    private final class Parts: ChannelDuplexHandler {
        typealias InboundIn = HTTPClientResponsePart
        typealias InboundOut = HTTPClientResponsePart
        typealias OutboundIn = HTTPClientRequestPart
        typealias OutboundOut = HTTPClientRequestPart
        private let connection: OriginConnection

        init(_ connection: OriginConnection) { self.connection = connection }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            guard case .head(var head) = self.unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
            self.connection.begin()
            if let target = head.headers.first(name: OriginConnection.targetField) {
                head.uri = target
                head.headers.remove(name: OriginConnection.targetField)
            }
            context.write(self.wrapOutboundOut(.head(head)), promise: promise)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if case .head(let head) = self.unwrapInboundIn(data), (100..<200).contains(head.status.code) {
                self.connection.interimResponses += 1
                if self.connection.interimResponses > OriginConnection.mostInterimResponses {
                    context.fireErrorCaught(TooManyInterimResponses())
                    context.close(promise: nil)
                    return
                }
            }
            context.fireChannelRead(data)
        }
    }

    private func begin() {
        self.requests += 1
        self.interimResponses = 0
        self.isUnanswered = true
    }

    /// Whether the request that runs is of the kind that may be sent again. Said once.
    private func endsUnanswered() -> Bool {
        defer { self.isUnanswered = false }
        return self.isUnanswered && self.requests > 1
    }
}

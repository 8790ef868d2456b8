internal import GroupCache
internal import Logging
internal import NIOCore
internal import NIOSSL
internal import NIOTLS
internal import Synchronization

/// One client's connection: reads requests, answers them in order, never more than one at a time beyond what the cache answers at once.
///
/// This is the whole HTTP server. Requests of one read are answered in one write; a hit touches nothing but this handler and the group.
/// Bytes of later requests wait, and beyond ``readAhead`` the socket is not read any more, so that a client cannot make us hold more.
final class ServerConnection: ChannelDuplexHandler, RemovableChannelHandler, LoopMember {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        /// Between requests, or inside a head.
        case head
        /// Inside a body. The bytes of the head are kept, because it is made of offsets.
        case body(RequestHead, ByteBuffer)
        /// A task is at work on the answer.
        case running(ReplyOptions)
        /// A task writes the answer piece by piece.
        case streaming(closes: Bool)
        /// The last response is leaving. What still comes is thrown away, until the client is done: closing at once would reset the
        /// connection and could take the response from the client (RFC 9112 §9.6).
        case lingering
        case closed
    }

    /// How much is read ahead of the request that is being answered.
    static let readAhead = 65_536
    /// Responses are sent before more than this has gathered.
    static let writeAhead = 262_144

    let core: PoolCore
    let loop: LoopContext
    var permit: ConnectionPermit?
    var router: Router
    /// Whether TLS, where it is spoken, has been agreed on.
    var isSecured = false
    var context: ChannelHandlerContext?
    var input = ByteBuffer()
    var parser: RequestParser
    var body = ByteBuffer()
    var decoder: BodyDecoder?
    var phase = Phase.head
    var task: Task<Void, Never>?
    var writers: [CheckedContinuation<Void, Never>] = []
    var holdsRead = false
    var isDraining = false
    /// Whether no byte of the next head has come yet. Not so on a new connection, whose first head is due from the beginning.
    var isIdle = false
    var inputIsClosed = false
    var outputIsClosed = false
    var reservedBytes = 0
    var phaseBegan = NIODeadline.uptimeNanoseconds(0)
    var stalledSince: NIODeadline?
    var unsentBytes = 0

    /// When ``timeOut()`` is to be called, if nothing happens before.
    var deadline = NIODeadline.distantFuture

    /// - Parameter permit: the connection's place among all; `nil` where nobody counts.
    init(core: PoolCore, loop: LoopContext, permit: consuming ConnectionPermit? = nil) {
        self.core = core
        self.loop = loop
        self.permit = permit
        self.router = Router(core: core)
        let limits = core.configuration.limits
        self.parser = RequestParser(
            limits: .init(headSize: limits.headSize, targetSize: limits.targetSize, headerCount: limits.headerCount)
        )
    }

    // MARK: Events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.loop.refresh()
        self.loop.add(self)
        self.phaseBegan = self.loop.now
        self.deadline = self.loop.now + .init(self.core.configuration.server.headTimeout)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.finish()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.finish()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var incoming = self.unwrapInboundIn(data)
        switch self.phase {
        case .lingering, .closed: return
        default: break
        }
        self.input.append(&incoming)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.loop.refresh()
        self.process()
    }

    /// Reading is what the client is slowed down with.
    func read(context: ChannelHandlerContext) {
        if self.wantsBytes { context.read() } else { self.holdsRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            self.loop.refresh()
            self.stalledSince = nil
            self.unsentBytes = 0
            // Only now has the client got everything and begins to be idle.
            if self.isIdle { self.phaseBegan = self.loop.now }
            let writers = self.writers
            self.writers = []
            for writer in writers { writer.resume() }
            self.process()
        } else {
            self.stalledSince = self.loop.now
            self.updateDeadline()
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            self.inputIsClosed = true
            switch self.phase {
            // Somebody who has sent everything may still want the answer (printf … | nc).
            case .running, .streaming, .closed: break
            case .lingering: if self.outputIsClosed { self.abort() }
            case .head, .body: if self.stalledSince == nil { self.closeWhenSent() }
            }
            return
        }
        if let event = event as? TLSUserEvent, case .handshakeCompleted = event {
            self.isSecured = true
            let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)
            // It would not have come this far with one that is not vouched for.
            self.router.hasCertificate = handler?.peerCertificate != nil
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Connections are lost every day, so this is no news; whoever waits for the answer is told by the end of the connection.
        // Errors of TLS say what was wrong with a certificate, but nothing of what was sent.
        let text = self.core.credentials.secures && !self.isSecured ? "\(error)" : "\(type(of: error))"
        self.core.logger.debug("a connection failed", metadata: ["error": "\(text)"])
        context.close(promise: nil)
    }
}

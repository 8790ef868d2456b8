internal import GroupCache
internal import NIOCore
internal import Synchronization

/// The connection of a link, on the side that asks: the handshake, then requests out and replies in.
///
/// Everything that is asked within one turn of the loop leaves in one message, and one read brings many replies, so that the system calls and
/// wake-ups, which cost far more than all the rest, are shared.
final class LinkClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        case handshake(key: String, ResponseParser)
        case open
        case closed
    }

    static let sample = 8
    /// A message is sent before it gets larger than this.
    static let writeAhead = 131_072
    /// While something is awaited and nothing comes, the peer is asked whether it lives: first after what its answers usually take, then ever
    /// less often, up to this; and how long it may take to say so. Together less than a second. A peer with a slow getter answers pings at
    /// once.
    static let silence = TimeAmount.milliseconds(250)
    static let patience = TimeAmount.milliseconds(800)
    /// How much longer it has once that is over.
    static let doubt = TimeAmount.milliseconds(100)
    /// How long a peer that is well may take for a pong; generous, for the machine may be busy.
    static let pongTime = TimeAmount.milliseconds(100)
    /// How often a link without requests is tried, so that a peer that has vanished is not found out by a caller.
    static let idleTime = TimeAmount.seconds(5)

    let dialer: LinkDialer
    let openBy: NIODeadline
    /// Which of the dialer's attempts this belongs to.
    let attempt: Int
    /// Whether there was a connection, and the dialer knows of it.
    var isConnected = false
    var phase: Phase
    var context: ChannelHandlerContext?
    var input = ByteBuffer()
    var reader: WebSocketReader
    var writer = WebSocketWriter()
    var slots = LinkSlots<LinkPending>()
    /// The names of groups that the message in the making has.
    var groups: [String] = []
    var lastRead = NIODeadline.uptimeNanoseconds(0)
    var pingSent: NIODeadline?
    /// When the time for a pong was found to be over.
    var doubtedAt: NIODeadline?
    /// Pings since the last reply.
    var pings: Int64 = 0
    var timer: Scheduled<Void>?
    var timerAt = NIODeadline.distantFuture
    var isDraining = false
    var answers: UInt64 = 0
    var closesWhenDone = false
    var end = LinkDialer.End.lost(nil)

    init(_ dialer: LinkDialer, openBy: NIODeadline) {
        self.dialer = dialer
        self.openBy = openBy
        self.attempt = dialer.attempt
        self.phase = .handshake(key: LinkHandshake.makeKey(), ResponseParser())
        self.reader = WebSocketReader(expectsMask: false, limit: LinkLimits().messageSize)
    }

    var lane: LinkLane { self.dialer.lane }
    var settings: PeerLane.Settings { self.dialer.lane.settings }

    // MARK: Events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { self.shakeHands(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.shakeHands(context)
        context.fireChannelActive()
    }

    func shakeHands(_ context: ChannelHandlerContext) {
        guard case .handshake(let key, _) = self.phase, !self.isConnected else { return }
        self.isConnected = true
        self.dialer.connected(self.attempt)
        let url = self.settings.url
        let request = LinkHandshake.request(
            path: url.path + self.settings.dialect.basePath,
            host: url.authority,
            key: key,
            ring: self.settings.ring,
            authorization: self.settings.credentials.authorization
        )
        context.writeAndFlush(self.wrapOutboundOut(request), promise: nil)
        self.arm(self.openBy)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .closed = self.phase { return }
        var incoming = self.unwrapInboundIn(data)
        self.input.append(&incoming)
        self.lastRead = .now()
        self.pingSent = nil
        do throws(WebSocketCloseCode) {
            if case .handshake = self.phase { try self.readHandshake() }
            while case .open = self.phase, let message = try self.reader.next(&self.input) { try self.receive(message) }
        } catch {
            self.close(error)
        }
        if self.input.readableBytes == 0 { self.input = ByteBuffer() }
        self.closeIfDone()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.dialer.release() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .lost = self.end { self.end = .lost(error) }
        self.abort()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.finish()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.finish()
        self.context = nil
    }

    func finish() {
        if case .closed = self.phase { return }
        self.phase = .closed
        self.timer?.cancel()
        // First the dialer, then the callers: those who ask again must find the link down.
        if self.isConnected { self.dialer.ended(self, self.attempt, self.end) }
        let error = GroupCacheError(.peerFailed, "the link to the peer was lost")
        for pending in self.slots.removeAll() { pending.fail(error) }
    }

    // MARK: Handshake

    func readHandshake() throws(WebSocketCloseCode) {
        guard case .handshake(let key, var parser) = self.phase else { return }
        do {
            let bytes = self.input
            guard let head = try parser.parse(bytes.readableBytesUInt8Span) else {
                self.phase = .handshake(key: key, parser)
                return
            }
            self.input.moveReaderIndex(forwardBy: head.length)
            guard head.status == 101, head.isLink, head.webSocketAccept == LinkHandshake.accept(key) else {
                // A peer that has no time now is not one that knows no links.
                self.end = head.status == 503 ? .lost(nil) : .refused
                return self.abort()
            }
        } catch {
            self.end = .refused
            return self.abort()
        }
        self.phase = .open
        self.dialer.opened(self)
        self.arm(.now() + Self.idleTime)
    }

    // MARK: Closing

    func sendControl(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) {
        guard let context = self.context else { return }
        var writer = WebSocketWriter()
        writer.payload.writeImmutableBuffer(payload)
        context.writeAndFlush(self.wrapOutboundOut(writer.frame(opcode, mask: .random(in: 1 ... .max))), promise: nil)
    }

    func close(_ code: WebSocketCloseCode) {
        self.sendControl(.close, LinkHandshake.closePayload(code))
        self.abort()
    }

    /// Sends nothing new, and closes when everything is answered.
    func closeWhenDone() {
        self.closesWhenDone = true
        self.closeIfDone()
    }

    func closeIfDone() {
        guard self.closesWhenDone, self.slots.count == 0, case .open = self.phase else { return }
        self.end = .closed
        self.close(.normal)
    }

    /// Ends the link. Over TLS the connection itself ends when the peer has said goodbye, too, or after a second: nobody waits for that.
    func abort() {
        self.finish()
        self.context?.close(promise: nil)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The connection of a link, on the side that asks: the handshake, then requests out and replies in. What it is to do ``State`` says.
///
/// Everything that is asked within one turn of the loop leaves in one message, and one read brings many replies, so that the system calls and
/// wake-ups, which cost far more than all the rest, are shared.
final class LinkClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    static let sample = 8
    /// A message is sent before it gets larger than this.
    static let writeAhead = 131_072
    /// How often to look while there are requests.
    static let pace = TimeAmount.milliseconds(5)
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

    private let dialer: LinkDialer
    /// Which of the dialer's attempts this belongs to.
    private let attempt: Int
    private(set) var state: State
    private var context: ChannelHandlerContext?
    private var timer: Scheduled<Void>?
    private var timerAt = NIODeadline.distantFuture

    init(_ dialer: LinkDialer, _ state: State) {
        self.dialer = dialer
        self.attempt = dialer.attempt
        self.state = state
    }

    convenience init(_ dialer: LinkDialer, openBy: NIODeadline) {
        self.init(dialer, State(key: WebSocketKey.make(), openBy: openBy))
    }

    private var settings: PeerLane.Settings { self.dialer.lane.settings }

    // MARK: Events of the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { self.shakeHands(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.shakeHands(context)
        context.fireChannelActive()
    }

    private func shakeHands(_ context: ChannelHandlerContext) {
        guard let (key, openBy) = self.state.connected() else { return }
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
        self.arm(openBy)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var incoming = self.unwrapInboundIn(data)
        let now = NIODeadline.now()
        self.perform(self.state.read(&incoming, now: now))
        do throws(WebSocketCloseCode) {
            while let message = try self.state.nextMessage() { try self.receive(message, now) }
        } catch {
            self.perform(self.state.close(error))
        }
        self.perform(self.state.closeIfDone())
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.dialer.release() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.perform(self.state.failed(error))
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.perform(self.state.disconnected())
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.perform(self.state.disconnected())
        self.context = nil
    }

    // MARK: Events of the dialer

    /// Sends requests in one message, or in as few as their size allows.
    func send(_ calls: [PeerCall]) {
        let now = NIODeadline.now()
        var rest = calls[...]
        while !rest.isEmpty {
            var refused: [(call: PeerCall, error: GroupCacheError?)] = []
            let isWritable = self.context?.channel.isWritable ?? false
            let asked = self.state.ask(&rest, isWritable: isWritable, now: now, self.settings.standing.stream, refused: &refused)
            // Before a message leaves, which may find that there is room again, and then look at the dialer for what waits.
            if case .hold = asked {
                self.dialer.hold(rest)
                rest = []
            }
            for (call, error) in refused {
                if let error { call.fail(error) } else { self.dialer.lane.http.take(call) }
            }
            switch asked {
            case .send: self.flush()
            case .hold: break
            case .refuse:
                for call in rest { call.fail(LinkDialer.isDown) }
                return
            // A message may find the connection dead, and then everybody who is waited for here has been told. Nobody would tell those who come
            // after.
            case .over: return self.dialer.dispatch(Array(rest), abandoned: [])
            }
        }
        self.arm(now + Self.pace)
    }

    /// The callers have left.
    func abandon(_ calls: [PeerCall]) { self.perform(self.state.abandon(calls)) }

    func ping() { self.perform(self.state.ping(.now())) }

    /// Sends nothing new, and closes when everything is answered.
    func closeWhenDone() { self.perform(self.state.closeWhenDone()) }

    func close(_ code: WebSocketCloseCode) { self.perform(self.state.close(code)) }

    func abort() { self.perform(self.state.abort()) }

    // MARK: Messages

    private func receive(_ message: WebSocketReader.Message, _ now: NIODeadline) throws(WebSocketCloseCode) {
        if !self.settings.health.isUp { self.dialer.proved() }
        switch message.opcode {
        case .binary:
            var reader = LinkReader()
            let bytes = message.payload.readableBytesUInt8Span
            do throws(LinkFault) {
                while let item = try reader.next(bytes) { try self.receive(item, bytes, now) }
            } catch {
                throw WebSocketCloseCode(rawValue: error.closeCode) ?? .protocolError
            }
        case .ping: self.write(WebSocketWriter.control(.pong, message.payload, mask: .random(in: 1 ... .max)))
        case .pong: break
        case .close: self.perform(self.state.receiveClose(message.payload))
        case .text, .continuation: throw .notBinary
        }
    }

    private func receive(_ item: LinkItem, _ bytes: Span<UInt8>, _ now: NIODeadline) throws(LinkFault) {
        switch item {
        case .reply(let reply): self.receive(reply, bytes, now)
        case .draining: self.state.drain()
        case .ring, .group: break
        // Requests go one way. A peer that asks over our link is not one that we know.
        case .request, .cancel: throw .wireType
        }
    }

    private func receive(_ reply: LinkReply, _ bytes: Span<UInt8>, _ now: NIODeadline) {
        let http = self.dialer.lane.http
        switch self.state.take(reply.id, Int(reply.index)) {
        case .nobody: break
        case .one(let call, let teaches):
            if reply.status == .tooLarge { return http.take(call, isHeld: true, handover: reply.handover) }
            // Enough for a 95th percentile, and the budgets count them eightfold.
            if teaches, !call.kind.isPatient {
                self.settings.health.learn(UInt64(clamping: (now - call.started).nanoseconds), requests: Self.sample)
            }
            call.finish(Self.outcome(reply, bytes, of: call, self.settings.standing.stream), isAnswered: true)
        case .key(let call, let isLast):
            let index = Int(reply.index)
            if reply.status == .tooLarge {
                if let single = call.single(index, by: http, handover: reply.handover) { http.enqueue(single) }
            } else {
                call.answer(index, Self.outcome(reply, bytes, of: call, self.settings.standing.stream))
            }
            if isLast { call.close() }
        }
    }

    // MARK: Doing

    private func perform(_ actions: [State.Action]) {
        for action in actions {
            switch action {
            case .send(let frame): self.write(frame)
            case .sendMessage: self.flush()
            case .wake(let deadline): self.arm(deadline)
            case .opened: self.dialer.opened(self)
            case .over(let end, let pending):
                self.timer?.cancel()
                if self.state.isConnected { self.dialer.ended(self, self.attempt, end) }
                let error = GroupCacheError(.peerFailed, "the link to the peer was lost")
                for pending in pending { pending.fail(error) }
            case .late(let pending): for pending in pending { pending.fail(pending.call.lateness) }
            case .slow(let calls): for call in calls { call.tellSlow(self.settings.health) }
            case .close:
                // What the peer has not taken is not to come there later: the system would send it again and again, also after the connection is closed.
                if self.state.endedBadly {
                    _ = (self.context?.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                }
                self.context?.close(promise: nil)
            }
        }
    }

    private func write(_ frame: ByteBuffer) {
        guard let context = self.context else { return }
        context.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
    }

    /// Sends what has been written. Its memory comes back, so that the next message needs none of its own.
    private func flush() {
        guard let context = self.context, let frame = self.state.message(ring: self.settings.ring) else { return }
        context.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
        self.state.open?.writer.reuse(frame)
    }

    /// One timer for everything.
    private func arm(_ deadline: NIODeadline) {
        guard deadline < self.timerAt, !self.state.isOver, let context = self.context else { return }
        self.timer?.cancel()
        self.timerAt = deadline
        let shared = NIOLoopBound(self, eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(deadline: deadline) { shared.value.tick() }
    }

    private func tick() {
        self.timerAt = .distantFuture
        let delay = TimeAmount.nanoseconds(Int64(clamping: self.settings.health.hedgeDelay))
        self.perform(self.state.tick(.now(), hedgeDelay: delay))
    }
}

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

    private enum Phase {
        case handshake(key: String, ResponseParser)
        case open
        case closed
    }

    private static let sample = 8
    /// A message is sent before it gets larger than this.
    private static let writeAhead = 131_072
    /// While something is awaited and nothing comes, the peer is asked whether it lives: first after what its answers usually take, then ever
    /// less often, up to this; and how long it may take to say so. Together less than a second. A peer with a slow getter answers pings at
    /// once.
    private static let silence = TimeAmount.milliseconds(250)
    private static let patience = TimeAmount.milliseconds(900)
    /// How long a peer that is well may take for a pong; generous, for the machine may be busy.
    private static let pongTime = TimeAmount.milliseconds(100)
    /// How often a link without requests is tried, so that a peer that has vanished is not found out by a caller.
    private static let idleTime = TimeAmount.seconds(5)

    private let dialer: LinkDialer
    private let openBy: NIODeadline
    /// Which of the dialer's attempts this belongs to.
    private let attempt: Int
    /// Whether there was a connection, and the dialer knows of it.
    private var isConnected = false
    private var phase: Phase
    private var context: ChannelHandlerContext?
    private var input = ByteBuffer()
    private var reader: WebSocketReader
    private var writer = WebSocketWriter()
    private var slots = LinkSlots<LinkPending>()
    /// The names of groups that the message in the making has.
    private var groups: [String] = []
    private var lastRead = NIODeadline.uptimeNanoseconds(0)
    private var pingSent: NIODeadline?
    /// Pings since the last reply.
    private var pings: Int64 = 0
    private var timer: Scheduled<Void>?
    private var timerAt = NIODeadline.distantFuture
    private var isDraining = false
    private var answers: UInt64 = 0
    private var closesWhenDone = false
    private var end = LinkDialer.End.lost(nil)

    init(_ dialer: LinkDialer, openBy: NIODeadline) {
        self.dialer = dialer
        self.openBy = openBy
        self.attempt = dialer.attempt
        self.phase = .handshake(key: LinkHandshake.makeKey(), ResponseParser())
        self.reader = WebSocketReader(expectsMask: false, limit: LinkLimits().messageSize)
    }

    private var lane: LinkLane { self.dialer.lane }
    private var settings: PeerLane.Settings { self.dialer.lane.settings }

    // MARK: Events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { self.shakeHands(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.shakeHands(context)
        context.fireChannelActive()
    }

    private func shakeHands(_ context: ChannelHandlerContext) {
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
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.finish()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.finish()
        self.context = nil
    }

    private func finish() {
        if case .closed = self.phase { return }
        self.phase = .closed
        self.timer?.cancel()
        // First the dialer, then the callers: those who ask again must find the link down.
        if self.isConnected { self.dialer.ended(self, self.attempt, self.end) }
        let error = GroupCacheError(.peerFailed, "the link to the peer was lost")
        for pending in self.slots.removeAll() { pending.fail(error) }
    }

    // MARK: Handshake

    private func readHandshake() throws(WebSocketCloseCode) {
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

    // MARK: Requests

    /// Sends requests in one message, or in as few as their size allows.
    func send(_ calls: some Collection<PeerCall>) {
        guard case .open = self.phase, let context = self.context else { return self.dialer.hold(calls) }
        let now = NIODeadline.now()
        var rest = calls[...]
        while let call = rest.popFirst() {
            // A peer that does not read must not make us hold what it is sent.
            guard context.channel.isWritable, !self.isDraining else {
                self.flush()
                if self.isDraining { return self.refuse(rest, and: call) }
                self.dialer.hold([call])
                return self.dialer.hold(rest)
            }
            self.write(call, now)
            if self.writer.count > Self.writeAhead { self.flush() }
        }
        self.flush()
        self.arm(now + self.pace)
    }

    /// The peer is about to stop: whoever asks is better off elsewhere.
    private func refuse(_ calls: some Collection<PeerCall>, and first: PeerCall) {
        LinkPending(first).fail(LinkDialer.isDown)
        for call in calls { LinkPending(call).fail(LinkDialer.isDown) }
    }

    private func write(_ call: PeerCall, _ now: NIODeadline) {
        if call.isFinished { return }
        guard call.deadline > now else { return LinkPending(call).fail(.deadlineExceeded) }
        // Rounded down, but never to nothing: an answer after our own deadline is of no use to anybody.
        let timeout = UInt32(clamping: max(1, (call.deadline - now).nanoseconds / 1_000_000))
        guard let id = self.slots.insert(LinkPending(call)) else { return LinkPending(call).fail(PeerConnections.overloaded) }
        call.slot.store(id, ordering: .relaxed)
        switch call.kind {
        case .peer(let operation, let request):
            let group = self.group(request.group)
            var verb = request.reload ? LinkVerb.reload : .get
            var entry: PeerEntry?
            switch operation {
            case .get: break
            case .set(let value): (verb, entry) = (.set, value)
            case .remove: verb = .remove
            }
            self.writer.payload.writeLinkRequest(
                id: id,
                group: group,
                key: request.key.bytes.span,
                timeout: timeout,
                verb: verb,
                value: entry?.value,
                ttl: entry == nil ? 0 : LinkTime.requestTTL(entry?.ttl),
                traceparent: request.trace?.traceparent ?? "",
                tracestate: request.trace?.tracestate ?? ""
            )
        case .many(let keys, let batch):
            let group = self.group(batch.group)
            self.writer.payload.writeLinkRequest(id: id, group: group, keys: keys, timeout: timeout)
        case .path:
            // Paths go by GET.
            _ = self.slots.remove(id)
            self.lane.http.take(call)
        }
    }

    /// The place of a group's name in the message, which it is written into when it is new.
    private func group(_ name: String) -> UInt32 {
        if let index = self.groups.firstIndex(of: name) { return UInt32(index) }
        self.writer.payload.writeLinkGroup(name)
        self.groups.append(name)
        return UInt32(self.groups.count - 1)
    }

    /// The callers have left.
    func abandon(_ calls: [PeerCall]) {
        for call in calls {
            let id = call.slot.load(ordering: .relaxed)
            guard self.slots[id]?.call === call else { continue }
            _ = self.slots.remove(id)
            self.writer.payload.writeLinkCancel(id)
        }
        self.flush()
        self.closeIfDone()
    }

    private func flush() {
        guard !self.writer.isEmpty, let context = self.context else { return }
        if let ring = self.settings.ring { self.writer.payload.writeLinkRing(ring) }
        self.groups.removeAll(keepingCapacity: true)
        let frame = self.writer.frame(mask: .random(in: 1 ... .max))
        context.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
        self.writer.reuse(frame)
    }

    // MARK: Replies

    private func receive(_ message: WebSocketReader.Message) throws(WebSocketCloseCode) {
        if !self.settings.health.isUp { self.dialer.proved() }
        switch message.opcode {
        case .binary:
            var reader = LinkReader()
            let bytes = message.payload.readableBytesUInt8Span
            do throws(LinkFault) {
                while let item = try reader.next(bytes) { try self.receive(item, bytes) }
            } catch {
                throw WebSocketCloseCode(rawValue: error.closeCode) ?? .protocolError
            }
        case .ping: self.sendControl(.pong, message.payload)
        case .pong: break
        case .close:
            // Said in the middle of our questions it is still a loss to those who asked, but not a sign of ill health.
            self.end = .closed
            self.sendControl(.close, message.payload)
            self.abort()
        case .text, .continuation: throw .notBinary
        }
    }

    private func receive(_ item: LinkItem, _ bytes: Span<UInt8>) throws(LinkFault) {
        switch item {
        case .reply(let reply): self.receive(reply, bytes)
        case .draining:
            self.isDraining = true
            self.closesWhenDone = true
        case .ring, .group: break
        // Requests go one way. A peer that asks over our link is not one that we know.
        case .request, .cancel: throw .wireType
        }
    }

    private func receive(_ reply: LinkReply, _ bytes: Span<UInt8>) {
        let index = Int(reply.index)
        // A reply to nothing is a late one: its request was cancelled or is past its time.
        let taken = self.slots.update(reply.id) { pending -> (Bool, PeerCall?) in
            guard pending.take(index) else { return (false, nil) }
            return (!pending.isMany || pending.open == 0, pending.call)
        }
        self.pings = 0
        guard let taken, let call = taken else { return }
        if case .many = call.kind {
            if reply.status == .tooLarge {
                if let single = call.single(index, by: self.lane.http) { self.lane.http.enqueue(single) }
            } else {
                call.answer(index, self.outcome(reply, bytes))
            }
            if self.slots[reply.id] == nil { call.close() }
        } else if reply.status == .tooLarge {
            self.lane.http.take(call)
        } else {
            self.learn(call)
            call.finish(self.outcome(reply, bytes))
        }
    }

    /// One answer in eight teaches the peer's health how fast it is: enough for a 95th percentile, and the budgets count them eightfold.
    private func learn(_ call: PeerCall) {
        self.answers &+= 1
        guard self.answers % UInt64(Self.sample) == 0 else { return }
        let latency = (self.lastRead - call.started).nanoseconds
        self.settings.health.learn(UInt64(clamping: latency), requests: Self.sample)
    }

    private func outcome(_ reply: LinkReply, _ bytes: Span<UInt8>) -> PeerCall.Outcome {
        let ttl = LinkTime.replyTTL(reply.ttl)
        switch reply.status {
        case .value:
            return .success(PeerEntry(value: ByteView(copying: bytes.extracting(reply.value.range)), ttl: ttl, version: reply.version))
        case .done: return .success(PeerEntry(value: .empty))
        default: return .failure(reply.status.error(ttl: ttl, retryAfter: reply.retryAfter))
        }
    }

    // MARK: Time

    /// How often to look while there are requests.
    private var pace: TimeAmount { .milliseconds(5) }

    /// One timer for everything.
    private func arm(_ deadline: NIODeadline) {
        guard deadline < self.timerAt, let context = self.context else { return }
        self.timer?.cancel()
        self.timerAt = deadline
        let shared = NIOLoopBound(self, eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(deadline: deadline) { shared.value.tick() }
    }

    private func tick() {
        self.timerAt = .distantFuture
        let now = NIODeadline.now()
        switch self.phase {
        case .closed: return
        case .handshake:
            if now >= self.openBy { self.abort() } else { self.arm(self.openBy) }
            return
        case .open: break
        }
        if let pingSent {
            if now >= pingSent + Self.patience {
                self.end = .silent
                return self.abort()
            }
        } else if now >= self.lastRead + (self.slots.count > 0 ? self.quiet : Self.idleTime) {
            self.ping()
        }
        if self.slots.count > 0 {
            self.sweep(now)
            self.closeIfDone()
        }
        let isAwaiting = self.slots.count > 0 || self.pingSent != nil
        self.arm(isAwaiting ? now + self.pace : self.lastRead + Self.idleTime)
    }

    /// How long nothing may come before the next ping.
    private var quiet: TimeAmount {
        let usual = Int64(clamping: self.settings.health.hedgeDelay) << min(self.pings, 16)
        return min(Self.silence, .nanoseconds(usual))
    }

    /// Asks the peer whether it lives.
    func ping() {
        self.pingSent = .now()
        self.pings += 1
        self.sendControl(.ping, ByteBuffer())
        self.arm(.now() + self.pace)
    }

    /// Looks at every request: some are past their time, others want a second opinion.
    ///
    /// Those want it only when the peer does not answer pings either. If it does, its getter is at work, and asking another node would make a
    /// second one do the same work: a hot missing key with a slow origin would be loaded twice.
    private func sweep(_ now: NIODeadline) {
        let delay = TimeAmount.nanoseconds(Int64(clamping: self.settings.health.hedgeDelay))
        let slow = now - delay
        let isSilent = self.pingSent.map { now >= $0 + max(delay, Self.pongTime) } ?? false
        var late: [LinkPending] = []
        var hedged: [PeerCall] = []
        self.slots.sweep { id, pending in
            if pending.call.deadline <= now {
                late.append(pending)
                self.writer.payload.writeLinkCancel(id)
                return true
            }
            if isSilent, pending.call.started <= slow, pending.call.mayBeHedged { hedged.append(pending.call) }
            return false
        }
        self.flush()
        for pending in late { pending.fail(.deadlineExceeded) }
        for call in hedged { call.tellSlow(self.settings.health) }
    }

    // MARK: Closing

    private func sendControl(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) {
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

    private func closeIfDone() {
        guard self.closesWhenDone, self.slots.count == 0, case .open = self.phase else { return }
        self.end = .closed
        self.close(.normal)
    }

    private func abort() { self.context?.close(promise: nil) }
}

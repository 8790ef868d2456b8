// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Logging
internal import NIOCore
internal import NIOTLS
internal import Synchronization

/// One client's connection: reads requests, answers them in order, never more than one at a time beyond what the cache answers at once.
///
/// This is the whole HTTP server. Requests of one read are answered in one write; a hit touches nothing but this handler and the group.
/// Bytes of later requests wait, and beyond ``readAhead`` the socket is not read any more, so that a client cannot make us hold more.
///
/// What happens is told to a ``State``; this class does what that says.
final class ServerConnection: ChannelDuplexHandler, RemovableChannelHandler, LoopMember {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// How much is read ahead of the request that is being answered.
    static let readAhead = 65_536
    /// Responses are sent before more than this has gathered.
    static let writeAhead = 262_144

    let core: PoolCore
    let loop: LoopContext
    var permit: ConnectionPermit?
    var context: ChannelHandlerContext?
    var router: Router
    var state: State<Task<Void, Never>, CheckedContinuation<Void, Never>>
    /// What has been written and not been sent: nothing, except within an event.
    private var output = ByteBuffer()
    /// Whether TLS, where it is spoken, has been agreed on.
    private var isSecured = false
    /// The request at hand, if it is to be logged.
    private var noted: AccessLog.Entry?

    /// - Parameters:
    ///   - permit: the connection's place among all; `nil` where nobody counts.
    ///   - isRefused: there are too many, which is what the client is told.
    init(core: PoolCore, loop: LoopContext, permit: consuming ConnectionPermit? = nil, isRefused: Bool = false) {
        self.core = core
        self.loop = loop
        self.permit = permit
        self.router = Router(core: core)
        self.loop.refresh()
        self.state = State(core.limits, core.deadlines, isRefused: isRefused, now: loop.now)
        if loop.isDraining || core.isDraining.load(ordering: .relaxed) { self.state.beginDraining() }
    }

    // MARK: Events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.loop.add(self)
        // The event that says so is past.
        if !context.channel.isWritable { _ = self.state.writabilityChanged(false, now: self.loop.now) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.finish()
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        if case .deciding = self.state.phase {
            self.loop.refresh()
            self.respond(.failure(.tooManyConnections), closes: true)
            self.flush()
            self.carryOut(self.state.settle(now: self.loop.now))
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.finish()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var incoming = self.unwrapInboundIn(data)
        self.state.received(&incoming)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.loop.refresh()
        self.process()
    }

    /// Reading is what the client is slowed down with.
    func read(context: ChannelHandlerContext) {
        if self.state.read() { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.loop.refresh()
        let isWritable = context.channel.isWritable
        self.carryOut(self.state.writabilityChanged(isWritable, now: self.loop.now))
        if isWritable { self.process() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            self.loop.refresh()
            return self.carryOut(self.state.inputEnded(now: self.loop.now))
        }
        if let event = event as? TLSUserEvent, case .handshakeCompleted = event {
            self.isSecured = true
            self.router.hasCertificate = TLSContexts.hasCertificate(context.pipeline.syncOperations)
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

    // MARK: Events of the loop

    var deadline: NIODeadline { self.state.deadlines.next }

    func timeOut() {
        if self.state.isSlow { self.core.counters.timeouts.wrappingAdd(1, ordering: .relaxed) }
        self.carryOut(self.state.timedOut(now: self.loop.now))
    }

    var idleSince: NIODeadline? { self.state.idleSince }

    func beginDraining() { self.state.beginDraining() }

    func drain() {
        self.loop.refresh()
        self.carryOut(self.state.drain(now: self.loop.now))
    }

    func abort() { self.carryOut(self.state.abort(now: self.loop.now)) }

    // MARK: Actions

    /// Answers what can be answered now, sends it, and goes on reading when there is room.
    func process() {
        steps: while true {
            do throws(Refusal) {
                switch try self.state.next() {
                case .wait: break steps
                case .head(let head, let bytes): try self.receive(head, bytes)
                case .message(let message): self.receive(message)
                case .broken(let code): self.endSocket(code)
                case .request(let head, let bytes, let match, let body, let place):
                    self.answer(head, bytes.readableBytesUInt8Span, match, body: body, place)
                }
            } catch {
                self.core.counters.refusedRequests.wrappingAdd(1, ordering: .relaxed)
                self.respond(.failure(Failure(error)), closes: true)
            }
            if self.output.readableBytes > Self.writeAhead { self.flush() }
        }
        self.flush()
        self.carryOut(self.state.settle(now: self.loop.now))
    }

    func carryOut(_ actions: State<Task<Void, Never>, CheckedContinuation<Void, Never>>.Actions) {
        for writer in actions.resumed { writer.resume() }
        actions.cancelled?.cancel()
        guard let context = self.context else { return }
        switch actions.order {
        case .none: break
        case .farewell: self.send(ByteBuffer(), context)
        case .closeOutput: context.close(mode: .output, promise: nil)
        case .close: context.close(promise: nil)
        }
        if actions.reads { context.read() }
    }

    /// Writes the answer to the request at hand, if its client is still there.
    func respond(_ response: Response, closes: Bool = false) {
        self.noteDraining()
        guard let options = self.state.answer(closes: closes, now: self.loop.now) else { return }
        self.write { self.loop.writer.write(response, options, to: &$0) }
        if self.noted != nil {
            self.noteHead(response.status, bytes: options.isHead ? 0 : response.bodySize)
            self.noteEnd()
        }
    }

    // MARK: The access log

    /// A request has come, and is logged if the lot falls on it.
    func note(_ head: RequestHead, _ bytes: Span<UInt8>, _ match: RouteTable.Match) {
        guard let log = self.core.accessLog, log.takes(&self.loop.lot) else { return }
        self.noted = log.entry(head, bytes, match, self.router, now: .now(), &self.loop.lot)
    }

    func noteHead(_ status: Int, bytes: Int = 0) {
        self.noted?.status = status
        self.noted?.bytes = bytes
    }

    func notePiece(_ bytes: Int) { self.noted?.bytes += bytes }

    /// The request at hand is answered, or will not be.
    func noteEnd(isCut: Bool = false) {
        guard let noted = self.noted.take() else { return }
        self.core.accessLog?.write(noted, isCut: isCut, now: .now())
    }

    /// Before an answer: the node may be about to stop, and this loop not have come to hear of it yet. Whoever has been told so elsewhere must find
    /// that each answer since is the last of its connection.
    func noteDraining() {
        if self.core.isDraining.load(ordering: .relaxed) { self.state.beginDraining() }
    }

    /// Writes into what is sent at the end of the event.
    func write(_ body: (inout ByteBuffer) -> Void) {
        if self.output.capacity == 0 { self.output = self.loop.lendOutput() }
        body(&self.output)
    }

    func flush() {
        guard self.output.readableBytes > 0 else { return }
        // Sending may make the channel full and empty again, and so come back here, before it returns: these bytes must not be found again.
        var output = ByteBuffer()
        swap(&output, &self.output)
        guard let context = self.context else { return }
        self.send(output, context)
        self.loop.takeBack(&output)
    }

    private func send(_ output: ByteBuffer, _ context: ChannelHandlerContext) {
        let count = output.readableBytes
        if self.state.isFarewell {
            let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
            context.writeAndFlush(self.wrapOutboundOut(output)).whenComplete { _ in connection.value.farewellLeft() }
        } else {
            context.writeAndFlush(self.wrapOutboundOut(output), promise: nil)
        }
        self.state.wrote(count)
    }

    private func farewellLeft() {
        self.loop.refresh()
        self.carryOut(self.state.farewellLeft(now: self.loop.now))
    }

    private func finish() {
        self.noteEnd(isCut: true)
        guard let actions = self.state.finish() else { return }
        self.carryOut(actions)
        if self.core.credentials.secures, !self.isSecured { self.core.counters.failedHandshakes.wrappingAdd(1, ordering: .relaxed) }
        // Before the loop says that its last connection is gone: whoever hears that finds none.
        self.permit = nil
        self.loop.remove(self)
    }
}

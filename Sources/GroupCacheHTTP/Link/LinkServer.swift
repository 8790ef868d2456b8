internal import GroupCache
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// The connection of a link, on the side that answers.
///
/// What the cache holds is answered here, on the event loop, without a task; all answers to what one read brought leave in one message. What has to
/// be loaded becomes a task, whose answer leaves when it is ready, in whatever order.
final class LinkServer: ChannelDuplexHandler, LoopMember {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Loads that may run for one link. Beyond it requests are refused as `overloaded`.
    static let runningLimit = 16_384
    /// The keys that they may be about: a request can name a thousand, all of which are held until the last has its answer.
    static let runningKeysLimit = 65_536

    /// A request that is being loaded. Its id may be used again once it is cancelled; the serial number is its own.
    struct Running {
        var serial: UInt64
        var keys: Int
        var task: Task<Void, Never>
    }

    /// A message is sent before it gets larger than this.
    private static let writeAhead = 262_144
    /// How long a peer has, once it is told that this node stops, for what it sent before it knew.
    private static let lingerTime = TimeAmount.seconds(2)

    let core: PoolCore
    let loop: LoopContext
    let replies: LinkReplies
    private var permit: ConnectionPermit?
    var context: ChannelHandlerContext?
    private var input = ByteBuffer()
    private var reader = WebSocketReader(expectsMask: true, limit: LinkLimits().messageSize)
    var writer = WebSocketWriter()
    /// The message at hand, of which the rest waits while the peer does not read its answers.
    private var current: (payload: ByteBuffer, reader: LinkReader)?
    /// The groups that it has named.
    var groups: [(any PeerServing)?] = []
    /// Requests that are being loaded.
    var running: [UInt32: Running] = [:]
    private var runningKeys = 0
    private var serial: UInt64 = 0
    private var isProcessing = false
    /// Whether answers of tasks are being sent, and whether there may be more.
    var isSending = false
    var hasReplies = false
    /// Nothing that the peer says counts any more: it has said goodbye, or nonsense.
    private var isClosing = false
    /// The channel has been told to close, and nothing is timed any more.
    private var isAborted = false
    private var holdsRead = false
    /// Since this node stops: until when the link stays for what is on its way.
    var lingersUntil: NIODeadline?
    private var isClosed = false
    private var stalledSince: NIODeadline?
    private(set) var deadline = NIODeadline.distantFuture

    /// - Parameter permit: the connection's place among all; `nil` where nobody counts.
    init(core: PoolCore, loop: LoopContext, permit: consuming ConnectionPermit? = nil) {
        self.core = core
        self.loop = loop
        self.permit = permit
        self.replies = LinkReplies()
    }

    // MARK: Events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.replies.attach(self, context.eventLoop)
        self.loop.add(self)
        // What was sent before the handshake may have filled the channel, of which nobody tells us.
        if !context.channel.isWritable { self.stall() }
        self.touch()
    }

    /// Begins with what came right behind the handshake.
    func begin(with rest: ByteBuffer) {
        self.input = rest
        self.process()
        // The HTTP handler may have held a read back.
        self.context?.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var incoming = self.unwrapInboundIn(data)
        if self.isClosed || self.isClosing { return }
        self.input.append(&incoming)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.loop.refresh()
        self.process()
    }

    /// A peer that does not read its answers is not asked for more questions.
    func read(context: ChannelHandlerContext) {
        if self.stalledSince == nil { context.read() } else { self.holdsRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            self.stalledSince = nil
            self.loop.refresh()
            self.replies.resume()
            // First what is at hand: a link that ends goes when all that runs is answered.
            self.process()
            self.sendReplies()
            if self.holdsRead, self.stalledSince == nil {
                self.holdsRead = false
                context.read()
            }
        } else {
            self.stall()
        }
        self.touch()
        context.fireChannelWritabilityChanged()
    }

    private func stall() {
        self.stalledSince = self.loop.now
        self.replies.pause()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Nobody is left to read the answers.
        if let event = event as? ChannelEvent, event == .inputClosed { return self.abort() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.core.logger.debug("a link failed", metadata: ["error": "\(type(of: error))"])
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
        if self.isClosed { return }
        self.isClosed = true
        for running in self.running.values { running.task.cancel() }
        self.running.removeAll()
        self.replies.close()
        self.loop.remove(self)
        self.permit = nil
    }

    // MARK: Messages

    private func process() {
        // Writing may call channelWritabilityChanged, and so come here, before it returns; what is at work goes on by itself then.
        if self.isProcessing { return }
        self.isProcessing = true
        let isSound = self.takeSteps()
        self.isProcessing = false
        guard isSound else { return }
        if self.input.readableBytes == 0 { self.input = ByteBuffer() }
        self.touch()
        // What was running may have been cancelled.
        self.closeIfDrained()
    }

    /// Goes on as far as possible. `false`: the peer has said what makes no sense.
    private func takeSteps() -> Bool {
        do throws(WebSocketCloseCode) {
            var goesOn = true
            while goesOn {
                while try self.step() {}
                // If sending has made room at once, nobody else will come back to what was left.
                let wasStalled = self.stalledSince != nil
                self.flush()
                goesOn = wasStalled && self.takesAnswers
            }
            return true
        } catch {
            self.core.counters.refusedRequests.wrappingAdd(1, ordering: .relaxed)
            self.core.logger.debug("a link is closed", metadata: ["code": "\(error.rawValue)"])
            self.close(error)
            return false
        }
    }

    /// Whether the peer reads its answers, so that more can be made.
    var takesAnswers: Bool { !self.isClosed && !self.isClosing && self.stalledSince == nil }

    /// Goes on by one message, or what is left of one. False when that is not possible now.
    ///
    /// A message of 16 MiB can ask for many gigabytes, so it stops in the middle when the peer does not take what it has asked for.
    private func step() throws(WebSocketCloseCode) -> Bool {
        guard self.takesAnswers else { return false }
        guard case (let payload, var reader)? = self.current.take() else {
            guard let message = try self.reader.next(&self.input) else { return false }
            try self.receive(message)
            return true
        }
        let bytes = payload.readableBytesUInt8Span
        do {
            while self.takesAnswers {
                guard let item = try reader.next(bytes) else { return true }
                try self.receive(item, bytes)
            }
        } catch let fault as LinkFault {
            throw WebSocketCloseCode(rawValue: fault.closeCode) ?? .protocolError
        } catch {
            throw .protocolError
        }
        self.current = (payload, reader)
        return false
    }

    private func receive(_ message: WebSocketReader.Message) throws(WebSocketCloseCode) {
        switch message.opcode {
        case .binary:
            self.groups.removeAll(keepingCapacity: true)
            self.current = (message.payload, LinkReader())
        case .ping: self.send(.pong, message.payload)
        case .pong: break
        case .close:
            self.isClosing = true
            self.send(.close, message.payload)
            self.abort()
        case .text, .continuation: throw .notBinary
        }
    }

    private func receive(_ item: LinkItem, _ bytes: Span<UInt8>) throws {
        switch item {
        case .request(let request): try self.answer(request, bytes)
        case .group(let name): self.groups.append(self.core.groups.withLockedValue { $0 }.find(name, bytes))
        case .cancel(let id): self.end(id)?.task.cancel()
        case .ring(let version):
            self.core.note(ring: version)
        case .draining: break
        // Answers to questions that were never asked.
        case .reply: throw WebSocketCloseCode.protocolError
        }
    }

    /// Sends what has been written, as one message.
    func flush() {
        guard let context = self.context, !self.writer.isEmpty else { return }
        let frame = self.writer.frame(mask: nil)
        context.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
        self.writer.reuse(frame)
    }

    /// Sends what has been written when it is much.
    func flushIfLarge() {
        if self.writer.count > Self.writeAhead { self.flush() }
    }

    private func send(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) {
        guard let context = self.context else { return }
        context.writeAndFlush(self.wrapOutboundOut(WebSocketWriter.control(opcode, payload, mask: nil)), promise: nil)
    }

    // MARK: Closing

    /// A peer pings every few seconds, so silence means that it is gone; one that takes nothing is cut.
    private func touch() {
        let server = self.core.configuration.server
        if self.isAborted {
            self.deadline = .distantFuture
        } else if let stalledSince {
            // Also when this node stops: a peer that is still reading its answers is not cut in the middle of them.
            self.deadline = stalledSince + .init(server.writeTimeout)
        } else {
            self.deadline = self.loop.now + .init(server.idleTimeout)
            if let lingersUntil, lingersUntil > self.loop.now { self.deadline = min(self.deadline, lingersUntil) }
        }
    }

    func timeOut() {
        if self.lingersUntil != nil, self.stalledSince == nil, !self.isClosing {
            self.touch()
            return self.closeIfDrained()
        }
        if self.stalledSince != nil { self.core.counters.timeouts.wrappingAdd(1, ordering: .relaxed) }
        self.abort()
    }

    /// Says so. The peer closes when it has had its answers; if it does not, we do. Closing at once would fail the requests that the peer
    /// sent before it knew, of which sets and removes are not repeated elsewhere.
    func drain() {
        guard self.lingersUntil == nil else { return }
        self.lingersUntil = .now() + Self.lingerTime
        self.writer.payload.writeLinkDraining()
        self.flush()
        self.touch()
    }

    /// Notes that a request is being loaded, by what `work` says under the serial number that it is given.
    ///
    /// - Returns: `false`: too much is running.
    func begin(_ id: UInt32, keys: Int, _ work: @escaping @Sendable (UInt64) async -> Void) -> Bool {
        // An answer that was at hand may have found the peer gone: nobody would cancel the task.
        if self.isClosed { return true }
        guard self.running.count < Self.runningLimit, self.runningKeys + keys <= Self.runningKeysLimit else { return false }
        self.runningKeys += keys
        self.serial += 1
        let serial = self.serial
        self.running[id] = Running(serial: serial, keys: keys, task: Task { await work(serial) })
        return true
    }

    /// Forgets a request that is answered or cancelled.
    @discardableResult
    func end(_ id: UInt32) -> Running? {
        guard let running = self.running.removeValue(forKey: id) else { return nil }
        self.runningKeys -= running.keys
        return running
    }

    func closeIfDrained() {
        guard let lingersUntil, lingersUntil <= self.loop.now, self.running.isEmpty else { return }
        // What has been asked and not even been looked at, because the peer was still reading, is answered first.
        guard self.current == nil, !self.isProcessing, self.stalledSince == nil else { return }
        self.close(.goingAway)
    }

    private func close(_ code: WebSocketCloseCode) {
        guard !self.isClosing else { return }
        self.isClosing = true
        self.flush()
        guard let context = self.context else { return }
        let frame = WebSocketWriter.control(.close, code.payload, mask: nil)
        let link = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(self.wrapOutboundOut(frame)).whenComplete { _ in link.value.abort() }
    }

    /// Closes now; over TLS that takes as long as the peer takes to say goodbye, or a second.
    func abort() {
        self.isClosing = true
        self.isAborted = true
        self.deadline = .distantFuture
        self.context?.close(promise: nil)
    }
}

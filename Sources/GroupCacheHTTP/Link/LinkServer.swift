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
    /// A message is sent before it gets larger than this.
    private static let writeAhead = 262_144

    let core: PoolCore
    let loop: LoopContext
    let replies: LinkReplies
    var context: ChannelHandlerContext?
    private var input = ByteBuffer()
    private var reader = WebSocketReader(expectsMask: true, limit: LinkLimits().messageSize)
    var writer = WebSocketWriter()
    /// The groups that the message at hand has named.
    var groups: [(any PeerServing)?] = []
    /// Of requests that are being loaded.
    var running: [UInt32: Task<Void, Never>] = [:]
    private var holdsRead = false
    private var isDraining = false
    private var isClosed = false
    private var stalledSince: NIODeadline?
    private(set) var deadline = NIODeadline.distantFuture

    init(core: PoolCore, loop: LoopContext) {
        self.core = core
        self.loop = loop
        self.replies = LinkReplies()
    }

    // MARK: Events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.replies.attach(self, context.eventLoop)
        self.loop.add(self)
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
        if self.isClosed { return }
        if self.input.readableBytes == 0 { self.input = incoming } else { self.input.writeBuffer(&incoming) }
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
            self.process()
            if self.holdsRead {
                self.holdsRead = false
                context.read()
            }
        } else {
            self.stalledSince = self.loop.now
            self.replies.pause()
        }
        self.touch()
        context.fireChannelWritabilityChanged()
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
        for task in self.running.values { task.cancel() }
        self.running.removeAll()
        self.replies.close()
        self.loop.remove(self)
        self.core.counters.connections.wrappingSubtract(1, ordering: .relaxed)
    }

    // MARK: Messages

    private func process() {
        do throws(WebSocketCloseCode) {
            while !self.isClosed, self.stalledSince == nil, let message = try self.reader.next(&self.input) {
                try self.receive(message)
                if self.writer.count > Self.writeAhead { self.flush() }
            }
        } catch {
            self.core.counters.refusedRequests.wrappingAdd(1, ordering: .relaxed)
            self.core.logger.debug("a link is closed", metadata: ["code": "\(error.rawValue)"])
            return self.close(error)
        }
        if self.input.readableBytes == 0 { self.input = ByteBuffer() }
        self.flush()
        self.touch()
    }

    private func receive(_ message: WebSocketReader.Message) throws(WebSocketCloseCode) {
        switch message.opcode {
        case .binary:
            self.groups.removeAll(keepingCapacity: true)
            var reader = LinkReader()
            let bytes = message.payload.readableBytesUInt8Span
            do {
                while let item = try reader.next(bytes) { try self.receive(item, bytes) }
            } catch let fault as LinkFault {
                throw WebSocketCloseCode(rawValue: fault.closeCode) ?? .protocolError
            } catch {
                throw .protocolError
            }
        case .ping: self.send(.pong, message.payload)
        case .pong: break
        case .close:
            self.send(.close, message.payload)
            self.abort()
        case .text, .continuation: throw .notBinary
        }
    }

    private func receive(_ item: LinkItem, _ bytes: Span<UInt8>) throws {
        switch item {
        case .request(let request): try self.answer(request, bytes)
        case .group(let name): self.groups.append(self.core.groups.withLockedValue { $0 }.find(name, bytes))
        case .cancel(let id): self.running.removeValue(forKey: id)?.cancel()
        case .ring(let version):
            let own = self.core.members.withLockedValue { $0 }.ring.version
            if own != version { self.core.counters.ringDisagreements.wrappingAdd(1, ordering: .relaxed) }
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

    private func send(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) {
        guard let context = self.context else { return }
        var writer = WebSocketWriter()
        writer.payload.writeImmutableBuffer(payload)
        context.writeAndFlush(self.wrapOutboundOut(writer.frame(opcode, mask: nil)), promise: nil)
    }

    // MARK: Closing

    /// A peer pings every few seconds, so silence means that it is gone; one that takes nothing is cut.
    private func touch() {
        let server = self.core.configuration.server
        self.deadline = self.stalledSince.map { $0 + .init(server.writeTimeout) } ?? self.loop.now + .init(server.idleTimeout)
    }

    func timeOut() {
        if self.stalledSince != nil { self.core.counters.timeouts.wrappingAdd(1, ordering: .relaxed) }
        self.abort()
    }

    /// Says so, and closes when what is running is answered.
    func drain() {
        self.isDraining = true
        self.writer.payload.writeLinkDraining()
        self.flush()
        self.closeIfDrained()
    }

    func closeIfDrained() {
        if self.isDraining, self.running.isEmpty { self.close(.goingAway) }
    }

    private func close(_ code: WebSocketCloseCode) {
        self.flush()
        guard let context = self.context else { return }
        var writer = WebSocketWriter()
        writer.payload.writeImmutableBuffer(LinkHandshake.closePayload(code))
        let link = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(self.wrapOutboundOut(writer.frame(.close, mask: nil))).whenComplete { _ in link.value.abort() }
    }

    func abort() { self.context?.close(promise: nil) }
}

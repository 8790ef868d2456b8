// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Synchronization

/// The connection of a link, on the side that answers.
///
/// What the cache holds is answered here, on the event loop, without a task; all answers to what one read brought leave in one message. What has to
/// be loaded becomes a task, whose answer leaves when it is ready, in whatever order.
///
/// What happens is told to a ``State``; this class does what that says.
final class LinkServer: ChannelDuplexHandler, LoopMember {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Loads that may run for one link. Beyond it requests are refused as `overloaded`.
    static let runningLimit = 16_384
    /// The keys that they may be about: a request can name a thousand, all of which are held until the last has its answer.
    static let runningKeysLimit = 65_536
    /// A message is sent before it gets larger than this.
    private static let writeAhead = 262_144
    /// How long a peer has, once it is told that this node stops, for what it sent before it knew.
    static let lingerTime = TimeAmount.seconds(2)

    let core: PoolCore
    let loop: LoopContext
    let replies = LinkReplies()
    var state: State<Task<Void, Never>>
    private var permit: ConnectionPermit?
    private var context: ChannelHandlerContext?

    /// - Parameter permit: the connection's place among all; `nil` where nobody counts.
    init(core: PoolCore, loop: LoopContext, permit: consuming ConnectionPermit? = nil) {
        self.core = core
        self.loop = loop
        self.permit = permit
        self.loop.refresh()
        self.state = State(core.deadlines, BodyShare(of: core.bodies), now: loop.now)
    }

    // MARK: Events of the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.replies.attach(self, context.eventLoop)
        self.loop.add(self)
        // What was sent before the handshake may have filled the channel, of which nobody tells us.
        if !context.channel.isWritable { self.writabilityChanged(false) }
    }

    /// Begins with what came right behind the handshake.
    func begin(with rest: ByteBuffer) {
        var rest = rest
        self.state.received(&rest)
        self.process()
        // The HTTP handler may have held a read back.
        self.context?.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var incoming = self.unwrapInboundIn(data)
        self.state.received(&incoming)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.loop.refresh()
        self.process()
    }

    func read(context: ChannelHandlerContext) {
        if self.state.read() { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.loop.refresh()
        self.writabilityChanged(context.channel.isWritable)
        context.fireChannelWritabilityChanged()
    }

    private func writabilityChanged(_ isWritable: Bool) {
        self.state.writabilityChanged(isWritable, now: self.loop.now)
        guard isWritable else { return self.replies.pause() }
        self.replies.resume()
        // First what is at hand: a link that ends goes when all that runs is answered.
        self.process()
        self.sendReplies()
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
        guard let actions = self.state.finish() else { return }
        self.carryOut(actions)
        // Before the loop says that its last connection is gone: whoever hears that finds none.
        self.permit = nil
        self.loop.remove(self)
    }

    // MARK: Events of the loop

    var deadline: NIODeadline { self.state.deadlines.next }

    func timeOut() { self.carryOut(self.state.timeOut(now: self.loop.now)) }

    func drain() {
        self.loop.refresh()
        self.carryOut(self.state.drain(now: self.loop.now))
    }

    func abort() { self.carryOut(self.state.abort()) }

    // MARK: Actions

    /// Answers what can be answered now, sends it, and goes on reading when there is room.
    private func process() {
        guard self.state.beginReading() else { return }
        do throws(WebSocketCloseCode) {
            repeat {
                while let step = try self.state.next(now: self.loop.now) {
                    switch step {
                    case .message(let payload, let reader): try self.receive(payload, reader)
                    case .actions(let actions): self.carryOut(actions)
                    }
                }
                // If sending has made room at once, nobody else will come back to what was left.
            } while self.flush()
        } catch {
            self.core.counters.refusedRequests.wrappingAdd(1, ordering: .relaxed)
            self.core.logger.debug("a link is closed", metadata: ["code": "\(error.rawValue)"])
            self.carryOut(self.state.close(error, now: self.loop.now))
        }
        self.state.endReading(now: self.loop.now)
        self.carryOut(self.state.settle(now: self.loop.now))
    }

    private func receive(_ payload: ByteBuffer, _ rest: LinkReader) throws(WebSocketCloseCode) {
        var reader = rest
        let bytes = payload.readableBytesUInt8Span
        do {
            while self.state.takesAnswers {
                guard let item = try reader.next(bytes) else { return }
                try self.receive(item, bytes)
            }
        } catch let fault as LinkFault {
            throw WebSocketCloseCode(rawValue: fault.closeCode) ?? .protocolError
        } catch {
            throw .protocolError
        }
        self.state.keep(payload, reader)
    }

    private func receive(_ item: LinkItem, _ bytes: Span<UInt8>) throws {
        switch item {
        case .request(let request): try self.answer(request, bytes)
        case .group(let name): self.state.open?.groups.append(self.core.groups.withLockedValue { $0 }.find(name, bytes))
        case .cancel(let id): self.carryOut(self.state.cancel(id))
        case .ring(let version):
            self.state.open?.ring = version
            self.core.note(ring: version)
        case .draining: break
        // Answers to questions that were never asked.
        case .reply: throw WebSocketCloseCode.protocolError
        }
    }

    private func carryOut(_ actions: [State<Task<Void, Never>>.Action]) {
        for action in actions {
            switch action {
            case .cancel(let tasks): for task in tasks { task.cancel() }
            case .send(let frame): self.context?.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
            case .sendMessage: self.flush()
            case .farewell(let frame): self.sendFarewell(frame)
            case .over: self.replies.close()
            case .slow: self.core.counters.timeouts.wrappingAdd(1, ordering: .relaxed)
            case .close: self.context?.close(promise: nil)
            case .read: self.context?.read()
            }
        }
    }

    private func sendFarewell(_ frame: ByteBuffer) {
        guard let context = self.context else { return }
        let link = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(self.wrapOutboundOut(frame)).whenComplete { _ in link.value.carryOut(link.value.state.farewellLeft()) }
    }

    /// Sends what has been written, as one message. Its memory comes back, so that the next message needs none of its own.
    ///
    /// - Returns: whether there was any.
    @discardableResult
    private func flush() -> Bool {
        guard let context = self.context, let frame = self.state.message() else { return false }
        context.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
        self.state.open?.writer.reuse(frame)
        return true
    }

    /// Sends what has been written when it is much.
    func flushIfLarge() {
        if let count = self.state.open?.writer.count, count > Self.writeAhead { self.flush() }
    }

    /// Sends what tasks have come up with.
    func sendReplies() {
        guard self.state.beginReplies() else { return }
        while self.state.takesReplies() {
            var rest = self.replies.take()[...]
            while let reply = rest.first {
                // What the peer does not take must not gather in the channel.
                guard self.state.takesAnswers else {
                    self.replies.putBack(rest)
                    break
                }
                rest.removeFirst()
                guard self.state.take(reply.id, reply.serial, isLast: reply.isLast) else { continue }
                self.write(reply.id, reply.index ?? 0, reply.content)
            }
            self.flush()
        }
        self.carryOut(self.state.settle(now: self.loop.now))
    }
}

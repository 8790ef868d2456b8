internal import GroupCache
internal import Logging
internal import NIOCore
internal import Synchronization

/// One client's connection: reads requests, answers them in order, never more than one at a time beyond what the cache answers at once.
///
/// This is the whole HTTP server. Requests of one read are answered in one write; a hit touches nothing but this handler and the group.
/// Bytes of later requests wait, and beyond ``readAhead`` the socket is not read any more, so that a client cannot make us hold more.
final class ServerConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
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
    private static let writeAhead = 262_144
    /// How long a client may take to close after our last response.
    private static let lingerTime = TimeAmount.seconds(2)

    private let core: PoolCore
    private let loop: LoopContext
    private let router: Router
    private var context: ChannelHandlerContext?
    private var input = ByteBuffer()
    private var parser: RequestParser
    private var body = ByteBuffer()
    private var decoder: BodyDecoder?
    private var phase = Phase.head
    private var task: Task<Void, Never>?
    private var writers: [CheckedContinuation<Void, Never>] = []
    private var holdsRead = false
    private var isDraining = false
    /// Whether no byte of the next head has come yet. Not so on a new connection, whose first head is due from the beginning.
    private var isIdle = false
    private var inputIsClosed = false
    private var outputIsClosed = false
    private var reservedBytes = 0
    private var phaseBegan = NIODeadline.uptimeNanoseconds(0)
    private var stalledSince: NIODeadline?
    private var unsentBytes = 0

    /// When ``timeOut()`` is to be called, if nothing happens before.
    private(set) var deadline = NIODeadline.distantFuture

    init(core: PoolCore, loop: LoopContext) {
        self.core = core
        self.loop = loop
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
        // Usually there is nothing left of the read before, and the buffer is taken as it is.
        if self.input.readableBytes == 0 { self.input = incoming } else { self.input.writeBuffer(&incoming) }
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
            self.stalledSince = nil
            self.unsentBytes = 0
            let writers = self.writers
            self.writers = []
            for writer in writers { writer.resume() }
            self.loop.refresh()
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
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Connections are lost every day, so this is no news; whoever waits for the answer is told by the end of the connection.
        self.core.logger.debug("a connection failed", metadata: ["error": "\(type(of: error))"])
        context.close(promise: nil)
    }

    // MARK: Reading and answering

    private var wantsBytes: Bool {
        switch self.phase {
        case .head, .body: self.stalledSince == nil
        case .running, .streaming: self.input.readableBytes < Self.readAhead
        case .lingering, .closed: true
        }
    }

    /// Answers what can be answered now, sends it, and goes on reading when there is room.
    private func process() {
        do {
            while try self.step() {}
        } catch {
            self.refuse(error)
        }
        self.flush()
        self.updateDeadline()
        if self.inputIsClosed, self.stalledSince == nil {
            switch self.phase {
            case .head, .body: self.closeWhenSent()
            default: break
            }
        }
        if self.holdsRead, self.wantsBytes, let context = self.context {
            self.holdsRead = false
            context.read()
        }
    }

    /// Goes on by one head or body. False when that is not possible now.
    private func step() throws(Refusal) -> Bool {
        guard let context = self.context else { return false }
        switch self.phase {
        case .head:
            guard self.input.readableBytes > 0, context.channel.isWritable else { return false }
            // A local copy, because the bytes may not be changed while the request is read out of them.
            let bytes = self.input
            guard let head = try self.parser.parse(bytes.readableBytesUInt8Span) else { return false }
            self.input.moveReaderIndex(forwardBy: head.length)
            if head.body == .length(0) {
                self.answer(head, bytes.readableBytesUInt8Span, body: ByteBuffer())
            } else {
                try self.beginBody(head, bytes)
            }
            if self.input.readableBytes == 0 { self.input = ByteBuffer() }
            if self.loop.output.readableBytes > Self.writeAhead { self.flush() }
            return true
        case .body(let head, let bytes):
            guard let isComplete = try self.decoder?.decode(&self.input, into: &self.body) else { return false }
            try self.reserve(self.body.readableBytes)
            guard isComplete else { return false }
            let body = self.body
            self.endBody()
            self.phase = .head
            self.answer(head, bytes.readableBytesUInt8Span, body: body)
            return true
        case .running, .streaming, .lingering, .closed:
            return false
        }
    }

    private func beginBody(_ head: RequestHead, _ bytes: ByteBuffer) throws(Refusal) {
        // A protocol buffer is a little larger than the value in it, and a list of keys may be larger than a small limit on values.
        let limits = self.core.configuration.limits
        let limit = max(limits.valueSize, head.method == .post ? 1 << 20 : 0) + Key.maximumLength + 1_024
        self.decoder = try BodyDecoder(head.body, limit: limit)
        self.body = ByteBuffer()
        self.phaseBegan = self.loop.now
        self.phase = .body(head, bytes.getSlice(at: bytes.readerIndex, length: head.length) ?? bytes)
        if head.expectsContinue, self.input.readableBytes == 0 {
            self.loop.output.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
        }
    }

    private func endBody() {
        self.decoder = nil
        self.body = ByteBuffer()
        self.core.counters.bodyBytes.wrappingSubtract(self.reservedBytes, ordering: .relaxed)
        self.reservedBytes = 0
    }

    /// Counts the bytes that we hold for a body against what all bodies may take.
    private func reserve(_ count: Int) throws(Refusal) {
        let more = count - self.reservedBytes
        guard more > 0 else { return }
        self.reservedBytes = count
        let total = self.core.counters.bodyBytes.wrappingAdd(more, ordering: .relaxed).newValue
        guard total <= self.core.configuration.limits.bodies else {
            throw Refusal(status: 503, message: "too many bodies are on their way; try again")
        }
    }

    private func answer(_ head: RequestHead, _ bytes: Span<UInt8>, body: ByteBuffer) {
        var options = ReplyOptions(isHead: head.method == .head, closes: head.closes || self.isDraining)
        if let header = head.ifNoneMatch { options.ifNoneMatch = bytes.array(header) }
        switch self.router.answer(head, bytes, body: body, scratch: &self.loop.scratch) {
        case .now(let reply):
            self.write(reply, options)
        case .later(let operation):
            self.phase = .running(options)
            self.run(operation)
        case .stream(let request):
            self.beginStream(request, options, isChunked: head.minorVersion == 1)
        }
    }

    private func write(_ reply: Reply, _ options: ReplyOptions) {
        self.loop.writer.write(reply, options, to: &self.loop.output)
        self.becomeIdle(closes: options.closes)
    }

    private func becomeIdle(closes: Bool) {
        self.phase = closes ? .lingering : .head
        self.isIdle = true
        self.phaseBegan = self.loop.now
    }

    private func refuse(_ refusal: Refusal) {
        self.core.counters.refusedRequests.wrappingAdd(1, ordering: .relaxed)
        self.endBody()
        self.input = ByteBuffer()
        self.write(.failure(Status(refusal)), ReplyOptions(closes: true))
    }

    // MARK: Tasks

    private func run(_ operation: @escaping @Sendable () async -> Reply) {
        guard let eventLoop = self.context?.eventLoop else { return }
        let connection = NIOLoopBound(self, eventLoop: eventLoop)
        self.task = Task {
            let reply = await operation()
            eventLoop.execute { connection.value.complete(reply) }
        }
    }

    private func complete(_ reply: Reply) {
        // The connection may have been closed while the task ran.
        guard case .running(var options) = self.phase else { return }
        self.task = nil
        self.loop.refresh()
        if self.isDraining { options.closes = true }
        self.write(reply, options)
        self.process()
    }

    private func beginStream(_ request: KeysRequest, _ options: ReplyOptions, isChunked: Bool) {
        guard let eventLoop = self.context?.eventLoop else { return }
        guard isChunked else {
            return self.write(.failure(Status(505, "many keys at once need HTTP/1.1", .request)), options)
        }
        self.loop.writer.writeStreamHead(options, to: &self.loop.output)
        self.phase = .streaming(closes: options.closes)
        let connection = NIOLoopBound(self, eventLoop: eventLoop)
        self.task = Task {
            await request.run { line in
                await withCheckedContinuation { continuation in
                    eventLoop.execute { connection.value.writePiece(line, continuation) }
                }
            }
            eventLoop.execute { connection.value.endStream() }
        }
    }

    /// Writes a line of a stream as a chunk. The writer goes on once the client has room for more.
    private func writePiece(_ line: ByteBuffer, _ continuation: CheckedContinuation<Void, Never>) {
        guard case .streaming = self.phase, let context = self.context else { return continuation.resume() }
        self.loop.refresh()
        self.loop.output.writeString(String(line.readableBytes, radix: 16))
        self.loop.output.writeStaticString("\r\n")
        self.loop.output.writeImmutableBuffer(line)
        self.loop.output.writeStaticString("\r\n")
        self.flush()
        self.updateDeadline()
        if context.channel.isWritable { continuation.resume() } else { self.writers.append(continuation) }
    }

    private func endStream() {
        guard case .streaming(let closes) = self.phase else { return }
        self.task = nil
        self.loop.refresh()
        self.loop.output.writeStaticString("0\r\n\r\n")
        self.becomeIdle(closes: closes || self.isDraining)
        self.process()
    }

    // MARK: Writing and closing

    private func flush() {
        // The buffer is everybody's: what cannot be sent to this client must never reach another.
        guard let context = self.context else { return self.loop.output.clear() }
        guard self.loop.output.readableBytes > 0 else { return }
        // Writing may call channelWritabilityChanged, and so process(), before it returns: it must not find these bytes again.
        var output = ByteBuffer()
        swap(&output, &self.loop.output)
        let count = output.readableBytes
        self.unsentBytes += count
        if case .lingering = self.phase {
            let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
            context.writeAndFlush(self.wrapOutboundOut(output)).whenComplete { _ in connection.value.closeOutput() }
        } else {
            context.writeAndFlush(self.wrapOutboundOut(output), promise: nil)
        }
        // What went out at once is ours again and is reused; otherwise the channel keeps its buffer and this one gets another.
        if count <= Self.writeAhead, self.loop.output.readableBytes == 0 {
            output.clear()
            swap(&output, &self.loop.output)
        }
        if context.channel.isWritable { self.unsentBytes = 0 }
    }

    /// Closes once everything that was written has left.
    private func closeWhenSent() {
        guard let context = self.context else { return }
        self.phase = .lingering
        self.phaseBegan = self.loop.now
        self.updateDeadline()
        let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).whenComplete { _ in connection.value.closeOutput() }
    }

    /// The last response has left: says so to the client, and waits for its end.
    private func closeOutput() {
        guard case .lingering = self.phase, let context = self.context else { return }
        if self.inputIsClosed { return self.abort() }
        self.loop.refresh()
        self.phaseBegan = self.loop.now
        self.stalledSince = nil
        self.outputIsClosed = true
        self.updateDeadline()
        context.close(mode: .output, promise: nil)
    }

    private func updateDeadline() {
        let server = self.core.configuration.server
        if let stalledSince {
            self.deadline = stalledSince + .init(server.writeTimeout) + self.granted(self.unsentBytes)
            return
        }
        switch self.phase {
        case .head where self.input.readableBytes > 0:
            // A head that trickles in keeps the moment of its first byte: progress does not buy time.
            if self.isIdle {
                self.isIdle = false
                self.deadline = self.loop.now + .init(server.headTimeout)
            }
        case .head:
            self.isIdle = true
            self.deadline = self.loop.now + .init(server.idleTimeout)
        case .body:
            self.deadline = self.phaseBegan + .init(server.bodyTimeout) + self.granted(self.decoder?.received ?? 0)
        case .running, .streaming:
            self.deadline = .distantFuture
        case .lingering:
            self.deadline =
                self.phaseBegan + (self.outputIsClosed ? Self.lingerTime : .init(server.writeTimeout) + self.granted(self.unsentBytes))
        case .closed:
            self.deadline = .distantFuture
        }
    }

    private func granted(_ bytes: Int) -> TimeAmount {
        .milliseconds(Int64(bytes) * 1_000 / Int64(self.core.configuration.server.minimumRate))
    }

    /// The deadline has passed.
    func timeOut() {
        let isLingering = if case .lingering = self.phase { true } else { false }
        // Neither a client that has nothing to ask nor one that takes its time to say goodbye is a slow one.
        if self.stalledSince != nil || !(self.isIdle || isLingering) {
            self.core.counters.timeouts.wrappingAdd(1, ordering: .relaxed)
        }
        self.abort()
    }

    /// Finishes the running request, if there is one, and closes.
    func drain() {
        self.isDraining = true
        switch self.phase {
        case .head where self.input.readableBytes == 0: self.closeWhenSent()
        case .lingering where self.outputIsClosed: self.abort()
        default: break
        }
    }

    /// Closes now.
    func abort() {
        self.context?.close(promise: nil)
    }

    private func finish() {
        if case .closed = self.phase { return }
        self.phase = .closed
        self.endBody()
        self.task?.cancel()
        self.task = nil
        let writers = self.writers
        self.writers = []
        for writer in writers { writer.resume() }
        self.loop.remove(self)
        self.core.counters.connections.wrappingSubtract(1, ordering: .relaxed)
    }
}

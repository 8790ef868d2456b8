internal import GroupCache
internal import NIOCore
internal import Synchronization

/// From bytes to requests, and from requests to answers.
extension ServerConnection {
    var wantsBytes: Bool {
        switch self.phase {
        case .head, .body: self.stalledSince == nil
        case .running, .streaming: self.input.readableBytes < Self.readAhead
        case .lingering, .closed: true
        }
    }

    /// Answers what can be answered now, sends it, and goes on reading when there is room.
    func process() {
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
    func step() throws(Refusal) -> Bool {
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
            } else if let refusal = self.router.refuseBody(head, bytes.readableBytesUInt8Span) {
                self.input = ByteBuffer()
                self.write(.failure(refusal), ReplyOptions(closes: true))
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

    func beginBody(_ head: RequestHead, _ bytes: ByteBuffer) throws(Refusal) {
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

    func endBody() {
        self.decoder = nil
        self.body = ByteBuffer()
        self.core.counters.bodyBytes.wrappingSubtract(self.reservedBytes, ordering: .relaxed)
        self.reservedBytes = 0
    }

    /// Counts the bytes that we hold for a body against what all bodies may take.
    func reserve(_ count: Int) throws(Refusal) {
        let more = count - self.reservedBytes
        guard more > 0 else { return }
        self.reservedBytes = count
        let total = self.core.counters.bodyBytes.wrappingAdd(more, ordering: .relaxed).newValue
        guard total <= self.core.configuration.limits.bodies else {
            throw Refusal(status: 503, message: "too many bodies are on their way; try again")
        }
    }

    func answer(_ head: RequestHead, _ bytes: Span<UInt8>, body: ByteBuffer) {
        var options = ReplyOptions(isHead: head.method == .head, closes: head.closes || self.isDraining)
        if let key = head.linkKey, self.asksForLink(head, bytes) {
            // A link is a peer's, which may change things, and its requests prove nothing more. Who may not is left to GET.
            if let refusal = self.router.refuseChange(head, bytes) { return self.write(.failure(refusal), options) }
            return self.upgrade(key: bytes.string(key))
        }
        if let header = head.ifNoneMatch { options.ifNoneMatch = bytes.array(header) }
        switch self.router.answer(head, bytes, body: body, scratch: &self.loop.scratch) {
        case .now(let reply):
            self.write(reply, options)
        case .later(let operation):
            self.phase = .running(options)
            let trace = head.trace(bytes)
            self.run { if let trace { await trace.continued(operation) } else { await operation() } }
        case .stream(let request):
            self.beginStream(request, options, isChunked: head.minorVersion == 1, head.trace(bytes))
        }
    }

    func write(_ reply: Reply, _ options: ReplyOptions) {
        self.loop.writer.write(reply, options, to: &self.loop.output)
        self.becomeIdle(closes: options.closes)
    }

    func becomeIdle(closes: Bool) {
        self.phase = closes ? .lingering : .head
        self.isIdle = true
        self.phaseBegan = self.loop.now
    }

    func refuse(_ refusal: Refusal) {
        self.core.counters.refusedRequests.wrappingAdd(1, ordering: .relaxed)
        self.endBody()
        self.input = ByteBuffer()
        self.write(.failure(Status(refusal)), ReplyOptions(closes: true))
    }
}

internal import GroupCache
internal import NIOCore
internal import Synchronization

/// From requests to answers: at once, by a task, piece by piece, or by becoming a link.
extension ServerConnection {
    func receive(_ head: RequestHead, _ bytes: ByteBuffer) throws(Refusal) {
        if head.body == .length(0) { return self.answer(head, bytes.readableBytesUInt8Span, body: ByteBuffer()) }
        if let refusal = self.router.refuseBody(head, bytes.readableBytesUInt8Span) {
            return self.respond(.failure(refusal), closes: true)
        }
        // A protocol buffer is a little larger than the value in it, and a list of keys may be larger than a small limit on values.
        let limits = self.core.configuration.limits
        let limit = max(limits.valueSize, head.method == .post ? 1 << 20 : 0) + Key.maximumLength + 1_024
        let share = BodyShare(of: self.core.bodies)
        if try self.state.awaitBody(head, bytes, limit: limit, share, now: self.loop.now) {
            self.write { $0.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n") }
        }
    }

    func answer(_ head: RequestHead, _ bytes: Span<UInt8>, body: ByteBuffer) {
        if let key = head.linkKey, self.asksForLink(head, bytes) {
            // A link is a peer's, which may change things, and its requests prove nothing more. Who may not is left to GET.
            if let refusal = self.router.refuseChange(head, bytes) { return self.respond(.failure(refusal)) }
            return self.becomeLink(key: bytes.string(key))
        }
        switch self.router.answer(head, bytes, body: body, scratch: &self.loop.scratch) {
        case .now(let reply): self.respond(reply)
        case .later(let operation): self.run(operation, head.trace(bytes))
        case .stream(let request):
            guard head.minorVersion == 1 else {
                return self.respond(.failure(Status(505, "many keys at once need HTTP/1.1", .request)))
            }
            self.stream(request, head.trace(bytes))
        }
    }

    // MARK: Tasks

    /// The loop writes what the task comes up with.
    private func run(_ operation: @escaping @Sendable () async -> Reply, _ trace: PeerTrace?) {
        guard let eventLoop = self.context?.eventLoop else { return }
        let connection = NIOLoopBound(self, eventLoop: eventLoop)
        let task = Task {
            let reply = if let trace { await trace.continued(operation) } else { await operation() }
            eventLoop.execute { connection.value.complete(reply) }
        }
        if !self.state.run(task) { task.cancel() }
    }

    private func complete(_ reply: Reply) {
        self.loop.refresh()
        self.respond(reply)
        self.process()
    }

    private func stream(_ request: KeysRequest, _ trace: PeerTrace?) {
        guard let eventLoop = self.context?.eventLoop else { return }
        let connection = NIOLoopBound(self, eventLoop: eventLoop)
        let task = Task {
            let run = {
                await request.run { line in
                    await withCheckedContinuation { writer in
                        eventLoop.execute { connection.value.writePiece(line, writer) }
                    }
                }
            }
            if let trace { await trace.continued(run) } else { await run() }
            eventLoop.execute { connection.value.endStream() }
        }
        guard let options = self.state.stream(task) else { return task.cancel() }
        self.write { self.loop.writer.writeStreamHead(options, to: &$0) }
    }

    /// Writes a line of a stream as a chunk. The writer goes on once the client has room for more.
    func writePiece(_ line: ByteBuffer, _ writer: CheckedContinuation<Void, Never>) {
        guard self.state.takesPieces else { return writer.resume() }
        self.loop.refresh()
        self.write { output in
            output.writeString(String(line.readableBytes, radix: 16))
            output.writeStaticString("\r\n")
            output.writeImmutableBuffer(line)
            output.writeStaticString("\r\n")
        }
        self.flush()
        self.state.hold(writer)?.resume()
    }

    private func endStream() {
        self.loop.refresh()
        guard let actions = self.state.endStream(now: self.loop.now) else { return }
        self.write { $0.writeStaticString("0\r\n\r\n") }
        self.carryOut(actions)
        self.process()
    }

    // MARK: Links

    /// Whether the request asks for a link, and is to get one.
    private func asksForLink(_ head: RequestHead, _ bytes: Span<UInt8>) -> Bool {
        // A page in a browser may open WebSockets to anywhere, but cannot keep the browser from saying whose page it is: peers have no origin.
        head.linkKey != nil && head.origin == nil && head.path.count == self.core.basePath.utf8.count
            && bytes.hasPrefix(self.core.basePath, at: head.path.lowerBound)
            && head.body == .length(0)
    }

    /// Answers, and hands the connection over to a ``LinkServer``, with whatever has already come for it.
    private func becomeLink(key: String) {
        guard let context = self.context else { return }
        if self.state.lifecycle >= .draining { return self.respond(.failure(Status(503, "this node is stopping", .request)), closes: true) }
        // Nobody would send anything over it, and the event that says so is past.
        if self.state.inputIsOver {
            return self.respond(.failure(Status(400, "a link needs both directions", .request)), closes: true)
        }
        // From here on this handler is not to read requests, nor to count as a connection, which the link does; also not when the channel
        // becomes writable, or fails, within the flush.
        let rest = self.state.becomeLink()
        self.loop.remove(self)
        self.write { $0.writeImmutableBuffer(LinkHandshake.response(key: key)) }
        self.flush()
        let link = LinkServer(core: self.core, loop: self.loop, permit: self.permit.take())
        do {
            try context.pipeline.syncOperations.addHandler(link, position: .after(self))
        } catch {
            return context.close(promise: nil)
        }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        link.begin(with: rest)
    }
}

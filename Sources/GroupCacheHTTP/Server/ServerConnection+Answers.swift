// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore
internal import Synchronization

/// From requests to answers: at once, by a task, piece by piece, or by becoming a link.
extension ServerConnection {
    func receive(_ head: RequestHead, _ bytes: ByteBuffer) throws(Refusal) {
        let span = bytes.readableBytesUInt8Span
        let match = self.router.match(head, span)
        if self.core.accessLog != nil { self.note(head, span, match) }
        if head.body == .length(0) { return self.answer(head, span, match, body: RequestBody(.nothing)) }
        if let refusal = self.router.refuseBody(head, span, match) { return self.respond(.failure(refusal), closes: true) }
        guard let place = self.core.places.take() else { return self.respond(.failure(.tooMuchAtWork), closes: true) }
        let (limit, share, content) = (self.router.bodyLimit(match), BodyShare(of: self.core.bodies), self.router.body(match))
        if try self.state.awaitBody(head, bytes, match, limit: limit, share, into: content, place, now: self.loop.now) {
            self.write { $0.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n") }
        }
    }

    /// - Parameter place: among those at work, if the request has one already.
    func answer(_ head: RequestHead, _ bytes: Span<UInt8>, _ match: RouteTable.Match, body: RequestBody, _ place: WorkPlace? = nil) {
        if head.wantsOtherWebSocket, self.asksForUpgrade(head, bytes) { return self.respond(.otherWebSocket) }
        if let key = head.linkKey, self.asksForUpgrade(head, bytes) {
            // A link is a peer's, which may change things, and its requests prove nothing more. Who may not is left to GET.
            if let refusal = self.router.refuseChange(head, bytes) { return self.respond(.failure(refusal)) }
            return self.becomeLink(key: bytes.string(key))
        }
        // Whether a page of another origin may read the answer: hardly ever is that asked.
        let origin = head.origin == nil ? nil : self.router.sharedOrigin(head, bytes, match)
        if head.method == .options, let origin { return self.respond(.preflight(origin)) }
        switch self.router.answer(head, bytes, match, body: body, scratch: &self.loop.scratch) {
        case .now(var response):
            if origin != nil { response.fields.sharedWith = origin }
            guard case .stream(let stream) = response.body else { return self.respond(response) }
            if stream.watch != nil { return self.beginWatch(response, stream) }
            guard let place = place ?? self.core.places.take() else { return self.respond(.failure(.tooMuchAtWork)) }
            self.send(response, stream, place)
        case .later(let work, let operation):
            guard let place = place ?? self.core.places.take() else { return self.respond(.failure(.tooMuchAtWork)) }
            guard let origin else { return self.run(operation, head.trace(bytes), endsWithClient: work == .load, place) }
            let shared: @Sendable () async -> Response = {
                var response = await operation()
                response.fields.sharedWith = origin
                return response
            }
            self.run(shared, head.trace(bytes), endsWithClient: work == .load, place)
        }
    }

    /// Who watches has a place of its own: however many there are, others are answered.
    private func beginWatch(_ response: Response, _ stream: Response.Stream) {
        if stream.watch?.isSocket == true {
            if self.state.lifecycle >= .draining {
                return self.respond(.failure(Failure(503, "this node is stopping", .request)), closes: true)
            }
            // Nobody could say goodbye.
            if self.state.inputIsOver {
                return self.respond(.failure(Failure(400, "a WebSocket needs both directions", .request)), closes: true)
            }
        }
        guard let place = self.core.watchPlaces.take() else {
            var refusal = Response.failure(.tooManyWatchers)
            refusal.fields.sharedWith = response.fields.sharedWith
            return self.respond(refusal)
        }
        self.send(response, stream, place)
    }

    // MARK: Tasks

    /// The loop writes what the task comes up with.
    private func run(
        _ operation: @escaping @Sendable () async -> Response,
        _ trace: PeerTrace?,
        endsWithClient: Bool,
        _ place: WorkPlace
    ) {
        guard let eventLoop = self.context?.eventLoop else { return }
        let connection = NIOLoopBound(self, eventLoop: eventLoop)
        let task = Task {
            let response = if let trace { await trace.continued(operation) } else { await operation() }
            eventLoop.execute { connection.value.complete(response) }
        }
        if !self.state.run(task, endsWithClient: endsWithClient, place) { task.cancel() }
    }

    private func complete(_ response: Response) {
        self.loop.refresh()
        self.respond(response)
        self.process()
    }

    /// Sends the head, and lets a task send the rest.
    private func send(_ response: Response, _ stream: Response.Stream, _ place: WorkPlace) {
        guard let eventLoop = self.context?.eventLoop else { return }
        let connection = NIOLoopBound(self, eventLoop: eventLoop)
        let task = Task {
            await stream.run { piece in
                await withCheckedContinuation { writer in
                    eventLoop.execute { connection.value.writePiece(piece, writer) }
                }
            }
            eventLoop.execute { connection.value.streamIsTold(isWatch: stream.watch != nil) }
        }
        self.noteDraining()
        guard let options = self.state.stream(task, place, watch: stream.watch, now: self.loop.now) else { return task.cancel() }
        self.noteHead(response.status)
        self.write { self.loop.writer.write(response, options, to: &$0) }
    }

    /// Writes a piece of a stream as a chunk. The writer goes on once the client has room for more.
    func writePiece(_ piece: ByteBuffer, _ writer: CheckedContinuation<Void, Never>) {
        guard self.state.takesPieces else { return writer.resume() }
        self.loop.refresh()
        self.notePiece(piece.readableBytes)
        let isSocket = self.state.isSocket
        self.write { output in
            // Frames say themselves how long they are.
            guard !isSocket else { return _ = output.writeImmutableBuffer(piece) }
            output.writeString(String(piece.readableBytes, radix: 16))
            output.writeStaticString("\r\n")
            output.writeImmutableBuffer(piece)
            output.writeStaticString("\r\n")
        }
        self.flush()
        self.state.hold(writer, now: self.loop.now)?.resume()
    }

    /// When a node stops, everybody who watches it has been told everything in the same moment. Those who came back to another one at once, all of them,
    /// would be a flood there; so they are let go one after the other.
    private func streamIsTold(isWatch: Bool) {
        guard isWatch, self.core.isDraining.load(ordering: .relaxed), let eventLoop = self.context?.eventLoop else {
            return self.endStream()
        }
        let spread = Self.spread(watchers: self.core.watchPlaces.count, drainTimeout: self.core.configuration.server.drainTimeout)
        let connection = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .nanoseconds(.random(in: 0...spread.nanoseconds))) { connection.value.endStream() }
    }

    /// Within how long so many watches end: 0.2 ms for each and 2 s at the most, and in time for what else the end of a node has to do.
    static func spread(watchers: Int, drainTimeout: Duration) -> TimeAmount {
        min(.microseconds(200 * Int64(watchers)), .seconds(2), .nanoseconds(TimeAmount(drainTimeout).nanoseconds / 2))
    }

    private func endStream() {
        self.loop.refresh()
        if self.state.isSocket {
            self.endSocket(self.core.isDraining.load(ordering: .relaxed) ? .goingAway : .normal)
            return self.process()
        }
        guard let actions = self.state.endStream(now: self.loop.now) else { return }
        self.noteEnd()
        self.write { $0.writeStaticString("0\r\n\r\n") }
        self.carryOut(actions)
        self.process()
    }

    // MARK: WebSockets of those who watch

    /// What is said over it is read and not heeded, but for what keeps a connection, and what ends it (RFC 6455 §5.5).
    func receive(_ message: WebSocketReader.Message) {
        switch message.opcode {
        case .ping: self.write { $0.writeImmutableBuffer(WebSocketWriter.control(.pong, message.payload, mask: nil)) }
        case .close: self.endSocket(.normal)
        case .pong, .text, .binary, .continuation: break
        }
    }

    /// Says goodbye, and ends whoever is at work for it.
    func endSocket(_ code: WebSocketCloseCode) {
        guard let actions = self.state.endStream(cancels: true, now: self.loop.now) else { return }
        self.noteEnd()
        self.write { $0.writeImmutableBuffer(WebSocketWriter.control(.close, code.payload, mask: nil)) }
        self.carryOut(actions)
    }

    // MARK: Links

    /// Whether an upgrade is asked for where there are links.
    private func asksForUpgrade(_ head: RequestHead, _ bytes: Span<UInt8>) -> Bool {
        // A page in a browser may open WebSockets to anywhere, but cannot keep the browser from saying whose page it is: peers have no origin.
        head.origin == nil && head.path.count == self.core.basePath.utf8.count
            && bytes.hasPrefix(self.core.basePath, at: head.path.lowerBound)
            && head.body == .length(0)
    }

    /// Answers, and hands the connection over to a ``LinkServer``, with whatever has already come for it.
    private func becomeLink(key: String) {
        guard let context = self.context else { return }
        if self.state.lifecycle >= .draining {
            return self.respond(.failure(Failure(503, "this node is stopping", .request)), closes: true)
        }
        // Nobody would send anything over it, and the event that says so is past.
        if self.state.inputIsOver {
            return self.respond(.failure(Failure(400, "a link needs both directions", .request)), closes: true)
        }
        // From here on this handler is not to read requests, nor to count as a connection, which the link does; also not when the channel
        // becomes writable, or fails, within the flush.
        let rest = self.state.becomeLink()
        self.noteHead(101)
        self.noteEnd()
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

// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

extension ServerConnection {
    /// What a connection is in the middle of: a value that is told what happens and says what is to be done, and does nothing itself.
    ///
    /// `Work` is what makes an answer, and can be cancelled; `Writer` is who waits to write the next piece of one. Every request that is handed out
    /// is answered once, unless the connection ends before; whoever waits is told when there is room, and when it is over.
    struct State<Work, Writer> {
        enum Phase {
            /// Between requests, or inside a head. Idle since a moment, or, once the first byte has come, at work since then; a new connection is
            /// not idle: its first head is due from the beginning, and what TLS exchanges before buys no time.
            case head(isIdle: Bool, since: NIODeadline)
            indirect case body(Body)
            /// A request was handed out, and what becomes of it is said before anything else happens.
            case deciding(ResponseOptions)
            /// Somebody is at work on the answer.
            case running(Running)
            case streaming(Stream)
            /// The last response is leaving, or has left. What still comes is thrown away, until the client is done: closing at once would reset the
            /// connection and could take the response from the client (RFC 9112 §9.6).
            case ending(since: NIODeadline, outputIsClosed: Bool)
            /// The connection is over, or is a link now.
            case gone
        }

        /// The body of a request under way.
        struct Body {
            let head: RequestHead
            /// The bytes of the head, because it is made of offsets.
            let bytes: ByteBuffer
            let match: RouteTable.Match
            let options: ResponseOptions
            var decoder: BodyDecoder
            var progress: Progress
            /// How much of the body is in ``progress``.
            var counted = 0
            let share: BodyShare
            var content: RequestBody
            /// Held until the answer is there.
            let place: WorkPlace?
        }

        /// An answer that takes time.
        struct Running {
            let options: ResponseOptions
            let work: Work
            /// Ends when the client has gone. A change does not: it might be made or not.
            let endsWithClient: Bool
            let place: WorkPlace?
        }

        /// An answer that is written piece by piece.
        struct Stream {
            var closes: Bool
            let work: Work
            let place: WorkPlace?
            /// When the last piece was written.
            var written: NIODeadline
            /// Who waits for the client to read on.
            var waiting: [Writer] = []
            /// Of a watch: when its time is over; `nil`: it is, or it is none.
            var until: NIODeadline?
            /// Whether it is one.
            var isWatch = false
            /// What the client sends over a WebSocket.
            var frames: WebSocketReader?
        }

        /// What the connection can do next with what has come.
        enum Step {
            /// Nothing, before something else happens.
            case wait
            /// A head, which is the whole request if it says so. The buffer begins with its bytes.
            case head(RequestHead, ByteBuffer)
            /// What a client that watches over a WebSocket says.
            case message(WebSocketReader.Message)
            /// It says what cannot be said.
            case broken(WebSocketCloseCode)
            /// A request whose body was waited for.
            case request(RequestHead, ByteBuffer, RouteTable.Match, body: RequestBody, WorkPlace?)
        }

        /// What is to be done, in this order.
        struct Actions {
            enum Order {
                case none
                /// Send what is there, and say when it has left.
                case farewell
                /// Tell the client that nothing more will come.
                case closeOutput
                case close
            }

            /// They may go on writing, or will find that nobody listens.
            var resumed: [Writer] = []
            /// Nobody waits for its answer any more.
            var cancelled: Work?
            var order = Order.none
            /// Whether the read that was held back is to be passed on.
            var reads = false
        }

        private(set) var phase: Phase
        private(set) var lifecycle = Lifecycle.open
        private(set) var gate = OutboundGate()
        private(set) var deadlines: Deadlines
        /// When the client said that nothing more will come.
        private var inputEnd: NIODeadline?
        var inputIsOver: Bool { self.inputEnd != nil }
        /// When a connection of which nothing is asked is closed because the node stops.
        private var lastCall: NIODeadline?
        private var input = ByteBuffer()
        /// Ready for the next head whenever one begins.
        private var parser: RequestParser

        /// - Parameter isRefused: there are too many connections, and that is all that this one will be told.
        init(_ limits: RequestParser.Limits, _ deadlines: Deadlines.Limits, isRefused: Bool = false, now: NIODeadline) {
            self.phase = isRefused ? .deciding(ResponseOptions()) : .head(isIdle: false, since: now)
            self.parser = RequestParser(limits: limits)
            self.deadlines = Deadlines(deadlines)
            self.updateDeadline()
        }
    }
}

// MARK: What comes

extension ServerConnection.State {
    mutating func received(_ bytes: inout ByteBuffer) {
        if self.lifecycle < .closing { self.input.append(&bytes) }
    }

    /// The next thing to do. After a refusal the connection waits to be told what to answer, and nothing more of it is read.
    mutating func next() throws(Refusal) -> Step {
        switch self.phase {
        case .head:
            guard self.input.readableBytes > 0, self.gate.isOpen else { return .wait }
            let bytes = self.input
            do throws(Refusal) {
                guard let head = try self.parser.parse(bytes.readableBytesUInt8Span) else { return .wait }
                self.consume(head.length)
                self.phase = .deciding(
                    ResponseOptions(isHead: head.method == .head, closes: head.closes, saysKeepAlive: head.keepsAlive)
                )
                return .head(head, bytes)
            } catch {
                self.phase = .deciding(ResponseOptions())
                throw error
            }
        case .body(var body):
            // Moved out, or the buffer would be copied when it grows; and this is where a refusal finds what it has to answer.
            self.phase = .deciding(ResponseOptions())
            let isComplete = try body.decoder.decode(&self.input, into: &body.content.bytes)
            try body.content.take()
            try body.share.grow(to: body.content.size)
            self.consume(0)
            guard isComplete else {
                self.phase = .body(body)
                return .wait
            }
            self.phase = .deciding(body.options)
            return .request(body.head, body.bytes, body.match, body: body.content, body.place)
        case .streaming(var stream):
            guard var frames = stream.frames, self.gate.isOpen, self.input.readableBytes > 0 else { return .wait }
            defer {
                stream.frames = frames
                self.phase = .streaming(stream)
            }
            do throws(WebSocketCloseCode) {
                guard let message = try frames.next(&self.input) else { return .wait }
                self.consume(0)
                return .message(message)
            } catch {
                self.input = ByteBuffer()
                return .broken(error)
            }
        case .deciding, .running, .ending, .gone:
            return .wait
        }
    }

    private mutating func consume(_ count: Int) {
        self.input.moveReaderIndex(forwardBy: count)
        if self.input.readableBytes == 0 { self.input = ByteBuffer() }
    }

    /// Whether the client is slowed down by not being read from: beyond `readAhead` what it sends ahead of an answer stays where it is.
    private var wantsBytes: Bool {
        switch self.phase {
        case .head, .body: self.gate.isOpen
        case .deciding, .running, .streaming: self.input.readableBytes < ServerConnection.readAhead
        case .ending, .gone: true
        }
    }

    /// A read is asked for. `false`: it is held back, until ``Actions/reads``.
    mutating func read() -> Bool { self.gate.read(isWanted: self.wantsBytes) }

    /// The client will send nothing more. Somebody who has sent everything may still want the answer (`printf … | nc`).
    mutating func inputEnded(now: NIODeadline) -> Actions {
        self.inputEnd = self.inputEnd ?? now
        switch self.phase {
        case .head, .body: return self.gate.isOpen ? self.beginFarewell(now) : Actions()
        case .ending(_, outputIsClosed: true): return self.abort(now: now)
        case .running, .streaming:
            // That is also how a client looks that has given up, of which nothing more will be heard until something is sent to it.
            self.updateDeadline()
            return Actions()
        case .deciding, .ending, .gone: return Actions()
        }
    }
}

// MARK: What becomes of a request

extension ServerConnection.State {
    /// The body of the request that was handed out comes first.
    ///
    /// - Returns: whether the client waits to be told to go on.
    mutating func awaitBody(
        _ head: RequestHead,
        _ bytes: ByteBuffer,
        _ match: RouteTable.Match,
        limit: Int,
        _ share: BodyShare,
        into content: RequestBody = RequestBody(),
        _ place: WorkPlace? = nil,
        now: NIODeadline
    ) throws(Refusal) -> Bool {
        guard case .deciding(let options) = self.phase else { return false }
        let decoder = try BodyDecoder(head.body, limit: limit)
        let bytes = bytes.getSlice(at: bytes.readerIndex, length: head.length) ?? bytes
        self.phase = .body(
            Body(
                head: head,
                bytes: bytes,
                match: match,
                options: options,
                decoder: decoder,
                progress: Progress(self.deadlines.limits, now),
                share: share,
                content: content,
                place: place
            )
        )
        return head.expectsContinue && self.input.readableBytes == 0
    }

    /// `work` is at work on the answer. `false`: there is nobody to answer to.
    ///
    /// - Parameters:
    ///   - endsWithClient: it is for nothing when the client has gone.
    ///   - place: held meanwhile.
    mutating func run(_ work: Work, endsWithClient: Bool = true, _ place: WorkPlace? = nil) -> Bool {
        guard case .deciding(let options) = self.phase else { return false }
        self.phase = .running(Running(options: options, work: work, endsWithClient: endsWithClient, place: place))
        self.updateDeadline()
        return true
    }

    /// `work` writes the answer piece by piece, after a head with these options. `nil`: there is nobody to answer to.
    mutating func stream(_ work: Work, _ place: WorkPlace? = nil, watch: Response.Stream.Watch? = nil, now: NIODeadline) -> ResponseOptions?
    {
        guard case .deciding(var options) = self.phase else { return nil }
        options.closes = options.closes || self.lifecycle == .draining
        var stream = Stream(closes: options.closes, work: work, place: place, written: now)
        if let watch {
            (stream.isWatch, stream.until) = (true, now + watch.timeout)
            if watch.isSocket {
                // Nobody asks for anything over it afterwards; but it is not said in its head.
                (stream.closes, options.closes) = (true, false)
                // With its head a message of the largest size is read to its end before the client is slowed down.
                stream.frames = WebSocketReader(expectsMask: true, limit: ServerConnection.readAhead - WebSocketReader.headLimit)
            }
        }
        self.phase = .streaming(stream)
        self.updateDeadline()
        return options
    }

    /// The answer is there, and is written now, with these options. `nil`: nobody waits for it.
    ///
    /// - Parameter closes: nothing after this request can be answered.
    mutating func answer(closes: Bool = false, now: NIODeadline) -> ResponseOptions? {
        var options: ResponseOptions
        switch self.phase {
        case .deciding(let mine): options = mine
        case .running(let running): options = running.options
        case .head, .body, .streaming, .ending, .gone: return nil
        }
        options.closes = options.closes || closes || self.lifecycle == .draining
        self.complete(closes: options.closes, now)
        return options
    }

    /// Whether what is written now are frames of a WebSocket.
    var isSocket: Bool { if case .streaming(let stream) = self.phase { stream.frames != nil } else { false } }

    /// Whether the next piece of a stream is to be written.
    var takesPieces: Bool { if case .streaming = self.phase { true } else { false } }

    /// A piece was written. Returns its writer, if he can go on; otherwise he waits until there is room.
    mutating func hold(_ writer: Writer, now: NIODeadline) -> Writer? {
        guard case .streaming(var stream) = self.phase else { return writer }
        self.phase = .gone
        stream.written = now
        // The write may have found the client gone: those who waited have been told by then, and a dead channel need not have room again.
        let waits = !self.gate.isOpen
        if waits { stream.waiting.append(writer) }
        self.phase = .streaming(stream)
        self.updateDeadline()
        return waits ? nil : writer
    }

    /// The last piece was written, and the end is written now. `nil`: nobody waits for it.
    ///
    /// - Parameter cancels: the client has ended it, and not who is at work.
    mutating func endStream(cancels: Bool = false, now: NIODeadline) -> Actions? {
        guard case .streaming(let stream) = self.phase else { return nil }
        self.complete(closes: stream.closes || self.lifecycle == .draining, now)
        return Actions(resumed: stream.waiting, cancelled: cancels ? stream.work : nil)
    }

    /// The connection is a link from now on. Returns what has come for it already.
    mutating func becomeLink() -> ByteBuffer {
        self.phase = .gone
        self.lifecycle.advance(to: .closed)
        self.updateDeadline()
        defer { self.input = ByteBuffer() }
        return self.input
    }

    private mutating func complete(closes: Bool, _ now: NIODeadline) {
        if closes {
            self.lifecycle.advance(to: .closing)
            self.input = ByteBuffer()
            self.phase = .ending(since: now, outputIsClosed: false)
        } else {
            self.phase = .head(isIdle: true, since: now)
        }
    }
}

// MARK: What leaves

extension ServerConnection.State {
    /// Whether what is sent now is the last.
    var isFarewell: Bool { if case .ending(_, outputIsClosed: false) = self.phase { true } else { false } }

    /// Bytes were handed to the channel.
    mutating func wrote(_ count: Int) { self.gate.wrote(count) }

    /// The channel has room again, or none any more. After room has come there may be more to do: ``next()``.
    mutating func writabilityChanged(_ isWritable: Bool, now: NIODeadline) -> Actions {
        guard isWritable else {
            self.gate.stall(at: now)
            self.updateDeadline()
            return Actions()
        }
        self.gate.open()
        switch self.phase {
        // Only now has the client got everything and begins to be idle.
        case .head(isIdle: true, _): self.phase = .head(isIdle: true, since: now)
        case .streaming(var stream):
            let waiting = stream.waiting
            (stream.waiting, stream.written) = ([], now)
            self.phase = .streaming(stream)
            self.updateDeadline()
            return Actions(resumed: waiting)
        default: break
        }
        return Actions()
    }

    /// All that can be done has been done, and sent.
    mutating func settle(now: NIODeadline) -> Actions {
        var actions = Actions()
        switch self.phase {
        case .head, .body:
            if self.inputIsOver, self.gate.isOpen {
                actions = self.beginFarewell(now)
            } else if case .head(isIdle: true, _) = self.phase, self.input.readableBytes > 0, self.gate.isOpen {
                // A head that trickles in keeps the moment of its first byte: progress does not buy time.
                self.phase = .head(isIdle: false, since: now)
            } else {
                self.noteProgress(now)
            }
        default: break
        }
        self.updateDeadline()
        actions.reads = self.gate.releaseRead(isWanted: self.wantsBytes)
        return actions
    }

    /// What has come of a body buys the time that it takes at the slowest allowed rate.
    private mutating func noteProgress(_ now: NIODeadline) {
        guard case .body(var body) = self.phase, body.decoder.received > body.counted else { return }
        self.phase = .gone
        body.progress.add(body.decoder.received - body.counted, self.deadlines.limits, now)
        body.counted = body.decoder.received
        self.phase = .body(body)
    }

    private mutating func updateDeadline() {
        let limits = self.deadlines.limits
        switch self.phase {
        case .head(let isIdle, let since):
            let due = since + (isIdle ? limits.idle : limits.head)
            self.deadlines.set(self.input.readableBytes == 0 ? min(due, self.lastCall ?? due) : due, self.gate)
        case .body(let body): self.deadlines.set(body.progress.due, self.gate)
        case .running(let running) where running.endsWithClient:
            self.deadlines.set(self.inputEnd.map { $0 + limits.patience } ?? .distantFuture, self.gate)
        case .streaming(let stream):
            let gone = self.inputEnd.map { max($0, stream.written) + limits.patience } ?? .distantFuture
            self.deadlines.set(min(gone, stream.until ?? .distantFuture), self.gate, isWatch: stream.isWatch)
        case .deciding, .running: self.deadlines.set(.distantFuture, self.gate)
        case .ending(let since, outputIsClosed: true): self.deadlines.set(since + limits.linger, self.gate)
        case .ending(let since, outputIsClosed: false):
            self.deadlines.set(limits.writing(since: since, self.gate.unsentBytes), self.gate)
        case .gone: self.deadlines.clear()
        }
    }
}

// MARK: The end

extension ServerConnection.State {
    /// The node is about to stop: each answer from now on is the last of its connection. Nothing ends for that, since who has a connection may be just
    /// about to use it.
    mutating func beginDraining() { self.lifecycle.advance(to: .draining) }

    /// What is running is answered, and then the connection ends. Where nothing is running there is a last call: what is on its way is answered, and if
    /// nothing has come by then, ``timedOut(now:)`` ends it.
    mutating func drain(now: NIODeadline) -> Actions {
        self.lifecycle.advance(to: .draining)
        switch self.phase {
        case .head:
            self.lastCall = self.lastCall ?? now + self.deadlines.limits.lastCall
            self.updateDeadline()
            return Actions()
        case .ending(_, outputIsClosed: true): return self.abort(now: now)
        default: return Actions()
        }
    }

    /// What was due by ``deadlines`` has not come.
    mutating func timedOut(now: NIODeadline) -> Actions {
        if case .head = self.phase, let lastCall, lastCall <= now, self.input.readableBytes == 0, self.gate.isOpen {
            return self.beginFarewell(now)
        }
        // Who is at work hears that the time of the watch is over, says what there is to say, and ends the stream.
        if case .streaming(var stream) = self.phase, let until = stream.until, until <= now, self.gate.isOpen {
            stream.until = nil
            self.phase = .streaming(stream)
            self.updateDeadline()
            return Actions(cancelled: stream.work)
        }
        return self.abort(now: now)
    }

    /// Since when there is nothing to do but to wait for what the client might ask next; `nil`: there is. What has been idle for longest goes when
    /// others need its place.
    var idleSince: NIODeadline? {
        if case .head(_, let since) = self.phase, self.input.readableBytes == 0, self.gate.isOpen { since } else { nil }
    }

    private mutating func beginFarewell(_ now: NIODeadline) -> Actions {
        self.complete(closes: true, now)
        self.updateDeadline()
        return Actions(order: .farewell)
    }

    /// The last response has left.
    mutating func farewellLeft(now: NIODeadline) -> Actions {
        guard self.isFarewell else { return Actions() }
        if self.inputIsOver { return self.abort(now: now) }
        self.gate.open()
        self.phase = .ending(since: now, outputIsClosed: true)
        self.updateDeadline()
        return Actions(order: .closeOutput)
    }

    /// Whether what is due by ``deadlines`` is the client's: one that has nothing to ask is not slow, nor is one that takes its time to say goodbye.
    var isSlow: Bool {
        switch self.phase {
        case .head(let isIdle, _): !((isIdle || self.lastCall != nil) && self.gate.isOpen)
        case .ending: !self.gate.isOpen
        // It has gone, or its time is over.
        case .streaming(let stream) where stream.isWatch: !self.gate.isOpen
        case .running, .streaming: !(self.inputIsOver && self.gate.isOpen)
        default: true
        }
    }

    /// Closes now. Over TLS that takes as long as the client takes to say goodbye, or a second: what comes meanwhile is thrown away, and what
    /// becomes ready, too.
    mutating func abort(now: NIODeadline) -> Actions {
        var actions = Actions()
        if self.lifecycle < .closed {
            actions = self.dismiss()
            self.lifecycle.advance(to: .closing)
            self.input = ByteBuffer()
            self.gate.open()
            self.phase = .ending(since: now, outputIsClosed: true)
            self.updateDeadline()
        }
        actions.order = .close
        return actions
    }

    /// The connection is over. `nil`: that was known, or it is a link.
    mutating func finish() -> Actions? {
        guard self.lifecycle.advance(to: .closed) else { return nil }
        let actions = self.dismiss()
        self.input = ByteBuffer()
        self.phase = .gone
        self.updateDeadline()
        return actions
    }

    /// Lets go of whoever is at work for the client.
    private func dismiss() -> Actions {
        switch self.phase {
        case .running(let running): Actions(cancelled: running.work)
        case .streaming(let stream): Actions(resumed: stream.waiting, cancelled: stream.work)
        case .head, .body, .deciding, .ending, .gone: Actions()
        }
    }
}

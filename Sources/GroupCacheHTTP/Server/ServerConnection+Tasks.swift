internal import GroupCache
internal import NIOCore

/// Answers that are not there at once: a task makes them, the loop writes them.
extension ServerConnection {
    func run(_ operation: @escaping @Sendable () async -> Reply) {
        guard let eventLoop = self.context?.eventLoop else { return }
        let connection = NIOLoopBound(self, eventLoop: eventLoop)
        self.task = Task {
            let reply = await operation()
            eventLoop.execute { connection.value.complete(reply) }
        }
    }

    func complete(_ reply: Reply) {
        // The connection may have been closed while the task ran.
        guard case .running(var options) = self.phase else { return }
        self.task = nil
        self.loop.refresh()
        if self.isDraining { options.closes = true }
        self.write(reply, options)
        self.process()
    }

    func beginStream(_ request: KeysRequest, _ options: ReplyOptions, isChunked: Bool, _ trace: PeerTrace?) {
        guard let eventLoop = self.context?.eventLoop else { return }
        guard isChunked else {
            return self.write(.failure(Status(505, "many keys at once need HTTP/1.1", .request)), options)
        }
        self.loop.writer.writeStreamHead(options, to: &self.loop.output)
        self.phase = .streaming(closes: options.closes)
        let connection = NIOLoopBound(self, eventLoop: eventLoop)
        self.task = Task {
            let run = {
                await request.run { line in
                    await withCheckedContinuation { continuation in
                        eventLoop.execute { connection.value.writePiece(line, continuation) }
                    }
                }
            }
            if let trace { await trace.continued(run) } else { await run() }
            eventLoop.execute { connection.value.endStream() }
        }
    }

    /// Writes a line of a stream as a chunk. The writer goes on once the client has room for more.
    func writePiece(_ line: ByteBuffer, _ continuation: CheckedContinuation<Void, Never>) {
        guard case .streaming = self.phase, let context = self.context else { return continuation.resume() }
        self.loop.refresh()
        self.loop.output.writeString(String(line.readableBytes, radix: 16))
        self.loop.output.writeStaticString("\r\n")
        self.loop.output.writeImmutableBuffer(line)
        self.loop.output.writeStaticString("\r\n")
        self.flush()
        self.updateDeadline()
        // The flush may have found the client gone: those who waited have been told by then, and a dead channel need not be writable.
        if case .streaming = self.phase, !context.channel.isWritable { self.writers.append(continuation) } else { continuation.resume() }
    }

    func endStream() {
        guard case .streaming(let closes) = self.phase else { return }
        self.task = nil
        self.loop.refresh()
        self.loop.output.writeStaticString("0\r\n\r\n")
        self.becomeIdle(closes: closes || self.isDraining)
        self.process()
    }
}

internal import NIOCore
internal import Synchronization

/// Sending what was written, and ending.
extension ServerConnection {
    func flush() {
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
    func closeWhenSent() {
        guard let context = self.context else { return }
        self.phase = .lingering
        self.phaseBegan = self.loop.now
        self.updateDeadline()
        let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).whenComplete { _ in connection.value.closeOutput() }
    }

    /// The last response has left: says so to the client, and waits for its end.
    func closeOutput() {
        guard case .lingering = self.phase, let context = self.context else { return }
        if self.inputIsClosed { return self.abort() }
        self.loop.refresh()
        self.phaseBegan = self.loop.now
        self.stalledSince = nil
        self.outputIsClosed = true
        self.updateDeadline()
        context.close(mode: .output, promise: nil)
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

    /// Closes now. Over TLS that takes as long as the client takes to say goodbye, or a second: what comes meanwhile is thrown away, and what
    /// becomes ready, too.
    func abort() {
        switch self.phase {
        case .closed: break
        default:
            self.phase = .lingering
            self.phaseBegan = self.loop.now
            self.stalledSince = nil
            self.outputIsClosed = true
            self.updateDeadline()
        }
        self.context?.close(promise: nil)
    }

    func finish() {
        if case .closed = self.phase { return }
        self.phase = .closed
        self.endBody()
        self.task?.cancel()
        self.task = nil
        let writers = self.writers
        self.writers = []
        for writer in writers { writer.resume() }
        if self.core.credentials.secures, !self.isSecured { self.core.counters.failedHandshakes.wrappingAdd(1, ordering: .relaxed) }
        self.loop.remove(self)
        self.permit = nil
    }
}

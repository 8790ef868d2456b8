internal import GroupCache
internal import NIOCore
internal import Synchronization

/// From HTTP to a link.
extension ServerConnection {
    /// Whether the request asks for a link, and is to get one.
    func asksForLink(_ head: RequestHead, _ bytes: Span<UInt8>) -> Bool {
        // A page in a browser may open WebSockets to anywhere, but cannot keep the browser from saying whose page it is: peers have no origin.
        head.linkKey != nil && head.origin == nil && head.path.count == self.core.basePath.utf8.count
            && bytes.hasPrefix(self.core.basePath, at: head.path.lowerBound)
            && head.body == .length(0)
    }

    /// Answers, and hands the connection over to a ``LinkServer``, with whatever has already come for it.
    func upgrade(key: String) {
        guard let context = self.context else { return }
        if self.isDraining {
            let status = Status(503, "this node is stopping", .request)
            return self.write(.failure(status), ReplyOptions(closes: true))
        }
        // Nobody would send anything over it, and the event that says so is past.
        if self.inputIsClosed {
            return self.write(.failure(Status(400, "a link needs both directions", .request)), ReplyOptions(closes: true))
        }
        // From here on this handler is not to read requests, nor to touch the count of connections, which the link takes over; also not when
        // the channel becomes writable, or fails, within the flush.
        self.phase = .closed
        self.loop.remove(self)
        self.loop.output.writeImmutableBuffer(LinkHandshake.response(key: key))
        self.flush()
        var rest = ByteBuffer()
        swap(&rest, &self.input)
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

internal import GroupCache
internal import NIOCore

/// Replies in.
extension LinkClient {
    func receive(_ message: WebSocketReader.Message) throws(WebSocketCloseCode) {
        if !self.settings.health.isUp { self.dialer.proved() }
        switch message.opcode {
        case .binary:
            var reader = LinkReader()
            let bytes = message.payload.readableBytesUInt8Span
            do throws(LinkFault) {
                while let item = try reader.next(bytes) { try self.receive(item, bytes) }
            } catch {
                throw WebSocketCloseCode(rawValue: error.closeCode) ?? .protocolError
            }
        case .ping: self.sendControl(.pong, message.payload)
        case .pong: break
        case .close:
            // Said in the middle of our questions it is still a loss to those who asked, but not a sign of ill health.
            self.end = .closed
            self.sendControl(.close, message.payload)
            self.abort()
        case .text, .continuation: throw .notBinary
        }
    }

    func receive(_ item: LinkItem, _ bytes: Span<UInt8>) throws(LinkFault) {
        switch item {
        case .reply(let reply): self.receive(reply, bytes)
        case .draining:
            self.isDraining = true
            self.closesWhenDone = true
        case .ring, .group: break
        // Requests go one way. A peer that asks over our link is not one that we know.
        case .request, .cancel: throw .wireType
        }
    }

    func receive(_ reply: LinkReply, _ bytes: Span<UInt8>) {
        let index = Int(reply.index)
        // A reply to nothing is a late one: its request was cancelled or is past its time.
        let taken = self.slots.update(reply.id) { pending -> (Bool, PeerCall?) in
            guard pending.take(index) else { return (false, nil) }
            return (!pending.isMany || pending.open == 0, pending.call)
        }
        self.pings = 0
        guard let taken, let call = taken else { return }
        if case .many = call.kind {
            if reply.status == .tooLarge {
                if let single = call.single(index, by: self.lane.http) { self.lane.http.enqueue(single) }
            } else {
                call.answer(index, self.outcome(reply, bytes, of: call))
            }
            if self.slots[reply.id] == nil { call.close() }
        } else if reply.status == .tooLarge {
            self.lane.http.take(call, isHeld: true)
        } else {
            self.learn(call)
            call.finish(self.outcome(reply, bytes, of: call))
        }
    }

    /// One answer in eight teaches the peer's health how fast it is: enough for a 95th percentile, and the budgets count them eightfold.
    func learn(_ call: PeerCall) {
        self.answers &+= 1
        guard self.answers % UInt64(Self.sample) == 0 else { return }
        let latency = (self.lastRead - call.started).nanoseconds
        self.settings.health.learn(UInt64(clamping: latency), requests: Self.sample)
    }

    /// The name of a schema; usually it is the one that we have sent, and no other string is made of it.
    private static func schema(_ range: Range<Int>, _ bytes: Span<UInt8>, _ own: String?) -> String {
        if let own, bytes.equals(range, own) { return own }
        return bytes.string(range)
    }

    func outcome(_ reply: LinkReply, _ bytes: Span<UInt8>, of call: PeerCall) -> PeerCall.Outcome {
        let ttl = LinkTime.replyTTL(reply.ttl)
        switch reply.status {
        case .value:
            var entry = PeerEntry(value: ByteView(copying: bytes.extracting(reply.value.range)), ttl: ttl, version: reply.version)
            if !reply.schema.isEmpty { entry.schema = Self.schema(reply.schema.range, bytes, call.kind.schema) }
            if let attributes = LinkAttributes(reply.attributes, bytes) { entry.attributes = attributes.ofEntry }
            return .success(entry)
        // Of a get it would be an empty value.
        case .done where !call.kind.isGet: return .success(PeerEntry(value: .empty))
        default: return .failure(reply.status.error(ttl: ttl, retryAfter: reply.retryAfter))
        }
    }
}

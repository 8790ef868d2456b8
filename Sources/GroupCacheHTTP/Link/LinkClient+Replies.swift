// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// Replies in.
extension LinkClient.State {
    /// Whom a reply is for.
    enum Taken {
        /// Nobody: a late one, whose request was cancelled or is past its time.
        case nobody
        /// A request about one key; one answer in eight teaches the peer's health how fast it is.
        case one(PeerCall, teaches: Bool)
        /// One key of many; the last one of them ends the request.
        case key(PeerCall, isLast: Bool)
    }

    /// A reply has come.
    mutating func take(_ id: UInt32, _ index: Int) -> Taken { self.open?.take(id, index) ?? .nobody }

    /// The peer is about to stop.
    mutating func drain() {
        self.open?.isDraining = true
        self.open?.closesWhenDone = true
    }
}

extension LinkClient.State.Open {
    fileprivate mutating func take(_ id: UInt32, _ index: Int) -> LinkClient.State.Taken {
        self.pings = 0
        let taken = self.slots.update(id) { pending -> (Bool, LinkClient.State.Taken) in
            guard pending.take(index) else { return (false, .nobody) }
            guard pending.isMany else { return (true, .one(pending.call, teaches: false)) }
            return (pending.open == 0, .key(pending.call, isLast: pending.open == 0))
        }
        guard case .one(let call, _)? = taken else { return taken ?? .nobody }
        self.answers &+= 1
        return .one(call, teaches: self.answers % UInt64(LinkClient.sample) == 0)
    }
}

extension LinkClient {
    /// What `reply` says to `call`.
    static func outcome(_ reply: LinkReply, _ bytes: Span<UInt8>, of call: PeerCall, _ stream: PeerStream) -> PeerCall.Outcome {
        let ttl = LinkTime.replyTTL(reply.ttl)
        switch reply.status {
        case .value:
            var entry = PeerEntry(value: ByteView(copying: bytes.extracting(reply.value.range)), ttl: ttl, version: reply.version)
            entry.ageInMilliseconds = LinkTime.age(reply.age)
            if !reply.schema.isEmpty { entry.schema = Self.schema(reply.schema.range, bytes, call.kind.schema) }
            entry.isHandedOver = reply.marks & LinkMarks.handedOver.rawValue != 0
            entry.stream = stream.copyRow(isOwn: reply.marks & LinkMarks.own.rawValue != 0)
            if let attributes = LinkAttributes(reply.attributes, bytes) {
                entry.attributes = attributes.ofEntry
                // What it says cannot be had; a copy without its tags would outlive their removal.
                if entry.attributes.isNone { entry.stream = -1 }
            }
            return .success(entry)
        // Of a get it would be an empty value.
        case .done where !call.kind.isGet:
            var entry = PeerEntry(value: .empty, version: reply.version)
            entry.isApplied = reply.marks & LinkMarks.applied.rawValue != 0
            return .success(entry)
        default: return .failure(reply.status.error(ttl: ttl, retryAfter: reply.retryAfter))
        }
    }

    /// The name of a schema; usually it is the one that we have sent, and no other string is made of it.
    private static func schema(_ range: Range<Int>, _ bytes: Span<UInt8>, _ own: String?) -> String {
        if let own, bytes.equals(range, own) { return own }
        return bytes.string(range)
    }
}

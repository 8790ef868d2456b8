// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore
internal import Synchronization

/// Requests out.
extension LinkClient.State {
    /// What becomes of requests.
    enum Asked {
        /// Those that were taken are in the message that is to be sent now, if there was one worth sending.
        case send
        /// The link is still to be opened, or a peer that does not read must not make us hold what it is sent.
        case hold
        /// The peer is about to stop: whoever asks is better off elsewhere.
        case refuse
        /// The link is over.
        case over
    }

    /// Takes requests, from the first on, as many as one message carries.
    ///
    /// - Parameters:
    ///   - refused: what is not sent: those whose time is over, and those that go by GET, which have no error.
    mutating func ask(
        _ calls: inout ArraySlice<PeerCall>,
        isWritable: Bool,
        now: NIODeadline,
        _ stream: PeerStream,
        refused: inout [(call: PeerCall, error: GroupCacheError?)]
    ) -> Asked {
        if self.opening != nil { return .hold }
        guard self.open != nil else { return .over }
        if self.open?.isDraining == true { return .refuse }
        guard isWritable else { return .hold }
        return self.open?.ask(&calls, now, stream, &refused) ?? .over
    }

    /// The callers have left.
    mutating func abandon(_ calls: [PeerCall]) -> [Action] {
        self.open?.abandon(calls)
        return [.sendMessage] + self.closeIfDone()
    }

    /// Everything that has been written since the last one, as one message.
    ///
    /// - Parameter ring: the version of our ring, to be sent along.
    mutating func message(ring: UInt64?) -> ByteBuffer? { self.open?.message(ring: ring) }
}

extension LinkClient.State.Open {
    fileprivate mutating func ask(
        _ calls: inout ArraySlice<PeerCall>,
        _ now: NIODeadline,
        _ stream: PeerStream,
        _ refused: inout [(call: PeerCall, error: GroupCacheError?)]
    ) -> LinkClient.State.Asked {
        var taken = calls.startIndex
        while taken < calls.endIndex, self.writer.count <= LinkClient.writeAhead {
            let call = calls[taken]
            taken += 1
            if call.isFinished { continue }
            if case .path = call.kind {
                refused.append((call, nil))
            } else if call.deadline <= now {
                refused.append((call, call.lateness))
            } else if let id = self.slots.insert(LinkPending(call)) {
                call.slot.store(id, ordering: .relaxed)
                self.write(call, id, now, stream)
            } else {
                refused.append((call, PeerCall.overloaded))
            }
        }
        calls = calls[taken...]
        return .send
    }

    private mutating func write(_ call: PeerCall, _ id: UInt32, _ now: NIODeadline, _ stream: PeerStream) {
        // Rounded down, but never to nothing: an answer after our own deadline is of no use to anybody.
        let timeout = UInt32(clamping: max(1, (call.deadline - now).nanoseconds / 1_000_000))
        switch call.kind {
        case .peer(let operation, let request):
            let group = self.group(request.group)
            var verb = request.isPeek ? LinkVerb.peek : request.reload ? .reload : .get
            let freshOnly: UInt32 = request.allowStale ? 0 : 1
            if case .get = operation, request.isPlain {
                return self.writer.payload.writeLinkRequest(
                    id: id,
                    group: group,
                    key: request.key.bytes.span,
                    timeout: timeout,
                    verb: verb,
                    freshOnly: freshOnly
                )
            }
            var entry: PeerEntry?
            switch operation {
            case .get: break
            case .set(let value): (verb, entry) = (.set, value)
            case .remove: verb = .remove
            }
            self.writer.payload.writeLinkRequest(
                id: id,
                group: group,
                key: request.key.bytes.span,
                timeout: timeout,
                verb: verb,
                value: entry?.value,
                ttl: Self.time(of: entry, request.terms),
                traceparent: request.trace?.traceparent ?? "",
                tracestate: request.trace?.tracestate ?? "",
                schema: LinkLimits.schema(request.schema ?? entry?.schema),
                trail: call.turn > 0 ? stream.turn(call.turn)[...] : request.trail.suffix(PeerRequest.trailLimit),
                freshOnly: freshOnly,
                marks: LinkMarks(request.terms),
                attributes: entry.flatMap { LinkAttributes($0.attributes) }
            )
        case .many(let keys, let batch):
            let group = self.group(batch.group)
            self.writer.payload.writeLinkRequest(
                id: id,
                group: group,
                keys: keys,
                timeout: timeout,
                verb: batch.isPeek ? .peek : .get,
                traceparent: batch.trace?.traceparent ?? "",
                tracestate: batch.trace?.tracestate ?? "",
                schema: LinkLimits.schema(batch.schema),
                trail: batch.trail.suffix(PeerRequest.trailLimit),
                freshOnly: batch.allowStale ? 0 : 1
            )
        case .changes(let verb, let value, let marks, let standIn):
            self.writer.payload.writeLinkRequest(
                id: id,
                group: self.group(""),
                key: Span(),
                timeout: timeout,
                verb: verb,
                value: value,
                ttl: standIn == .zero ? 0 : LinkTime.requestTTL(standIn),
                trail: stream.turn(0)[...],
                marks: marks
            )
            if verb == .follow { self.patient = id }
        case .path: break
        }
    }

    /// How long a value is fresh that is set, or what is loaded after a removal is not kept; 0: without end, or not at all.
    private static func time(of entry: PeerEntry?, _ terms: ChangeTerms) -> UInt64 {
        if let entry { return LinkTime.requestTTL(entry.ttl) }
        return terms.settle > .zero ? LinkTime.requestTTL(terms.settle) : 0
    }

    /// The place of a group's name in the message, which it is written into when it is new.
    private mutating func group(_ name: String) -> UInt32 {
        if let index = self.groups.firstIndex(of: name) { return UInt32(index) }
        self.writer.payload.writeLinkGroup(name)
        self.groups.append(name)
        return UInt32(self.groups.count - 1)
    }

    fileprivate mutating func abandon(_ calls: [PeerCall]) {
        for call in calls {
            let id = call.slot.load(ordering: .relaxed)
            guard self.slots[id]?.call === call else { continue }
            _ = self.slots.remove(id)
            self.writer.payload.writeLinkCancel(id)
        }
    }

    fileprivate mutating func message(ring: UInt64?) -> ByteBuffer? {
        if self.writer.isEmpty { return nil }
        if let ring { self.writer.payload.writeLinkRing(ring) }
        self.groups.removeAll(keepingCapacity: true)
        return self.writer.frame(mask: .random(in: 1 ... .max))
    }
}

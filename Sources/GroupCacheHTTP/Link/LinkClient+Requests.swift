internal import GroupCache
internal import NIOCore
internal import Synchronization

/// Requests out.
extension LinkClient {
    /// Sends requests in one message, or in as few as their size allows.
    func send(_ calls: some Collection<PeerCall>) {
        guard case .open = self.phase, let context = self.context else { return self.dialer.hold(calls) }
        let now = NIODeadline.now()
        var rest = calls[...]
        while let call = rest.popFirst() {
            // A flush in the middle may find the connection dead, and then everybody who is waited for here has been told. Nobody would tell
            // those who come after.
            guard case .open = self.phase else {
                self.dialer.dispatch([call] + rest, abandoned: [])
                break
            }
            // A peer that does not read must not make us hold what it is sent.
            guard context.channel.isWritable, !self.isDraining else {
                if self.isDraining {
                    self.refuse(rest, and: call)
                } else {
                    // Before the flush, which may find that there is room again and then look here for what waits.
                    self.dialer.hold([call])
                    self.dialer.hold(rest)
                }
                break
            }
            self.write(call, now)
            if self.writer.count > Self.writeAhead { self.flush() }
        }
        self.flush()
        self.arm(now + self.pace)
    }

    /// The peer is about to stop: whoever asks is better off elsewhere.
    func refuse(_ calls: some Collection<PeerCall>, and first: PeerCall) {
        LinkPending(first).fail(LinkDialer.isDown)
        for call in calls { LinkPending(call).fail(LinkDialer.isDown) }
    }

    func write(_ call: PeerCall, _ now: NIODeadline) {
        if call.isFinished { return }
        guard call.deadline > now else { return LinkPending(call).fail(call.lateness) }
        // Rounded down, but never to nothing: an answer after our own deadline is of no use to anybody.
        let timeout = UInt32(clamping: max(1, (call.deadline - now).nanoseconds / 1_000_000))
        guard let id = self.slots.insert(LinkPending(call)) else { return LinkPending(call).fail(PeerConnections.overloaded) }
        call.slot.store(id, ordering: .relaxed)
        switch call.kind {
        case .peer(let operation, let request):
            let group = self.group(request.group)
            var verb = request.isPeek ? LinkVerb.peek : request.reload ? .reload : .get
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
                ttl: entry == nil ? 0 : LinkTime.requestTTL(entry?.ttl),
                traceparent: request.trace?.traceparent ?? "",
                tracestate: request.trace?.tracestate ?? "",
                schema: LinkLimits.schema(request.schema ?? entry?.schema),
                trail: request.trail.suffix(PeerRequest.trailLimit),
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
                trail: batch.trail.suffix(PeerRequest.trailLimit)
            )
        case .path:
            // Paths go by GET.
            _ = self.slots.remove(id)
            self.lane.http.take(call)
        }
    }

    /// The place of a group's name in the message, which it is written into when it is new.
    func group(_ name: String) -> UInt32 {
        if let index = self.groups.firstIndex(of: name) { return UInt32(index) }
        self.writer.payload.writeLinkGroup(name)
        self.groups.append(name)
        return UInt32(self.groups.count - 1)
    }

    /// The callers have left.
    func abandon(_ calls: [PeerCall]) {
        for call in calls {
            let id = call.slot.load(ordering: .relaxed)
            guard self.slots[id]?.call === call else { continue }
            _ = self.slots.remove(id)
            self.writer.payload.writeLinkCancel(id)
        }
        self.flush()
        self.closeIfDone()
    }

    func flush() {
        guard !self.writer.isEmpty, let context = self.context else { return }
        if let ring = self.settings.ring { self.writer.payload.writeLinkRing(ring) }
        self.groups.removeAll(keepingCapacity: true)
        let frame = self.writer.frame(mask: .random(in: 1 ... .max))
        context.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
        self.writer.reuse(frame)
    }
}

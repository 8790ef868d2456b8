// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import Tracing

/// One message that asks an owner for many keys: tells the load of each what became of it.
///
/// A key whose load asks somebody else after that, because the owner has failed, does so for itself.
final class PeerBatchCall: PeerCaller {
    private struct State {
        /// Of each key, whether it is answered, or nobody waits for it any more.
        var isDone: [Bool]
        var open: Int
        var isAbandoned = false
        var ticket: (any PeerTicket)?
        var span: (any Span)?

        /// Returns what is to be cancelled, the request, when nothing is open and somebody has left without an answer; and what has ended.
        mutating func end(_ index: Int) -> (ticket: (any PeerTicket)?, span: (any Span)?) {
            guard !self.isDone[index] else { return (nil, nil) }
            self.isDone[index] = true
            self.open -= 1
            guard self.open == 0 else { return (nil, nil) }
            // Whoever holds a ticket holds the request, which holds us.
            defer { (self.ticket, self.span) = (nil, nil) }
            return (self.isAbandoned ? self.ticket : nil, self.span)
        }
    }

    private let owner: any PeerGetter
    private let loads: [Load]
    private let state: NIOLockedValueBox<State>

    /// A message for `loads`, all of which have `owner` for their owner. Each is ended through it if nobody waits any more.
    init(_ owner: any PeerGetter, _ loads: [Load]) {
        self.owner = owner
        self.loads = loads
        self.state = NIOLockedValueBox(State(isDone: Array(repeating: false, count: loads.count), open: loads.count))
        // Before the peer is asked: its answer may send a key on to the next owner, and from then on the key is cancelled there.
        for (index, load) in loads.enumerated() { load.onCancel { self.abandon(index) } }
    }

    /// Sends it.
    func start(_ request: PeerBatch, tracer: (any Tracer)?) {
        var request = request
        if let tracer { self.trace(&request, by: tracer) }
        guard let ticket = self.owner.start(self.loads.map(\.key.key), of: request, for: self) else { return }
        // Answers may have come before, and callers may have left.
        let isUnwanted = self.state.withLockedValue { state in
            if state.open > 0 { state.ticket = ticket }
            return state.open == 0 && state.isAbandoned
        }
        if isUnwanted { ticket.cancel() }
    }

    func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) {
        guard self.loads.indices.contains(tag) else { return }
        let (isLate, span, ended) = self.state.withLockedValue { state in (state.isDone[tag], state.span, state.end(tag)) }
        // Nobody waits for it, and nobody else is to be asked.
        if isLate { return }
        if let span, case .failure(let error) = result, !error.isFinal { span.recordError(error) }
        ended.ticket?.cancel()
        ended.span?.end()
        self.loads[tag].peerAnswered(0, result)
    }

    /// Nobody waits for this key any more.
    private func abandon(_ index: Int) {
        let ended = self.state.withLockedValue { state in
            if !state.isDone[index] { state.isAbandoned = true }
            return state.end(index)
        }
        ended.ticket?.cancel()
        ended.span?.end()
    }

    /// Begins a span for the message, which is a part of `request` from then on.
    private func trace(_ request: inout PeerBatch, by tracer: any Tracer) {
        let span = tracer.startAnySpan("groupcache.peer.get", ofKind: .client)
        span.describeGet(of: request.group, peer: self.owner.id, keys: self.loads.count)
        request.trace = PeerTrace(span.context, by: tracer)
        let isOver = self.state.withLockedValue { state in
            if state.open > 0 { state.span = span }
            return state.open == 0
        }
        // All callers have left before the message did.
        if isOver { span.end() }
    }
}

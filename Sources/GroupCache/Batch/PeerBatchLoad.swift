internal import NIOConcurrencyHelpers
internal import Tracing

/// The routed flights that one message to one owner is to land: tells the group what became of each.
final class PeerBatchLoad: PeerCaller {
    struct Item: Sendable {
        var flight: FlightID
        var key: HashedKey
        /// Whom to ask when the owner fails.
        var next: (any PeerGetter)?
    }

    let owner: any PeerGetter
    let items: [Item]
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

    private let group: any RoutedGroup
    private let state: NIOLockedValueBox<State>

    init(_ group: any RoutedGroup, _ owner: any PeerGetter, _ items: [Item]) {
        self.group = group
        self.owner = owner
        self.items = items
        self.state = NIOLockedValueBox(State(isDone: Array(repeating: false, count: items.count), open: items.count))
    }

    func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) {
        guard self.items.indices.contains(tag) else { return }
        let (isLate, span, ended) = self.state.withLockedValue { state in (state.isDone[tag], state.span, state.end(tag)) }
        // Nobody waits for it, and nobody else is to be asked.
        if isLate { return }
        if let span, case .failure(let error) = result, !error.isFinal { span.recordError(error) }
        ended.ticket?.cancel()
        ended.span?.end()
        self.group.landRouted(self, tag, result)
    }

    /// The request is under way. Answers may have come before, and callers may have left.
    func started(_ ticket: any PeerTicket) {
        let isUnwanted = self.state.withLockedValue { state in
            if state.open > 0 { state.ticket = ticket }
            return state.open == 0 && state.isAbandoned
        }
        if isUnwanted { ticket.cancel() }
    }

    /// Nobody waits for this key any more.
    func abandon(_ index: Int) {
        let ended = self.state.withLockedValue { state in
            if !state.isDone[index] { state.isAbandoned = true }
            return state.end(index)
        }
        ended.ticket?.cancel()
        ended.span?.end()
    }

    /// Begins a span for the message, which is a part of `request` from then on.
    func trace(_ request: inout PeerBatch, by tracer: any Tracer) {
        let span = tracer.startAnySpan("groupcache.peer.get", ofKind: .client)
        span.attributes["groupcache.group"] = request.group
        span.attributes["groupcache.peer"] = self.owner.id
        span.attributes["groupcache.keys"] = self.items.count
        request.trace = PeerTrace(span.context, by: tracer)
        let isOver = self.state.withLockedValue { state in
            if state.open > 0 { state.span = span }
            return state.open == 0
        }
        // All callers have left before the message did.
        if isOver { span.end() }
    }
}

internal import NIOConcurrencyHelpers
internal import Tracing

/// The load of a routed flight: asks the owner, the next owner, and then gives it back to the group.
///
/// Not a task: the whole of it runs in the calls that bring the answers. It lives as long as somebody has yet to answer, or the
/// flight can be cancelled.
final class PeerLoad: PeerCaller {
    private struct State {
        var core: PeerLoadState
        var tickets: (owner: (any PeerTicket)?, next: (any PeerTicket)?)
        var spans: (owner: (any Span)?, next: (any Span)?)
    }

    let group: any RoutedGroup
    let flight: FlightID
    let hash: UInt64
    private let route: PeerRoute
    private let request: PeerRequest
    private let state: NIOLockedValueBox<State>

    var key: Key { self.request.key }

    init(_ group: any RoutedGroup, _ flight: FlightID, _ hash: UInt64, _ route: PeerRoute, _ request: PeerRequest) {
        self.group = group
        self.flight = flight
        self.hash = hash
        self.route = route
        self.request = request
        self.state = NIOLockedValueBox(State(core: PeerLoadState(hasNext: route.next != nil), tickets: (nil, nil), spans: (nil, nil)))
    }

    /// Asks the owner.
    func start() {
        if let owner = self.route.owner { self.ask(owner, tag: 0, self.request) }
    }

    /// Nobody waits any more.
    func cancel() {
        let (tickets, spans) = self.state.withLockedValue { state -> ([any PeerTicket], [any Span]) in
            guard state.core.cancel() else { return ([], []) }
            // An answer that comes all the same must not end a span twice. And whoever holds a ticket holds the request, which holds us: one that
            // is cancelled does not answer, so nobody else would break that circle.
            defer { (state.spans, state.tickets) = ((nil, nil), (nil, nil)) }
            return ([state.tickets.owner, state.tickets.next].compactMap { $0 }, [state.spans.owner, state.spans.next].compactMap { $0 })
        }
        for span in spans { span.end() }
        for ticket in tickets { ticket.cancel() }
    }

    private func ask(_ peer: any PeerGetter, tag: Int, _ request: PeerRequest) {
        var request = request
        if let tracer = self.group.tracer { self.trace(peer, tag, tracer, &request) }
        guard let ticket = peer.start(request, tag: tag, for: self) else { return }
        // The answer may have come before the ticket, and the load may have been cancelled between the two.
        let isOfUse = self.state.withLockedValue { state in
            guard !state.core.hasEnded, state.core.isAsked(tag) else { return !state.core.isAsked(tag) }
            if tag == 0 { state.tickets.owner = ticket } else { state.tickets.next = ticket }
            return true
        }
        if !isOfUse { ticket.cancel() }
    }

    private func trace(_ peer: any PeerGetter, _ tag: Int, _ tracer: any Tracer, _ request: inout PeerRequest) {
        let span = tracer.startAnySpan("groupcache.peer.get", ofKind: .client)
        span.attributes["groupcache.group"] = request.group
        span.attributes["groupcache.peer"] = peer.id
        request.trace = PeerTrace(span.context, by: tracer)
        let hasEnded = self.state.withLockedValue { state in
            if state.core.hasEnded { return true }
            if tag == 0 { state.spans.owner = span } else { state.spans.next = span }
            return false
        }
        // Nobody would.
        if hasEnded { span.end() }
    }

    // MARK: Answers

    func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) {
        var error: GroupCacheError?
        if case .failure(let failure) = result, failure.code != .notFound { error = failure }
        let (action, other, span, otherSpan) = self.state.withLockedValue {
            state -> (PeerLoadState.Action, (any PeerTicket)?, (any Span)?, (any Span)?) in
            let action = error.map { state.core.failed(tag, isFinal: $0.isFinal) } ?? state.core.answered(tag)
            let other = tag == 0 ? state.tickets.next : state.tickets.owner
            let span = tag == 0 ? state.spans.owner : state.spans.next
            if tag == 0 { state.spans.owner = nil } else { state.spans.next = nil }
            var otherSpan: (any Span)?
            if case .land(cancelOther: true) = action {
                // Whoever is cancelled says nothing more.
                otherSpan = tag == 0 ? state.spans.next : state.spans.owner
                (state.spans, state.tickets) = ((nil, nil), (nil, nil))
            }
            if tag == 0 { state.tickets.owner = nil } else { state.tickets.next = nil }
            return (action, other, span, otherSpan)
        }
        if let span {
            if let error { span.recordError(error) }
            span.end()
        }
        otherSpan?.end()
        if let error, !error.isFinal { self.group.peerFailed(tag == 0 ? self.route.owner : self.route.next, error) }
        switch action {
        case .none: break
        case .askNext: self.askNext()
        case .fallBack: self.group.loadWithoutPeers(self)
        case .land(let cancelOther):
            if cancelOther { other?.cancel() }
            self.group.landRouted(self, result)
        }
    }

    func peerIsSlow(_ tag: Int) {
        if self.state.withLockedValue({ $0.core.slow(tag) }) == .askNext { self.askNext() }
    }

    private func askNext() {
        // Everybody may have left since that was decided.
        guard let next = self.route.next, !self.state.withLockedValue({ $0.core.hasEnded }) else { return }
        var request = self.request
        request.isRepeated = true
        self.ask(next, tag: 1, request)
    }
}

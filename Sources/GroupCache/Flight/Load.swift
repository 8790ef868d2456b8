// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import Tracing

/// One load: the job of one flight, from its beginning to its landing, wherever it is done.
///
/// Of a routed flight it is the whole of the work, without a task: it asks the owner, then the next owner, and gives what comes of it to the group.
/// A peer get is often a few microseconds away, and a task would cost as much again. Of a local flight it holds the task in which the group calls
/// the getter. It lives as long as somebody has yet to answer, or the flight can be cancelled.
final class Load: PeerCaller {
    private struct State {
        var core: PeerLoadState
        var tickets: (owner: (any PeerTicket)?, next: (any PeerTicket)?)
        /// Ends the work, where it is not a matter of tickets.
        var cancel: (@Sendable () -> Void)?
        /// The moment at which those who have an old value to fall back on wait no longer.
        var timer: Deadlines.Token?
        var isCancelled = false
        var hasEnded = false
    }

    let group: any LoadingGroup
    let flight: FlightID
    let kind: FlightKind
    let key: HashedKey
    let route: PeerRoute
    /// When it began, and when it has to end: milliseconds of the group's clock.
    let began: Int64
    let deadline: Int64
    /// The getter that wants it.
    let trail: Trail?
    /// The request for many keys that it is one of.
    let batch: BatchTurns?
    /// It has begun in the background, because an entry was found in this state.
    let refreshes: EntryState?
    /// A peer has asked for it, which takes this node for the owner or stands in for one that it cannot ask. Who has begun it here has asked the owner before.
    let isForPeer: Bool
    private let context: ServiceContext?
    /// Of the requests to peers; `nil`: nobody traces.
    private let spans: NIOLockedValueBox<Spans>?
    private let state: NIOLockedValueBox<State>

    private struct Spans {
        var owner: (any Span)?
        var next: (any Span)?
    }

    init(
        _ group: any LoadingGroup,
        _ flight: FlightID,
        _ kind: FlightKind,
        _ key: HashedKey,
        _ route: PeerRoute,
        began: Int64,
        deadline: Int64,
        trail: Trail?,
        batch: BatchTurns? = nil,
        refreshes: EntryState? = nil,
        isForPeer: Bool = false
    ) {
        self.group = group
        self.flight = flight
        self.kind = kind
        self.key = key
        self.route = route
        self.began = began
        self.deadline = deadline
        self.trail = trail
        self.batch = batch
        self.refreshes = refreshes
        self.isForPeer = isForPeer
        self.context = group.isTraced && refreshes == nil ? ServiceContext.current : nil
        let core = PeerLoadState(hasNext: kind.isRouted && route.next != nil)
        self.state = NIOLockedValueBox(State(core: core, tickets: (nil, nil)))
        self.spans = group.isTraced && kind != .local ? NIOLockedValueBox(Spans()) : nil
    }

    /// Begins the work.
    ///
    /// Inline only for who would else wait for it at once, and as long as it takes: a getter that answers without waiting then costs no change of
    /// threads. Not in a getter: a long chain of them would need as much stack.
    func start(_ place: Place = .elsewhere) { self.group.begin(self, place) }

    /// Where a load begins.
    enum Place {
        /// In the task of who wants it; it inherits that one's task-local values.
        case caller
        /// There, and up to its first wait in that one's thread.
        case inline
        /// Wherever something happened that it has waited for. It begins with the trail and the trace of who wanted it, and nothing else.
        case elsewhere
    }

    /// Whether there is nothing left to wait for.
    var hasEnded: Bool { self.state.withLockedValue { $0.hasEnded } }

    /// What is left of its time.
    func timeLeft(_ now: Int64) -> Duration { .milliseconds(max(0, self.deadline - now)) }

    /// Runs what is a part of this load in a task, with the trail and the trace of whoever began it.
    func inTask(_ place: Place = .elsewhere, _ body: @escaping @Sendable () async -> Void) {
        let task =
            switch place {
            case .inline: Task.immediate { await body() }
            case .caller: Task { await body() }
            case .elsewhere where self.refreshes != nil: Task.detached { await body() }
            case .elsewhere:
                Task.detached {
                    guard let context = self.context else { return await Trail.$current.withValue(self.trail) { await body() } }
                    await ServiceContext.withValue(context) { await Trail.$current.withValue(self.trail) { await body() } }
                }
            }
        self.onCancel { task.cancel() }
    }

    // MARK: Ending

    /// Says how the work is ended early. If that has been asked for already, it is done at once.
    func onCancel(_ cancel: @escaping @Sendable () -> Void) {
        let isLate = self.state.withLockedValue { state in
            if !state.isCancelled, !state.hasEnded { state.cancel = cancel }
            return state.isCancelled
        }
        if isLate { cancel() }
    }

    /// Sets the moment from which an old value has to do.
    func setTimer(_ timer: Deadlines.Token, of deadlines: Deadlines) {
        let hasEnded = self.state.withLockedValue { state in
            if !state.hasEnded { state.timer = timer }
            return state.hasEnded
        }
        if hasEnded { deadlines.cancel(timer) }
    }

    /// The flight has landed, or nobody waits for it any more: there is nothing left to wait for.
    ///
    /// What ends the work goes, too, for it may hold the work: one that is to be cancelled is cancelled before.
    func end(_ deadlines: Deadlines) {
        let (timer, cancel) = self.state.withLockedValue { state in
            state.hasEnded = true
            defer { (state.timer, state.cancel) = (nil, nil) }
            return (state.timer, state.cancel)
        }
        // It is let go without the lock, since it may be the last to hold somebody.
        withExtendedLifetime(cancel) {}
        if let timer { deadlines.cancel(timer) }
    }

    /// Nobody waits any more, or the load takes too long. The flight has been ended.
    func cancel() {
        let (tickets, cancel) = self.state.withLockedValue { state -> ([any PeerTicket], (@Sendable () -> Void)?) in
            state.isCancelled = true
            let cancel = state.cancel.take()
            guard state.core.cancel() else { return ([], cancel) }
            // Whoever holds a ticket holds the request, which holds us: one that is cancelled does not answer, so nobody else would break that
            // circle.
            defer { state.tickets = (nil, nil) }
            return ([state.tickets.owner, state.tickets.next].compactMap { $0 }, cancel)
        }
        self.endSpan(0, nil)
        self.endSpan(1, nil)
        for ticket in tickets { ticket.cancel() }
        cancel?()
    }

    // MARK: Asking peers

    /// Asks the owner.
    func ask() {
        if let owner = self.route.owner { self.ask(owner, tag: 0) }
    }

    private func askNext() {
        // Everybody may have left since that was decided.
        guard let next = self.route.next, !self.state.withLockedValue({ $0.core.hasEnded }) else { return }
        self.ask(next, tag: 1)
    }

    private func ask(_ peer: any PeerGetter, tag: Int) {
        var request = self.group.request(self)
        request.isRepeated = tag == 1
        if self.group.isTraced, let tracer = self.group.tracer { self.trace(peer, tag, tracer, &request) }
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
        let span = tracer.startAnySpan("groupcache.peer.get", context: self.context ?? .topLevel, ofKind: .client)
        span.describeGet(of: request.group, peer: peer.id)
        request.trace = PeerTrace(span.context, by: tracer)
        self.spans?.withLockedValue { if tag == 0 { $0.owner = span } else { $0.next = span } }
        // Whoever cancelled the load before this found no span to end.
        if self.state.withLockedValue({ $0.core.hasEnded }) { self.endSpan(tag, nil) }
    }

    // MARK: Answers

    func peerAnswered(_ tag: Int, _ result: Result<PeerEntry, GroupCacheError>) {
        var error: GroupCacheError?
        if case .failure(let failure) = result, failure.code != .notFound { error = failure }
        self.endSpan(tag, error)
        var other: (any PeerTicket)?
        let (action, isLate) = self.state.withLockedValue { state -> (PeerLoadState.Action, Bool) in
            let isLate = state.core.hasEnded
            let action = error.map { state.core.failed(tag, isFinal: $0.isFinal) } ?? state.core.answered(tag)
            if case .land(cancelOther: true) = action { other = tag == 0 ? state.tickets.next.take() : state.tickets.owner.take() }
            if tag == 0 { state.tickets.owner = nil } else { state.tickets.next = nil }
            return (action, isLate)
        }
        if let error, !error.isFinal, !isLate { self.group.peerFailed(tag == 0 ? self.route.owner : self.route.next, error) }
        switch action {
        case .none: break
        case .askNext: self.askNext()
        case .fallBack: self.group.loadWithoutPeers(self, because: error)
        case .land:
            if let other {
                // Whoever is cancelled says nothing more.
                other.cancel()
                self.endSpan(1 - tag, nil)
            }
            self.group.landRouted(self, result)
        }
    }

    private func endSpan(_ tag: Int, _ error: GroupCacheError?) {
        guard let span = self.spans?.withLockedValue({ tag == 0 ? $0.owner.take() : $0.next.take() }) else { return }
        if let error { span.recordError(error) }
        span.end()
    }

    func peerIsSlow(_ tag: Int) {
        if self.state.withLockedValue({ $0.core.slow(tag) }) == .askNext { self.askNext() }
    }
}

/// A group as its ``Load``s see it, whatever the type of its values.
protocol LoadingGroup: AnyObject, Sendable {
    /// Whether there is a ``tracer``.
    var isTraced: Bool { get }
    /// `nil`: nobody traces.
    var tracer: (any Tracer)? { get }
    /// Does what the load is for, or sends it on its way.
    func begin(_ load: Load, _ place: Load.Place)
    /// What a load asks of a peer.
    func request(_ load: Load) -> PeerRequest
    /// Ends a load with what a peer answered.
    func landRouted(_ load: Load, _ result: Result<PeerEntry, GroupCacheError>)
    /// Goes on when no peer could answer.
    func loadWithoutPeers(_ load: Load, because error: GroupCacheError?)
    /// A peer could not be asked.
    func peerFailed(_ peer: (any PeerGetter)?, _ error: GroupCacheError)
}

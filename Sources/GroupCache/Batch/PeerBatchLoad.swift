internal import NIOConcurrencyHelpers

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

        /// Returns what is to be cancelled: the request, when nothing is open and somebody has left without an answer.
        mutating func end(_ index: Int) -> (any PeerTicket)? {
            guard !self.isDone[index] else { return nil }
            self.isDone[index] = true
            self.open -= 1
            guard self.open == 0 else { return nil }
            // Whoever holds a ticket holds the request, which holds us.
            defer { self.ticket = nil }
            return self.isAbandoned ? self.ticket : nil
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
        self.state.withLockedValue { $0.end(tag) }?.cancel()
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
        let ticket = self.state.withLockedValue { state in
            if !state.isDone[index] { state.isAbandoned = true }
            return state.end(index)
        }
        ticket?.cancel()
    }
}

internal import GroupCache

/// Several requests that are cancelled together.
final class PeerTickets: PeerTicket {
    private let tickets: [any PeerTicket]

    init(_ tickets: [any PeerTicket]) { self.tickets = tickets }

    func cancel() { for ticket in self.tickets { ticket.cancel() } }
}

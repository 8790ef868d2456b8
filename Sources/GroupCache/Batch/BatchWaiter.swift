/// Waits for one key of many.
final class BatchWaiter: FlightWaiter {
    private let inbox: BatchInbox
    private let index: Int

    init(_ inbox: BatchInbox, _ index: Int) {
        self.inbox = inbox
        self.index = index
    }

    func finish(_ outcome: Flights.Outcome) { self.inbox.add(self.index, outcome) }
}

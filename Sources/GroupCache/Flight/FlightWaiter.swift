/// Somebody who wants the result of a load.
protocol FlightWaiter: AnyObject, Sendable {
    /// Hands over the result. Called once, outside all locks; must not block.
    func finish(_ outcome: Flights.Outcome)
}

/// One flight of those that share a call of the getter.
struct BatchFlight: Sendable {
    var id: FlightID
    var key: HashedKey
}

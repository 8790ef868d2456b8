/// Names one load in this process, for good.
struct FlightID: Hashable, Sendable {
    let number: UInt64
}

/// Names one caller that waits for a load.
struct WaiterID: Hashable, Sendable {
    let number: UInt64
}

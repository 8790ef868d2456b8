/// Some of the changes of a transaction could not be made.
public struct TransactionError: Error, CustomStringConvertible {
    /// The places in the transaction of the changes that have been made, in order.
    public var successfulIndices: [Int] = []
    /// The places of those that have not, and why.
    public var failures: [Int: any Error] = [:]

    /// No failure yet.
    public init() {}

    /// How many succeeded and how many failed.
    public var description: String { "\(self.failures.count) of \(self.failures.count + self.successfulIndices.count) changes failed" }
}

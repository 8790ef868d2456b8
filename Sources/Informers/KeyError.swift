/// A key could not be made for an object.
public struct KeyError: Error {
    /// Why.
    public var cause: any Error

    /// An error with `cause`.
    public init(cause: any Error) {
        self.cause = cause
    }
}

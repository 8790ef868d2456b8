/// Thrown by a consumer who wants to have the item once more, unless something newer about the same object has come by then.
public struct Requeue: Error {
    /// What `pop` is to throw; `nil`: nothing.
    public var cause: (any Error)?

    /// Puts the item back.
    public init(cause: (any Error)? = nil) {
        self.cause = cause
    }
}

/// What a handler of an informer has done, and has yet to do.
public struct HandlerStatistics: Sendable, Hashable {
    /// How many events wait for it.
    public var pending: Int
    /// How many events it has handled.
    public var handled: Int
    /// How many events it has thrown at.
    public var failed: Int
    /// How often too much waited, so that it was given all objects instead: ``InformerEvent/reset(_:)``.
    public var resets: Int
}

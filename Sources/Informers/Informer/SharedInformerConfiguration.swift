/// The settings of a ``SharedInformer``.
public struct SharedInformerConfiguration<Object: Sendable>: Sendable {
    /// How to follow the source. Of its resync settings only the jitter is used: ``defaultResyncPeriod`` is the period.
    public var reflector = ReflectorConfiguration()
    /// How often a handler that says nothing else is told everything once more; zero: never, and then no handler is.
    public var defaultResyncPeriod: Duration = .zero
    /// What to make of each object that comes from the source.
    public var transform: TransformFunction<Object>?
    /// Whether two states of an object are the same, so that handlers need not be told of a list that names it again. `nil`: they never are.
    public var isSame: (@Sendable (Object, Object) -> Bool)?
    /// How many objects may wait between the source and the store before the source is held back, at least 1.
    public var queueLimit = 65_536
    /// How long the removal of a handler waits for a callback that runs, before it is an error.
    public var removalLimit: Duration = .seconds(60)

    /// The usual settings.
    public init() {}
}

extension SharedInformerConfiguration where Object: Equatable {
    /// The usual settings, with ``isSame`` as equality.
    public init() {
        self.isSame = { $0 == $1 }
    }
}

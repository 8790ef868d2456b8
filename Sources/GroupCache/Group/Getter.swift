/// Loads the values of a group: from a database, a file, a computation.
///
/// For each key that nobody holds, one node of the cluster calls its getter once, however many callers wait. A getter may ask other
/// groups, and its own for other keys; asking for the key that it is loading is an error, ``GroupCacheError/Code/recursiveLoad``.
///
/// The call runs in a task of its own, which is cancelled when the last caller has gone or ``GroupConfiguration/loadTimeout`` is over.
public protocol Getter<Value>: Sendable {
    /// What the group caches.
    associatedtype Value: Sendable

    /// Loads one value.
    ///
    /// Whatever it throws reaches every waiting caller as the cause of a ``GroupCacheError/Code/getterFailed``, and is not remembered. To say that there
    /// is no such key, return ``Loaded/notFound(ttl:)`` or throw ``GroupCacheError/notFound``.
    func load(_ key: Key, context: LoadContext<Value>) async throws -> Loaded<Value>
}

/// A getter that can load many keys at once.
public protocol BatchGetter<Value>: Getter {
    /// Loads some values, for ``Group/get(keys:)``. A key that is absent from the result does not exist.
    func load(keys: [Key], context: LoadContext<Value>) async throws -> [Key: Loaded<Value>]
}

/// What a getter is told besides the key.
public struct LoadContext<Value: Sendable>: Sendable {
    /// The group's name.
    public var group: String
    /// The value that the group still holds, when this load is to replace it: answer ``Loaded/notModified(ttl:staleWhileRevalidate:staleIfError:)``
    /// if it is still right.
    public var previous: Value?
    /// How long the result is of use, from the moment the getter is called.
    public var timeout: Duration

    /// A context.
    public init(group: String, previous: Value? = nil, timeout: Duration) {
        self.group = group
        self.previous = previous
        self.timeout = timeout
    }
}

/// What a getter answers: a value and how long to keep it.
public struct Loaded<Value: Sendable>: Sendable {
    enum Outcome: Sendable {
        case value(Value)
        case notFound
        case notModified
    }

    var outcome: Outcome
    var ttl: Duration?
    var staleWhileRevalidate: Duration?
    var staleIfError: Duration?
    var cacheable = true

    /// A value. What is `nil` is as the group's configuration says.
    ///
    /// - Parameters:
    ///   - value: The value.
    ///   - ttl: How long it is fresh; ``Freshness/endless``: without end. Zero or less: it is stale at once.
    ///   - staleWhileRevalidate: How long after that it may be served while it is loaded anew.
    ///   - staleIfError: How long after that it may be served when loading it anew fails.
    ///   - cacheable: `false`: the callers who wait get the value, and nobody keeps it.
    public static func value(
        _ value: Value,
        ttl: Duration? = nil,
        staleWhileRevalidate: Duration? = nil,
        staleIfError: Duration? = nil,
        cacheable: Bool = true
    ) -> Self {
        Self(
            outcome: .value(value),
            ttl: ttl,
            staleWhileRevalidate: staleWhileRevalidate,
            staleIfError: staleIfError,
            cacheable: cacheable
        )
    }

    /// There is no such key, and that is to be remembered for `ttl`; `nil`: as the group's configuration says.
    public static func notFound(ttl: Duration? = nil) -> Self {
        Self(outcome: .notFound, ttl: ttl)
    }

    /// There is no such key.
    public static var notFound: Self { .notFound() }

    /// ``LoadContext/previous`` is still right, and fresh from now on.
    public static func notModified(
        ttl: Duration? = nil,
        staleWhileRevalidate: Duration? = nil,
        staleIfError: Duration? = nil
    ) -> Self {
        Self(outcome: .notModified, ttl: ttl, staleWhileRevalidate: staleWhileRevalidate, staleIfError: staleIfError)
    }

    /// ``LoadContext/previous`` is still right, and fresh from now on.
    public static var notModified: Self { .notModified() }
}

// SPDX-License-Identifier: Apache-2.0

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
    /// Loads some values, for ``Group/get(keys:)-(Collection<Key>)``. A key that is absent from the result does not exist.
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
        case failed(any Error, isAnswer: Bool)
    }

    var outcome: Outcome
    var ttl: Duration?
    var staleWhileRevalidate: Duration?
    var staleIfError: Duration?
    var cacheable = true
    /// How old the value is already: for the `Age` that clients are told. Does not shorten the `ttl`. Not negative.
    public var age: Duration = .zero
    /// How long after its time, and after its stale windows, the value is still held so that the getter can say ``notModified`` of it. Nobody is
    /// served it for that. Not negative; default: as long as its place is not needed.
    public var confirmable: Duration = .zero
    /// What is said of the value beside its bytes.
    public var attributes = EntryAttributes.none
    /// Beside those of the ``attributes``.
    var tags: [String] = []
    /// The value is ``LoadContext/previous`` with, perhaps, something else noted beside it: counts as "not modified".
    public var isConfirmation = false

    var confirms: Bool { if case .notModified = self.outcome { true } else { self.isConfirmation } }
    /// An answer, and not a good one.
    var isRefusal: Bool { if case .failed(_, true) = self.outcome { true } else { false } }
    /// How long a failure is remembered, if that is said.
    var failureTTL: Duration? { if case .failed = self.outcome { self.ttl } else { nil } }
    /// Whether a failure is to be remembered, if the getter has told of one.
    var isMemorable: Bool? {
        guard case .failed(_, let isAnswer) = self.outcome else { return nil }
        return !isAnswer || self.ttl ?? .seconds(1) > .zero
    }

    /// A value. What is `nil` is as the group's configuration says.
    ///
    /// - Parameters:
    ///   - value: The value.
    ///   - ttl: How long it is fresh; ``Freshness/endless``: without end. Zero or less: it is stale at once.
    ///   - staleWhileRevalidate: How long after that it may be served while it is loaded anew.
    ///   - staleIfError: How long after that it may be served when loading it anew fails.
    ///   - cacheable: `false`: the callers who wait get the value, and nobody keeps it.
    ///   - tags: By which the value can be removed together with others, with ``Group/remove(tag:soft:wait:)``: at most 8, each of 1 to 128 bytes.
    ///     With others the load fails with ``GroupCacheError/Code/invalidConfiguration``.
    public static func value(
        _ value: Value,
        ttl: Duration? = nil,
        staleWhileRevalidate: Duration? = nil,
        staleIfError: Duration? = nil,
        cacheable: Bool = true,
        tags: [String] = []
    ) -> Self {
        Self(
            outcome: .value(value),
            ttl: ttl,
            staleWhileRevalidate: staleWhileRevalidate,
            staleIfError: staleIfError,
            cacheable: cacheable,
            tags: tags
        )
    }

    /// There is no such key, and that is to be remembered for `ttl`; `nil`: as the group's configuration says.
    public static func notFound(ttl: Duration? = nil) -> Self {
        Self(outcome: .notFound, ttl: ttl)
    }

    /// There is an answer, and it is an error: unlike when the getter throws, nobody is served an old value in its stead, and what is held goes.
    ///
    /// - Parameters:
    ///   - error: What callers get as the cause of ``GroupCacheError/Code/getterFailed``.
    ///   - ttl: How long that is remembered; zero: not at all; `nil`: as ``Freshness/backOff`` says.
    public static func refused(_ error: any Error, ttl: Duration? = nil) -> Self {
        Self(outcome: .failed(error, isAnswer: true), ttl: ttl)
    }

    /// There is no answer, as when the getter throws `error`; but the key is left alone for `ttl`.
    ///
    /// - Parameters:
    ///   - error: What callers get as the cause of ``GroupCacheError/Code/getterFailed``.
    ///   - ttl: How long the getter is not called; `nil`: as ``Freshness/backOff`` says; zero: so, too, but not after the first failure in a row.
    public static func failed(_ error: any Error, ttl: Duration?) -> Self {
        Self(outcome: .failed(error, isAnswer: false), ttl: ttl)
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

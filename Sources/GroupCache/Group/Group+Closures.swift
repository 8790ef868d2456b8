// SPDX-License-Identifier: Apache-2.0

public import Logging

// Groups made of a closure, and groups that choose their codec.
//
// A closure returns a `Value?`, which a plain value becomes by itself, or a `Loaded<Value>`. Both would do for `{ _, _ in throw MyError() }`; so
// the second is disfavoured, and taken only for what the first cannot be.
extension Group {
    /// A group whose values `load` returns; `nil`: there is no such key.
    ///
    /// See ``init(_:capacity:configuration:peers:logger:codec:getter:)`` for the parameters.
    public convenience init(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        codec: some Codec<Value>,
        load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Value?
    ) throws(GroupCacheError) {
        try self.init(name, capacity, configuration, peers, logger, codec, ClosureGetter(load))
    }

    /// A group whose `load` says how long to keep what it returns: ``Loaded/value(_:ttl:staleWhileRevalidate:staleIfError:cacheable:tags:)``,
    /// ``Loaded/notFound(ttl:)``, ``Loaded/notModified(ttl:staleWhileRevalidate:staleIfError:)``.
    ///
    /// See ``init(_:capacity:configuration:peers:logger:codec:getter:)`` for the parameters.
    @_disfavoredOverload
    public convenience init(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        codec: some Codec<Value>,
        load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Loaded<Value>
    ) throws(GroupCacheError) {
        try self.init(name, capacity, configuration, peers, logger, codec, ClosureGetter(load))
    }
}

// Values that are `Codable` need no codec: text and bytes go as they are, everything else as JSON.
extension Group where Value: Codable {
    /// A group of `Codable` values that `getter` loads.
    ///
    /// See ``init(_:capacity:configuration:peers:logger:codec:getter:)`` for the parameters.
    public convenience init(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        getter: some Getter<Value>
    ) throws(GroupCacheError) {
        try self.init(name, capacity, configuration, peers, logger, standardCodec(), getter)
    }

    /// A group of `Codable` values that `load` returns; `nil`: there is no such key.
    ///
    /// See ``init(_:capacity:configuration:peers:logger:codec:getter:)`` for the parameters.
    public convenience init(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Value?
    ) throws(GroupCacheError) {
        try self.init(name, capacity, configuration, peers, logger, standardCodec(), ClosureGetter(load))
    }

    /// A group of `Codable` values whose `load` says how long to keep what it returns:
    /// ``Loaded/value(_:ttl:staleWhileRevalidate:staleIfError:cacheable:tags:)``, ``Loaded/notFound(ttl:)``,
    /// ``Loaded/notModified(ttl:staleWhileRevalidate:staleIfError:)``.
    ///
    /// See ``init(_:capacity:configuration:peers:logger:codec:getter:)`` for the parameters.
    @_disfavoredOverload
    public convenience init(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Loaded<Value>
    ) throws(GroupCacheError) {
        try self.init(name, capacity, configuration, peers, logger, standardCodec(), ClosureGetter(load))
    }
}

extension Group {
    /// For the compiler to say, before the program runs, what every initialiser says by an error: values are not optional.
    ///
    /// (An unavailable initialiser would not do: the compiler prefers any other one to it.)
    @available(*, deprecated, message: "values are not optional: leave out the ?, and return nil for a key that does not exist")
    public convenience init<Wrapped: Codable>(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        load: @escaping @Sendable (Key, LoadContext<Wrapped?>) async throws -> Wrapped?
    ) throws(GroupCacheError) where Value == Wrapped? {
        throw .optionalValues
    }
}

extension GroupCacheError {
    /// "There is no such key" comes back as `nil` to who asks for a `Value?`, and a value that is `nil` would, too.
    static let optionalValues = Self(
        .invalidConfiguration,
        "a group's values are not optional: a getter says with nil or notFound that a key does not exist"
    )
}

/// What `Optional` alone is.
protocol OptionalValue {}
extension Optional: OptionalValue {}

/// A getter made of a closure.
private struct ClosureGetter<Value: Sendable>: Getter {
    let body: @Sendable (Key, LoadContext<Value>) async throws -> Loaded<Value>

    init(_ body: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Value?) {
        self.body = { key, context in
            guard let value = try await body(key, context) else { return .notFound }
            return .value(value)
        }
    }

    init(_ body: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Loaded<Value>) { self.body = body }

    func load(_ key: Key, context: LoadContext<Value>) async throws -> Loaded<Value> {
        try await self.body(key, context)
    }
}

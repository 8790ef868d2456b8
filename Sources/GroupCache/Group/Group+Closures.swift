public import Logging

// Groups made of a closure. Values that are `Codable` need no codec: text and bytes go as they are, everything else as JSON.
extension Group {
    /// A group whose values `load` returns, or says what else there is to say of them.
    ///
    /// See ``init(_:capacity:configuration:peers:logger:codec:getter:)`` for the parameters.
    public convenience init(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        codec: some Codec<Value>,
        load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Loaded<Value>
    ) throws(GroupCacheError) {
        try self.init(name, capacity, configuration, peers, logger, codec, ClosureGetter(body: load))
    }

    /// A group whose values `load` returns.
    ///
    /// See ``init(_:capacity:configuration:peers:logger:codec:getter:)`` for the parameters.
    public convenience init(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        codec: some Codec<Value>,
        load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Value
    ) throws(GroupCacheError) {
        try self.init(name, capacity, configuration, peers, logger, codec, ClosureGetter { .value(try await load($0, $1)) })
    }
}

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
        try self.init(name, capacity, configuration, peers, logger, Self.standardCodec, getter)
    }

    /// A group of `Codable` values that `load` returns, or says what else there is to say of them.
    ///
    /// See ``init(_:capacity:configuration:peers:logger:codec:getter:)`` for the parameters.
    public convenience init(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Loaded<Value>
    ) throws(GroupCacheError) {
        try self.init(name, capacity, configuration, peers, logger, Self.standardCodec, ClosureGetter(body: load))
    }

    /// A group of `Codable` values that `load` returns.
    ///
    /// See ``init(_:capacity:configuration:peers:logger:codec:getter:)`` for the parameters.
    public convenience init(
        _ name: String,
        capacity: ByteCount,
        configuration: GroupConfiguration = GroupConfiguration(),
        peers: (any PeerPicker)? = nil,
        logger: Logger? = nil,
        load: @escaping @Sendable (Key, LoadContext<Value>) async throws -> Value
    ) throws(GroupCacheError) {
        let getter = ClosureGetter<Value> { .value(try await load($0, $1)) }
        try self.init(name, capacity, configuration, peers, logger, Self.standardCodec, getter)
    }

    /// Text goes as it is, everything else as JSON.
    private static var standardCodec: any Codec<Value> {
        // The cast holds whenever `Value` is `String`, and is how Swift spells a specialisation at run time.
        (StringCodec() as any Codec) as? any Codec<Value> ?? JSONCodec<Value>()
    }
}

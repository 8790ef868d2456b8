/// Another node, as a group asks it for values.
///
/// Every request to a peer is terminal: the peer answers from its cache or its getter and never asks a third node, so peer lists that
/// differ cannot make two nodes wait for each other.
public protocol PeerGetter: Sendable {
    /// The identity of the node in the ring.
    var id: String { get }

    /// Asks for the value of a key.
    ///
    /// - Throws: ``GroupCacheError``; ``GroupCacheError/Code/notFound``, ``GroupCacheError/Code/getterFailed``,
    ///   ``GroupCacheError/Code/codecFailed`` and ``GroupCacheError/Code/overloaded`` are the peer's word and final. Every other code
    ///   says that the peer could not be asked, and the caller goes on to the next owner.
    func get(_ request: PeerRequest) async throws(GroupCacheError) -> PeerEntry
    /// Stores a value at the peer.
    func set(_ request: PeerRequest, to entry: PeerEntry) async throws(GroupCacheError)
    /// Removes a value from the peer.
    func remove(_ request: PeerRequest) async throws(GroupCacheError)
}

/// What is asked of a peer.
public struct PeerRequest: Sendable {
    /// The group's name.
    public var group: String
    /// The key.
    public var key: Key
    /// How long the answer is of use; `nil`: as long as the pool allows. The rest of it crosses the wire.
    public var timeout: Duration?
    /// Load the value anew, even if a fresh one is cached.
    public var reload = false

    /// A request about `key` of `group`.
    public init(group: String, key: Key, timeout: Duration? = nil) {
        self.group = group
        self.key = key
        self.timeout = timeout
    }
}

/// A value as it crosses the wire.
public struct PeerEntry: Sendable {
    /// The encoded value.
    public var value: ByteView
    /// How much longer it is fresh; `nil`: without end.
    public var ttl: Duration?

    /// An entry that is fresh for `ttl`.
    public init(value: ByteView, ttl: Duration? = nil) {
        self.value = value
        self.ttl = ttl
    }
}

/// Turns the values of a group into bytes for the wire, and back.
///
/// A hit in the local cache needs neither: the store keeps values as they are. Peers and HTTP clients are sent ``encode(_:)``'s bytes.
public protocol Codec<Value>: Sendable {
    /// What the group caches.
    associatedtype Value: Sendable

    /// The bytes of `value`. What it throws reaches callers as ``GroupCacheError/Code/codecFailed``.
    func encode(_ value: Value) throws -> ByteView
    /// The value of `bytes`, which are a peer's and may be anything. What it throws reaches callers as
    /// ``GroupCacheError/Code/codecFailed``.
    func decode(_ bytes: ByteView) throws -> Value
    /// How much memory `value` holds, in bytes, for the capacity of the group: payload and what the value's own objects cost beyond
    /// it. The default says: as many as its encoded form.
    func size(of value: Value, encoded: ByteView) -> ValueSize
    /// The form of `value` to keep. The default keeps it as it is; a codec whose values may hold on to more memory than they show, such
    /// as slices of a receive buffer, makes an exact copy here.
    func stored(_ value: Value, encoded: ByteView) -> Value
}

/// What one value costs in memory, in bytes.
public struct ValueSize: Sendable, Hashable {
    /// The bytes of the value as its owner counts them.
    public var payload: Int
    /// Object headers, allocator slack and the like.
    public var overhead: Int

    /// A size of `payload` bytes that cost `overhead` bytes more.
    public init(payload: Int, overhead: Int = 0) {
        self.payload = payload
        self.overhead = overhead
    }
}

extension Codec {
    /// As many bytes as the encoded form.
    public func size(of value: Value, encoded: ByteView) -> ValueSize {
        ValueSize(payload: encoded.count, overhead: 0)
    }

    /// `value` itself.
    public func stored(_ value: Value, encoded: ByteView) -> Value { value }
}

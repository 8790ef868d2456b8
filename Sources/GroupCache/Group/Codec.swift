// SPDX-License-Identifier: Apache-2.0

/// Turns the values of a group into bytes for the wire, and back.
///
/// A hit in the local cache needs neither: the store keeps values as they are. Peers and HTTP clients are sent ``encode(_:)``'s bytes.
///
/// Text, bytes and anything that is `Codable` have a codec already: `.text`, `.raw` and `.json()`, of which a group of such values picks the
/// right one by itself. One of your own needs two functions:
///
/// ```swift
/// struct PointCodec: Codec {
///     func encode(_ point: Point) -> ByteView { ByteView("\(point.x) \(point.y)") }
///     func decode(_ bytes: ByteView) throws -> Point { try Point(bytes.string) }
/// }
/// ```
public protocol Codec<Value>: Sendable {
    /// What the group caches.
    associatedtype Value: Sendable

    /// The bytes of `value`. What it throws reaches callers as ``GroupCacheError/Code/codecFailed``. Equal values should have equal bytes: they
    /// make the `ETag`.
    func encode(_ value: Value) throws -> ByteView
    /// The value of `bytes`, which are a peer's and may be anything. What it throws reaches callers as
    /// ``GroupCacheError/Code/codecFailed``.
    func decode(_ bytes: ByteView) throws -> Value
    /// How much memory `value` holds, in bytes, for the capacity of the group, beyond `MemoryLayout<Value>.size`, which the group counts itself.
    /// Called once for each value that is kept, with what ``stored(_:)`` made of it.
    ///
    /// The default takes the length of the encoded form, and so encodes values that nobody else may ever ask for: a codec that can tell the size
    /// of a value by looking at it should.
    ///
    /// - Parameters:
    ///   - value: The value.
    ///   - encoded: Gives the encoded form, which is free if the value came as bytes.
    func size(of value: Value, encoded: () throws -> ByteView) throws -> ValueSize
    /// The form of `value` to keep. The default keeps it as it is; a codec whose values may hold on to more memory than they show, such
    /// as slices of a receive buffer, makes an exact copy here.
    func stored(_ value: Value) -> Value
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

    /// `count` bytes of content in a block of the heap that also holds `header` bytes of something else, and room for `capacity` of content.
    init(heap count: Int, header: Int, capacity: Int? = nil) {
        self.init(payload: count, overhead: MallocChunk.size(header + max(count, capacity ?? 0)) - count)
    }
}

extension Codec {
    /// As many bytes as the encoded form.
    public func size(of value: Value, encoded: () throws -> ByteView) throws -> ValueSize {
        ValueSize(payload: try encoded().count)
    }

    /// `value` itself.
    public func stored(_ value: Value) -> Value { value }
}

/// The codec of a group of `Codable` values that names none: text and bytes go as they are, everything else as JSON.
func standardCodec<Value: Codable & Sendable>() -> any Codec<Value> {
    // A cast that holds for one type is how Swift spells a specialisation at run time.
    let known: [any Codec] = [StringCodec(), RawCodec(), ByteBufferCodec(), ByteArrayCodec()]
    for codec in known {
        if let codec = codec as? any Codec<Value> { return codec }
    }
    return JSONCodec<Value>()
}

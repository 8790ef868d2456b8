// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// Caches bytes as they are.
public struct RawCodec: Codec {
    /// The codec of bytes.
    public init() {}
    /// `value` itself.
    public func encode(_ value: ByteView) -> ByteView { value }
    /// `bytes` itself.
    public func decode(_ bytes: ByteView) -> ByteView { bytes }
    /// The bytes and what their allocation costs.
    public func size(of value: ByteView, encoded: () throws -> ByteView) -> ValueSize {
        ValueSize(payload: value.count, overhead: ByteView.overhead(count: value.count))
    }
}

extension Codec where Self == RawCodec {
    /// Caches bytes as they are.
    public static var raw: RawCodec { RawCodec() }
}

/// Caches `[UInt8]`s as they are.
public struct ByteArrayCodec: Codec {
    /// The codec of byte arrays.
    public init() {}
    /// A copy of the bytes.
    public func encode(_ value: [UInt8]) -> ByteView { ByteView(value) }
    /// A copy of the bytes.
    public func decode(_ bytes: ByteView) -> [UInt8] { bytes.bytes }
    /// An array with room for these bytes and not many more: one that has grown may have room for twice as many.
    public func stored(_ value: [UInt8]) -> [UInt8] {
        if value.capacity - value.count < 32 { return value }
        return [UInt8](unsafeUninitializedCapacity: value.count) { target, count in
            (_, count) = target.initialize(from: value)
        }
    }
    /// The bytes and their array; nothing for an empty one, which Swift has once.
    public func size(of value: [UInt8], encoded: () throws -> ByteView) -> ValueSize {
        value.isEmpty ? ValueSize(payload: 0) : ValueSize(heap: value.count, header: 32, capacity: value.capacity)
    }
}

extension Codec where Self == ByteArrayCodec {
    /// Caches bytes as they are.
    public static var raw: ByteArrayCodec { ByteArrayCodec() }
}

/// Caches `ByteBuffer`s, each with its index at the first of the bytes that it has: what is stored never keeps a larger buffer alive.
public struct ByteBufferCodec: Codec {
    /// The codec of byte buffers.
    public init() {}
    /// A copy of the readable bytes.
    public func encode(_ value: ByteBuffer) -> ByteView { ByteView(value.readableBytesView) }
    /// A buffer with a copy of the bytes.
    public func decode(_ bytes: ByteView) -> ByteBuffer {
        bytes.withUnsafeBytes { ByteBuffer(bytes: $0) }
    }
    /// A buffer of its own for the readable bytes, unless `value` is one. (What a buffer allocates is the next power of two.)
    public func stored(_ value: ByteBuffer) -> ByteBuffer {
        value.storageCapacity <= 2 * value.readableBytes && value.readerIndex == 0 ? value : ByteBuffer(bytes: value.readableBytesView)
    }
    /// The bytes, the buffer's storage object and all of its block of memory.
    public func size(of value: ByteBuffer, encoded: () throws -> ByteView) -> ValueSize {
        var size = ValueSize(heap: value.readableBytes, header: 0, capacity: value.storageCapacity)
        size.overhead += 96
        return size
    }
}

extension Codec where Self == ByteBufferCodec {
    /// Caches bytes as they are.
    public static var raw: ByteBufferCodec { ByteBufferCodec() }
}

/// Caches text; on the wire it is UTF-8.
public struct StringCodec: Codec {
    /// The codec of text.
    public init() {}
    /// The UTF-8 bytes.
    public func encode(_ value: String) -> ByteView { ByteView(value) }
    /// The text of UTF-8 bytes. Throws ``GroupCacheError/Code/codecFailed`` if they are not.
    public func decode(_ bytes: ByteView) throws -> String {
        guard let text = bytes.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) else {
            throw GroupCacheError(.codecFailed, "the value is not UTF-8")
        }
        return text
    }
    /// A copy of exactly as many bytes as there are: text that was put together may have room for twice as many.
    public func stored(_ value: String) -> String {
        if value.utf8.count <= 15 { return value }
        return value.utf8.withContiguousStorageIfAvailable { String(decoding: $0, as: UTF8.self) } ?? value
    }
    /// The bytes and their object. Up to 15 bytes lie in the `String` itself, which the group has counted.
    public func size(of value: String, encoded: () throws -> ByteView) -> ValueSize {
        let count = value.utf8.count
        return count <= 15 ? ValueSize(payload: count, overhead: -count) : ValueSize(heap: count, header: 32 + 1)
    }
}

extension Codec where Self == StringCodec {
    /// Caches text; on the wire it is UTF-8.
    public static var text: StringCodec { StringCodec() }
}

// In JSON, bytes are a base64 string, as those of a `ByteBuffer`.
extension ByteView: Codable {
    /// Bytes as `ByteBuffer` encodes them.
    public func encode(to encoder: any Encoder) throws {
        try self.withUnsafeBytes { try ByteBuffer(bytes: $0).encode(to: encoder) }
    }

    /// Bytes as `ByteBuffer` encodes them.
    public init(from decoder: any Decoder) throws {
        self.init(try ByteBuffer(from: decoder).readableBytesView)
    }
}

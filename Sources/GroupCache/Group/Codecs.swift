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
    public func size(of value: ByteView, encoded: ByteView) -> ValueSize {
        ValueSize(payload: encoded.count, overhead: ByteView.overhead(count: encoded.count))
    }
}

extension Codec where Self == RawCodec {
    /// Caches bytes as they are.
    public static var raw: RawCodec { RawCodec() }
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
    /// The bytes, and the string object when the text is longer than the 15 bytes that a `String` holds inline.
    public func size(of value: String, encoded: ByteView) -> ValueSize {
        let count = encoded.count
        return ValueSize(payload: count, overhead: count <= 15 ? -count : MallocChunk.size(32 + count + 1) - count)
    }
}

/// Caches `ByteBuffer`s, each with its index at the first of exactly as many bytes as it has: what is stored never keeps a larger buffer
/// alive.
public struct ByteBufferCodec: Codec {
    /// The codec of byte buffers.
    public init() {}
    /// A copy of the readable bytes.
    public func encode(_ value: ByteBuffer) -> ByteView { ByteView(value.readableBytesView) }
    /// A buffer with a copy of the bytes.
    public func decode(_ bytes: ByteView) -> ByteBuffer {
        bytes.withUnsafeBytes { ByteBuffer(bytes: $0) }
    }
    /// A buffer of its own for exactly these bytes.
    public func stored(_ value: ByteBuffer, encoded: ByteView) -> ByteBuffer { self.decode(encoded) }
    /// The bytes, the buffer's storage object and its block of memory.
    public func size(of value: ByteBuffer, encoded: ByteView) -> ValueSize {
        ValueSize(payload: encoded.count, overhead: 96 + MallocChunk.size(encoded.count) - encoded.count)
    }
}

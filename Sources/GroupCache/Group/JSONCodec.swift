// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Caches `Codable` values; on the wire they are JSON (RFC 8259).
///
/// Values are encoded when a peer or an HTTP client asks for them, not when they are cached: one that JSON cannot say, such as a `Double` that is not
/// a number, is a value for this node's callers, and ``GroupCacheError/Code/codecFailed`` for all others.
///
/// This file alone needs FoundationEssentials, for its JSON coder; nothing on the way to a hit does.
public struct JSONCodec<Value: Codable & Sendable>: Codec {
    // Both may be used from many threads at once.
    private let encoder = JSONEncoder()
    private let decoder = JSONDecoder()

    /// The codec of `Value`.
    public init() {
        self.encoder.outputFormatting = [.sortedKeys]
    }

    /// The value as JSON, with sorted keys: equal values have equal bytes, and so equal ETags.
    public func encode(_ value: Value) throws -> ByteView {
        ByteView(try self.encoder.encode(value))
    }

    /// The value of JSON bytes.
    public func decode(_ bytes: ByteView) throws -> Value {
        try bytes.withUnsafeBytes { try self.decoder.decode(Value.self, from: Data($0)) }
    }

    /// What the value's strings, arrays and dictionaries hold in memory, found by walking over what its `encode(to:)` shows: a twentieth of the
    /// time of making JSON of it. The payload is the bytes of its numbers and texts.
    ///
    /// It does not see what a value does not encode, nor what objects of classes cost beyond their properties.
    public func size(of value: Value, encoded: () throws -> ByteView) throws -> ValueSize {
        try ValueSize(walking: value)
    }
}

extension Codec {
    /// Caches `Codable` values; on the wire they are JSON.
    public static func json<V>() -> Self where Self == JSONCodec<V> { JSONCodec() }
}

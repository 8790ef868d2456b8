#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Caches `Codable` values; on the wire they are JSON (RFC 8259).
///
/// This file alone needs FoundationEssentials, for its JSON coder; nothing on the way to a hit does.
public struct JSONCodec<Value: Codable & Sendable>: Codec {
    /// The codec of `Value`.
    public init() {}

    /// The value as JSON, with sorted keys: equal values have equal bytes, and so equal ETags.
    public func encode(_ value: Value) throws -> ByteView {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return ByteView(try encoder.encode(value))
    }

    /// The value of JSON bytes.
    public func decode(_ bytes: ByteView) throws -> Value {
        try bytes.withUnsafeBytes { try JSONDecoder().decode(Value.self, from: Data($0)) }
    }
}

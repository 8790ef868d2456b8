// SPDX-License-Identifier: Apache-2.0

/// The name of one value in a group: bytes, compared byte for byte.
///
/// A key is usually text, but nothing is normalised: `"é"` composed and `"é"` decomposed are two keys, as they are to every other
/// member of the groupcache family. Keys that came from a peer or over HTTP may hold bytes that are not valid UTF-8.
///
/// An empty key, or one longer than ``maximumLength``, is refused by every verb of ``Group`` with a ``GroupCacheError``.
public struct Key: Sendable, Hashable, ExpressibleByStringLiteral {
    /// The longest key that a group accepts, in bytes.
    public static let maximumLength = 4096

    /// The bytes of the key.
    public let bytes: [UInt8]

    /// A key of the UTF-8 bytes of `string`.
    public init(_ string: String) {
        self.bytes = Array(string.utf8)
    }

    /// A key of any bytes.
    public init(bytes: some Sequence<UInt8>) {
        self.bytes = Array(bytes)
    }

    /// A key of the UTF-8 bytes of a literal.
    public init(stringLiteral value: String) {
        self.init(value)
    }

    /// Feeds the bytes to `hasher`, all at once.
    public func hash(into hasher: inout Hasher) {
        self.bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }

    /// The key as text. Bytes that are not valid UTF-8 become U+FFFD; use ``bytes`` where that matters.
    public var string: String {
        String(decoding: self.bytes, as: UTF8.self)
    }

    /// Why a group would refuse this key, if it would.
    public var error: GroupCacheError? {
        if self.bytes.isEmpty { return .emptyKey }
        if self.bytes.count > Self.maximumLength { return .keyTooLong }
        return nil
    }
}

extension Key: CustomStringConvertible, CustomDebugStringConvertible {
    /// The length only: keys may be personal data and stay out of logs.
    public var description: String { "Key(\(self.bytes.count) bytes)" }
    /// The length only, as in ``description``.
    public var debugDescription: String { self.description }
}

/// A key with the hash that it was given once, which its group's table, flights and shards all use.
struct HashedKey: Sendable, Equatable {
    var key: Key
    var hash: UInt64

    static func == (one: HashedKey, other: HashedKey) -> Bool { one.hash == other.hash && one.key == other.key }
}

// SPDX-License-Identifier: Apache-2.0

/// A name that several entries of a group share, so that they can be removed together: 1 to 128 bytes, compared byte for byte.
package struct EntryTag: Sendable, Hashable {
    /// The longest tag, in bytes.
    package static let maximumLength = 128
    /// How many tags a value can have.
    package static let maximumCount = 8

    /// The bytes.
    package let bytes: [UInt8]

    /// A tag of these bytes; `nil` if there are none, or too many.
    package init?(bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes.prefix(Self.maximumLength + 1))
        guard (1...Self.maximumLength).contains(bytes.count) else { return nil }
        self.bytes = bytes
    }

    /// A tag of the UTF-8 bytes of `string`.
    package init?(_ string: String) { self.init(bytes: string.utf8) }

    /// Feeds the bytes to `hasher`, all at once.
    package func hash(into hasher: inout Hasher) {
        self.bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }

    /// By which floors know the tag: the hash of its bytes, which differs from process to process. Two tags with one number are removed together,
    /// which costs loads and never a wrong value.
    var number: UInt64 { XXH64.hash(self.bytes.span, seed: Self.seed) }

    /// The ``number`` of the tag that `text` is.
    static func number(of text: String) -> UInt64 { XXH64.hash(text.utf8.span, seed: self.seed) }

    private static let seed = UInt64.random(in: .min ... .max)

    /// The tags of a value: each once.
    ///
    /// - Throws: ``GroupCacheError/Code/invalidConfiguration`` if there are too many, or one is empty or too long.
    package static func list(_ names: [String]) throws(GroupCacheError) -> [EntryTag] {
        var tags: [EntryTag] = []
        for name in names {
            guard let tag = EntryTag(name) else { throw .invalidTags }
            if tags.contains(tag) { continue }
            guard tags.count < self.maximumCount else { throw .invalidTags }
            tags.append(tag)
        }
        return tags
    }
}

extension GroupCacheError {
    static let invalidTags = Self(
        .invalidConfiguration,
        "a value has at most \(EntryTag.maximumCount) tags, and a tag has 1 to \(EntryTag.maximumLength) bytes"
    )
}

// SPDX-License-Identifier: Apache-2.0

/// What a value is recognised by: the hash of its encoded bytes, which is the same on every node and after every restart. Over HTTP it is the ETag.
public struct EntityTag: Sendable, Hashable, LosslessStringConvertible {
    /// XXH64 of the bytes.
    package let hash: UInt64

    package init(hash: UInt64) { self.hash = hash }

    /// The tag of a value with these bytes. O(bytes).
    public init(of bytes: ByteView) {
        self.hash = bytes.withSpan { XXH64.hash($0) }
    }

    /// The tag that gave this text: 16 hexadecimal digits in lower case, with or without quotes around them; `nil`: none can have.
    public init?(_ description: String) {
        var digits = Substring(description)
        if digits.hasPrefix("\""), digits.hasSuffix("\""), digits.count >= 2 { digits = digits.dropFirst().dropLast() }
        let isHexadecimal = digits.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
        guard digits.utf8.count == 16, isHexadecimal, let hash = UInt64(digits, radix: 16) else { return nil }
        self.hash = hash
    }

    /// 16 hexadecimal digits between quotes, as HTTP has them.
    public var description: String {
        let digits = String(self.hash, radix: 16)
        return "\"" + String(repeating: "0", count: 16 - digits.utf8.count) + digits + "\""
    }
}

/// What has to be so for a set or a remove to be carried out: see ``Group/set(_:to:ttl:tags:if:)-(Key,_,_,_,_)``.
///
/// The key's owner compares and changes in one step. It compares with what it would serve: with an entry that is past its time but may still be
/// served, too, and not with one that is only kept for the case that a load fails. "There is no such key" counts as nothing.
public struct ChangeCondition: Sendable, Hashable {
    package enum Base: Sendable, Hashable {
        case absent
        case present
        case matching([EntityTag])
        case differing([EntityTag])
    }

    package let base: Base

    package init(_ base: Base) { self.base = base }

    /// The owner has no value of the key: of several who set it at the same time, one does.
    public static let absent = Self(.absent)
    /// The owner has a value of the key, whichever.
    public static let present = Self(.present)
    /// The owner's value is the one with this tag, which ``Group/tag(of:)`` tells: compare and set.
    public static func matching(_ tag: EntityTag) -> Self { Self(.matching([tag])) }
    /// The owner's value is one of those with these tags.
    public static func matching(_ tags: [EntityTag]) -> Self { Self(.matching(tags)) }
    /// The owner has no value, or one with none of these tags.
    public static func differing(from tags: [EntityTag]) -> Self { Self(.differing(tags)) }

    /// Whether it depends on which value there is.
    var comparesTags: Bool {
        switch self.base {
        case .absent, .present: false
        case .matching, .differing: true
        }
    }

    /// Whether it holds where there is a value or not.
    ///
    /// - Parameter tag: of that value; not looked at unless ``comparesTags``.
    func holds(isThere: Bool, _ tag: EntityTag?) -> Bool {
        switch self.base {
        case .absent: !isThere
        case .present: isThere
        case .matching(let tags): isThere && tag.map { tags.contains($0) } ?? false
        case .differing(let tags): !isThere || !(tag.map { tags.contains($0) } ?? false)
        }
    }
}

/// What a set has come to.
public enum SetOutcome: Sendable, Hashable {
    /// There was no value of the key before.
    case created
    /// The value took the place of another.
    case replaced
    /// The owner does not say which.
    case unknown
}

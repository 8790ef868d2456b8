// SPDX-License-Identifier: Apache-2.0

/// What is said of a value beside its bytes, as it crosses the wire: never a part of the value.
///
/// Most values have none, which costs a pointer and no memory of its own. Copies share what there is.
public struct EntryAttributes: Sendable, Hashable {
    private struct Parts: Hashable {
        var contentType: String?
        var directives: String?
        var tags: [String]
        var lastModified: String?
        var date: Int64?
    }

    private final class Storage: Sendable {
        let parts: Parts
        init(_ parts: Parts) { self.parts = parts }
    }

    private let storage: Storage?

    /// How large all of it may be: the bytes of the texts, with two more for each tag. Every way to a peer has room for so much in one request.
    public static let maximumSize = 2_048
    /// The moments that a ``date`` can be: from the second after 1970 began to the last second of the year 9999.
    public static let dates: ClosedRange<Int64> = 1...253_402_300_799

    /// Nothing.
    public static let none = Self(storage: nil)

    private init(storage: Storage?) { self.storage = storage }

    /// - Parameters:
    ///   - contentType: the media type; `nil` and empty: none.
    ///   - directives: what caches are to do with the value, as text; `nil` and empty: nothing.
    ///   - tags: any text.
    ///   - lastModified: when whoever made the value has changed it last, as text; `nil` and empty: that is not said.
    ///   - date: when whoever made the value has sent it, by their own clock, in seconds since 1970; one of ``dates``.
    /// - Throws: ``GroupCacheError/Code/invalidConfiguration``: it is larger than ``maximumSize``, the date is none of ``dates``, or a text but for
    ///   the tags is not printable ASCII without a space at either end, which is what a header of HTTP can carry.
    public init(
        contentType: String? = nil,
        directives: String? = nil,
        tags: [String] = [],
        lastModified: String? = nil,
        date: Int64? = nil
    ) throws(GroupCacheError) {
        let parts = Parts(
            contentType: try Self.text(contentType),
            directives: try Self.text(directives),
            tags: tags,
            lastModified: try Self.text(lastModified),
            date: date
        )
        let texts = [parts.contentType, parts.directives, parts.lastModified].reduce(0) { $0 + ($1?.utf8.count ?? 0) }
        guard tags.reduce(texts, { $0 + $1.utf8.count + 2 }) <= Self.maximumSize else {
            throw GroupCacheError(.invalidConfiguration, "a value has more attributes than cross the wire")
        }
        if let date, !Self.dates.contains(date) {
            throw GroupCacheError(.invalidConfiguration, "a date is a moment from 1970 to the end of the year 9999")
        }
        self.storage = texts == 0 && tags.isEmpty && date == nil ? nil : Storage(parts)
    }

    /// What it takes of the capacity; copies count each for themselves.
    package var footprint: Int {
        guard let parts = self.storage?.parts else { return 0 }
        func text(_ text: String?) -> Int { text.map { $0.utf8.count > 15 ? MallocChunk.size(32 + $0.utf8.count + 1) : 0 } ?? 0 }
        let tags = parts.tags.isEmpty ? 0 : MallocChunk.size(32 + 16 * parts.tags.count)
        return MallocChunk.size(16 + MemoryLayout<Parts>.stride) + text(parts.contentType) + text(parts.directives)
            + text(parts.lastModified) + parts.tags.reduce(tags) { $0 + text($1) }
    }

    private static func text(_ text: String?) throws(GroupCacheError) -> String? {
        guard let text, let first = text.utf8.first, let last = text.utf8.last else { return nil }
        let space = UInt8(ascii: " ")
        guard first != space, last != space, text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw GroupCacheError(.invalidConfiguration, "a content type, directives and a last modification are printable ASCII")
        }
        return text
    }

    /// Whether nothing is said.
    public var isNone: Bool { self.storage == nil }
    /// The media type.
    public var contentType: String? { self.storage?.parts.contentType }
    /// What whoever made the value stated for the caches behind this one: a `Cache-Control` list without its `max-age` and `s-maxage`, for which
    /// the entry's own age and time stand, and without what is to be done here alone. It has a `max-age` only where private caches were given
    /// another time than shared ones: then the entry's is the `s-maxage`.
    public var directives: String? { self.storage?.parts.directives }
    /// By which the value can be removed together with others: see ``Group/remove(tag:soft:wait:)``.
    public var tags: [String] { self.storage?.parts.tags ?? [] }
    /// When whoever made the value has changed it last, in their words: clients that send it back in `If-Modified-Since` have to find it as it was.
    public var lastModified: String? { self.storage?.parts.lastModified }
    /// When whoever made the value has sent it, by their own clock, in seconds since 1970. It is handed on and compared with no clock of a node.
    public var date: Int64? { self.storage?.parts.date }
    var hasTags: Bool { self.storage.map { !$0.parts.tags.isEmpty } ?? false }

    /// The same, with these tags beside those that there are.
    ///
    /// - Throws: ``GroupCacheError/Code/invalidConfiguration``: they are too many, one is empty or too long, or all together are too much.
    package func adding(tags: [String]) throws(GroupCacheError) -> Self {
        if tags.isEmpty { return self }
        var parts = self.storage?.parts ?? Parts(contentType: nil, directives: nil, tags: [])
        parts.tags = try EntryTag.list(parts.tags + tags).map { String(decoding: $0.bytes, as: UTF8.self) }
        let texts = [parts.contentType, parts.directives, parts.lastModified].reduce(0) { $0 + ($1?.utf8.count ?? 0) }
        guard parts.tags.reduce(texts, { $0 + $1.utf8.count + 2 }) <= Self.maximumSize else { throw .invalidTags }
        return Self(storage: Storage(parts))
    }

    /// Whether both say the same.
    public static func == (a: Self, b: Self) -> Bool { a.storage === b.storage || a.storage?.parts == b.storage?.parts }
    /// Feeds what is said to `hasher`.
    public func hash(into hasher: inout Hasher) { hasher.combine(self.storage?.parts) }
}

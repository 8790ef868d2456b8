// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// What a message of a link says of a value beside its bytes. Few values have any of it, so it is read only by who wants it.
struct LinkAttributes: Equatable {
    /// Any bytes, decoded as UTF-8.
    var contentType = ""
    var directives = ""
    var tags: [String] = []
    var lastModified = ""
    /// Seconds since 1970; 0: that is not said.
    var date: UInt64 = 0

    init(contentType: String = "", directives: String = "", tags: [String] = [], lastModified: String = "", date: UInt64 = 0) {
        self.contentType = contentType
        self.directives = directives
        self.tags = tags
        self.lastModified = lastModified
        self.date = date
    }

    /// `nil`: there are none.
    init?(_ attributes: EntryAttributes) {
        guard !attributes.isNone else { return nil }
        self.init(
            contentType: attributes.contentType ?? "",
            directives: attributes.directives ?? "",
            tags: attributes.tags,
            lastModified: attributes.lastModified ?? "",
            date: UInt64(max(0, attributes.date ?? 0))
        )
    }

    /// - Parameter slice: of a field that ``LinkReader`` has been over.
    /// - Returns: `nil`: there are none.
    init?(_ slice: LinkSlice, _ bytes: Span<UInt8>) {
        guard !slice.isEmpty, slice.range.upperBound <= bytes.count else { return nil }
        var cursor = LinkCursor(slice.range)
        do throws(LinkFault) {
            while !cursor.isAtEnd {
                let tag = try cursor.varint(bytes)
                switch tag {
                case LinkTag.contentType: self.contentType = bytes.string(try cursor.bytes(bytes))
                case LinkTag.directives: self.directives = bytes.string(try cursor.bytes(bytes))
                case LinkTag.tags: self.tags.append(bytes.string(try cursor.bytes(bytes)))
                case LinkTag.lastModified: self.lastModified = bytes.string(try cursor.bytes(bytes))
                case LinkTag.date: self.date = try cursor.varint(bytes)
                default: try cursor.skip(tag, known: LinkTag.lastOfAttributes, bytes)
                }
            }
        } catch {
            // Only other bytes than those can bring one here.
            return nil
        }
        // All of it may have been of a later version.
        if self == LinkAttributes() { return nil }
    }

    /// Steps over a field of attributes, which has to be well formed even if nobody looks at it.
    static func check(_ range: Range<Int>, _ bytes: Span<UInt8>) throws(LinkFault) {
        var cursor = LinkCursor(range)
        while !cursor.isAtEnd {
            let tag = try cursor.varint(bytes)
            switch tag {
            case LinkTag.contentType, LinkTag.directives, LinkTag.tags, LinkTag.lastModified: _ = try cursor.bytes(bytes)
            case LinkTag.date: _ = try cursor.varint(bytes)
            default: try cursor.skip(tag, known: LinkTag.lastOfAttributes, bytes)
            }
        }
    }

    /// How many bytes it takes on the wire, without its own tag and length.
    var count: Int {
        let texts = [self.contentType, self.directives, self.lastModified].reduce(0) { $0 + LinkSize.field(count: $1.utf8.count) }
        return self.tags.reduce(texts + LinkSize.field(self.date)) { $0 + LinkSize.element(count: $1.utf8.count) }
    }

    /// What a peer has said, if a value can have it.
    var ofEntry: EntryAttributes {
        // A date that is none is as good as not said.
        let date = Int64(exactly: self.date).flatMap { EntryAttributes.dates.contains($0) ? $0 : nil }
        let all = try? EntryAttributes(
            contentType: self.contentType,
            directives: self.directives,
            tags: self.tags,
            lastModified: self.lastModified,
            date: date
        )
        return all ?? .none
    }
}

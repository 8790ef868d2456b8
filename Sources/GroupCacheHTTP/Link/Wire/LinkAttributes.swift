internal import GroupCache

/// What a message of a link says of a value beside its bytes. Few values have any of it, so it is read only by who wants it.
struct LinkAttributes: Equatable {
    /// Any bytes, decoded as UTF-8.
    var contentType = ""
    var directives = ""
    var tags: [String] = []

    init(contentType: String = "", directives: String = "", tags: [String] = []) {
        self.contentType = contentType
        self.directives = directives
        self.tags = tags
    }

    /// `nil`: there are none.
    init?(_ attributes: EntryAttributes) {
        guard !attributes.isNone else { return nil }
        self.init(contentType: attributes.contentType ?? "", directives: attributes.directives ?? "", tags: attributes.tags)
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
            case LinkTag.contentType, LinkTag.directives, LinkTag.tags: _ = try cursor.bytes(bytes)
            default: try cursor.skip(tag, known: LinkTag.lastOfAttributes, bytes)
            }
        }
    }

    /// How many bytes it takes on the wire, without its own tag and length.
    var count: Int {
        self.tags.reduce(LinkSize.field(count: self.contentType.utf8.count) + LinkSize.field(count: self.directives.utf8.count)) {
            $0 + LinkSize.element(count: $1.utf8.count)
        }
    }

    /// What a peer has said, if a value can have it.
    var ofEntry: EntryAttributes {
        (try? EntryAttributes(contentType: self.contentType, directives: self.directives, tags: self.tags)) ?? .none
    }
}

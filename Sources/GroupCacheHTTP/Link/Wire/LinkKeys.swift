// SPDX-License-Identifier: Apache-2.0

/// The keys of a get of many, found one after the other. A value: a copy begins anew where the original stood.
struct LinkKeys: Hashable, Sendable {
    /// Where to look: from the tag of the first key to the end of the request.
    private var fields: LinkSlice
    /// How many there are from here on.
    private(set) var count: Int

    init() {
        self.fields = LinkSlice()
        self.count = 0
    }

    init(fields: Range<Int>, count: Int) {
        self.fields = LinkSlice(fields)
        self.count = count
    }

    var isEmpty: Bool { self.count == 0 }

    /// Where the next key lies; `nil` after the last.
    ///
    /// - Parameter bytes: the message that the request was read from.
    mutating func next(_ bytes: Span<UInt8>) -> Range<Int>? {
        guard self.count > 0 else { return nil }
        if let (key, rest) = self.first(bytes) {
            self.count -= 1
            self.fields = rest
            return key
        }
        // The reader has been over these bytes: only other bytes than those can bring one here.
        self.count = 0
        return nil
    }

    /// The first key, and where the others are.
    private func first(_ bytes: Span<UInt8>) -> (key: Range<Int>, rest: LinkSlice)? {
        let range = self.fields.range
        guard range.upperBound <= bytes.count else { return nil }
        var cursor = LinkCursor(range)
        do throws(LinkFault) {
            while !cursor.isAtEnd {
                let tag = try cursor.varint(bytes)
                if tag == LinkTag.requestKeys {
                    let key = try cursor.bytes(bytes)
                    return (key, LinkSlice(cursor.index..<cursor.end))
                }
                // Other fields may lie between the keys.
                try cursor.skip(tag, known: 0, bytes)
            }
        } catch {}
        return nil
    }
}

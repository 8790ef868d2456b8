// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

// What two nodes tell each other of keys that have gone from one to the other: messages in the value of a request or reply of a link, as those about changes.

private enum Tag {
    static var asker: UInt64 { 1 << 3 | 1 }
    static var id: UInt64 { 2 << 3 | 2 }
    static var group: UInt64 { 3 << 3 | 2 }
    static var ring: UInt64 { 4 << 3 | 1 }
    static var page: UInt64 { 5 << 3 | 0 }
    static var lastOfQuestion: UInt64 { 5 }

    static var key: UInt64 { 1 << 3 | 2 }
    static var state: UInt64 { 2 << 3 | 0 }
    static var hotness: UInt64 { 3 << 3 | 0 }
    static var lastOfPage: UInt64 { 3 }
}

/// Asks which keys a node holds that are the asker's by now, page by page.
struct MovedQuestion: Equatable, Sendable {
    /// Which life of which node asks.
    var asker: UInt64 = 0
    /// Its id in the ring.
    var id = ""
    var group = ""
    /// By which ring it asks.
    var ring: UInt64 = 0
    /// Which page; 0 begins.
    var page: UInt32 = 0

    init(asker: UInt64, id: String, group: String, ring: UInt64, page: UInt32 = 0) {
        (self.asker, self.id, self.group, self.ring, self.page) = (asker, id, group, ring, page)
    }

    /// - Throws: for bytes that are none.
    init(_ bytes: Span<UInt8>) throws(LinkFault) {
        var cursor = LinkCursor(0..<bytes.count)
        while !cursor.isAtEnd {
            let tag = try cursor.varint(bytes)
            switch tag {
            case Tag.asker: self.asker = try cursor.fixed64(bytes)
            case Tag.id: self.id = try Self.name(&cursor, bytes)
            case Tag.group: self.group = try Self.name(&cursor, bytes)
            case Tag.ring: self.ring = try cursor.fixed64(bytes)
            case Tag.page: self.page = try cursor.varint32(bytes)
            default: try cursor.skip(tag, known: Tag.lastOfQuestion, bytes)
            }
        }
    }

    private static func name(_ cursor: inout LinkCursor, _ bytes: Span<UInt8>) throws(LinkFault) -> String {
        let range = try cursor.bytes(bytes)
        guard range.count <= 2_048 else { throw .length }
        return bytes.string(range)
    }

    var encoded: ByteView {
        var buffer = ByteBuffer()
        buffer.write(Tag.asker, fixed: self.asker)
        if !self.id.isEmpty { buffer.write(Tag.id, self.id.utf8) }
        if !self.group.isEmpty { buffer.write(Tag.group, self.group.utf8) }
        buffer.write(Tag.ring, fixed: self.ring)
        if self.page > 0 { buffer.write(Tag.page, UInt64(self.page)) }
        return ByteView(buffer.readableBytesView)
    }
}

/// Some of those keys, what was used last first, roughly.
struct MovedPage: Equatable, Sendable {
    enum State: UInt64, Sendable {
        /// There may be more.
        case more = 1
        /// That was all.
        case end = 2
        /// The answerer goes by another ring: who owns what is not agreed upon.
        case notYet = 3
        /// The answerer does not know any more where the asker was: it has to begin again.
        case again = 4
    }

    /// How many keys a page may have.
    static let limit = 1_024

    var state: State
    var keys: [Key] = []
    /// How much the hottest of them was used against the answerer's others, 0 to 255.
    var hotness: UInt8 = 0

    init(_ state: State) { self.state = state }

    /// - Throws: for bytes that are none. A state of a later version ends it.
    init(_ bytes: Span<UInt8>) throws(LinkFault) {
        self.state = .end
        var cursor = LinkCursor(0..<bytes.count)
        while !cursor.isAtEnd {
            let tag = try cursor.varint(bytes)
            switch tag {
            case Tag.key:
                let key = Key(bytes: bytes.array(try cursor.bytes(bytes)))
                guard key.error == nil, self.keys.count < Self.limit else { throw .keyLength }
                self.keys.append(key)
            case Tag.state: self.state = State(rawValue: try cursor.varint(bytes)) ?? .end
            case Tag.hotness: self.hotness = UInt8(clamping: try cursor.varint(bytes))
            default: try cursor.skip(tag, known: Tag.lastOfPage, bytes)
            }
        }
    }

    var encoded: ByteView {
        var buffer = ByteBuffer()
        for key in self.keys { buffer.write(Tag.key, key.bytes) }
        buffer.write(Tag.state, self.state.rawValue)
        if self.hotness > 0 { buffer.write(Tag.hotness, UInt64(self.hotness)) }
        return ByteView(buffer.readableBytesView)
    }
}

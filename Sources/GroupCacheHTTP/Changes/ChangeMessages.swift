// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

// What two nodes tell each other of changes: messages in the value of a request or reply of a link. Protocol buffers, as the link itself; the page on the
// link's protocol has them field by field.

/// The tags of their fields.
private enum Tag {
    static var follower: UInt64 { 1 << 3 | 1 }
    static var askedEpoch: UInt64 { 2 << 3 | 1 }
    static var askedSequence: UInt64 { 3 << 3 | 0 }
    static var wait: UInt64 { 4 << 3 | 0 }
    static var id: UInt64 { 5 << 3 | 2 }
    static var lastOfQuestion: UInt64 { 5 }

    static var epoch: UInt64 { 1 << 3 | 1 }
    static var after: UInt64 { 2 << 3 | 0 }
    static var upTo: UInt64 { 3 << 3 | 0 }
    static var elapsed: UInt64 { 4 << 3 | 0 }
    static var change: UInt64 { 5 << 3 | 2 }
    static var ring: UInt64 { 6 << 3 | 1 }
    static var node: UInt64 { 7 << 3 | 2 }
    static var clock: UInt64 { 8 << 3 | 0 }
    static var within: UInt64 { 9 << 3 | 0 }
    static var lastOfList: UInt64 { 9 }

    static var unheard: UInt64 { 1 << 3 | 2 }
    static var unheardCount: UInt64 { 2 << 3 | 0 }
    static var lastOfUnheard: UInt64 { 2 }

    static var kind: UInt64 { 1 << 3 | 0 }
    static var group: UInt64 { 2 << 3 | 2 }
    static var name: UInt64 { 3 << 3 | 2 }
    static var lastOfChange: UInt64 { 3 }
}

/// Asks what a node has changed after a place, and says that everything up to there has been applied.
struct ChangeQuestion: Equatable, Sendable {
    /// Which life of which node asks.
    var follower: UInt64 = 0
    /// Its id in the ring, for people; empty: none.
    var id = ""
    /// Up to where it has applied everything; `nil`: it begins.
    var position: StreamPosition?
    /// How long to wait for a change when there is none, in milliseconds.
    var wait: UInt32 = 0

    init(follower: UInt64, id: String, position: StreamPosition?, wait: UInt32) {
        (self.follower, self.id, self.position, self.wait) = (follower, id, position, wait)
    }

    /// - Throws: for bytes that are none.
    init(_ bytes: Span<UInt8>) throws(LinkFault) {
        var cursor = LinkCursor(0..<bytes.count)
        var place = StreamPosition(epoch: 0, sequence: 0)
        while !cursor.isAtEnd {
            let tag = try cursor.varint(bytes)
            switch tag {
            case Tag.follower: self.follower = try cursor.fixed64(bytes)
            case Tag.askedEpoch: place.epoch = try cursor.fixed64(bytes)
            case Tag.askedSequence: place.sequence = try cursor.varint(bytes)
            case Tag.wait: self.wait = try cursor.varint32(bytes)
            case Tag.id: self.id = String(bytes.string(try cursor.bytes(bytes)).prefix(255))
            default: try cursor.skip(tag, known: Tag.lastOfQuestion, bytes)
            }
        }
        if place.epoch != 0 { self.position = place }
    }

    var encoded: ByteView {
        var buffer = ByteBuffer()
        buffer.write(Tag.follower, fixed: self.follower)
        if let position {
            buffer.write(Tag.askedEpoch, fixed: position.epoch)
            buffer.write(Tag.askedSequence, position.sequence)
        }
        buffer.write(Tag.wait, UInt64(self.wait))
        if !self.id.isEmpty { buffer.write(Tag.id, self.id.utf8) }
        return ByteView(buffer.readableBytesView)
    }
}

/// Changes, in the order in which they were made.
struct ChangeList: Equatable, Sendable {
    /// The log that they are of, and the place before the first; `nil`: they are of none.
    var start: StreamPosition?
    /// The last change that this tells.
    var end: UInt64 = 0
    /// How long after the question came everything that was in the log had been told, in milliseconds; `nil`: there is more.
    var elapsed: Int64?
    var changes: [Change] = []
    /// By which ring the answerer has made what it tells, at the latest; 0: it does not say.
    var ring: UInt64 = 0
    /// When the answer left, in milliseconds of the answerer's clock, which begins anywhere; 0: it does not say. By it who asked dates what it asks for in turn:
    /// see ``SetTurns``.
    var clock: UInt64 = 0
    /// Of a make: which node is to hear of them, by its id, and cannot be reached by who asks; empty: the one that is asked makes them.
    var node = ""
    /// Of a make that waits: for how long at the most, in milliseconds; `nil`: until all have heard. Then the answer names who has not: ``UnheardNodes``.
    var within: Int64?

    init(_ changes: [Change], for node: String = "") { (self.changes, self.node) = (changes, node) }

    /// A time as it crosses the wire, one more than it is: 0 is none.
    private static func time(_ number: UInt64) -> Int64? { number == 0 ? nil : Int64(clamping: number - 1) }

    /// The changes, each once; only the greatest, if that covers all.
    var distinct: [Change] {
        if self.changes.contains(.everything) { return [.everything] }
        var seen: Set<Change> = []
        return self.changes.filter { seen.insert($0).inserted }
    }

    init(after start: StreamPosition, upTo end: UInt64, elapsed: Int64?, ring: UInt64 = 0, _ changes: [Change]) {
        (self.start, self.end, self.elapsed, self.ring, self.changes) = (start, end, elapsed, ring, changes)
    }

    /// - Throws: for bytes that are none. A change of a kind that this version does not know is taken for one of everything, which costs loads and is
    ///   never wrong.
    init(_ bytes: Span<UInt8>) throws(LinkFault) {
        var cursor = LinkCursor(0..<bytes.count)
        var place = StreamPosition(epoch: 0, sequence: 0)
        while !cursor.isAtEnd {
            let tag = try cursor.varint(bytes)
            switch tag {
            case Tag.epoch: place.epoch = try cursor.fixed64(bytes)
            case Tag.after: place.sequence = try cursor.varint(bytes)
            case Tag.upTo: self.end = try cursor.varint(bytes)
            case Tag.elapsed: self.elapsed = Self.time(try cursor.varint(bytes))
            case Tag.within: self.within = Self.time(try cursor.varint(bytes))
            case Tag.ring: self.ring = try cursor.fixed64(bytes)
            case Tag.clock: self.clock = try cursor.varint(bytes)
            case Tag.node:
                let range = try cursor.bytes(bytes)
                guard range.count <= 2_048 else { throw .length }
                self.node = bytes.string(range)
            case Tag.change: self.changes.append(try Change(LinkCursor(try cursor.bytes(bytes)), bytes))
            default: try cursor.skip(tag, known: Tag.lastOfList, bytes)
            }
        }
        if place.epoch != 0 { self.start = place }
    }

    var encoded: ByteView {
        var buffer = ByteBuffer()
        if let start {
            buffer.write(Tag.epoch, fixed: start.epoch)
            buffer.write(Tag.after, start.sequence)
        }
        buffer.write(Tag.upTo, self.end)
        if let elapsed { buffer.write(Tag.elapsed, UInt64(max(0, elapsed)) + 1) }
        if let within { buffer.write(Tag.within, UInt64(max(0, within)) + 1) }
        for change in self.changes {
            let (kind, group, name) = change.parts
            let count =
                LinkSize.field(kind) + (group.map { LinkSize.element(count: $0.utf8.count) } ?? 0)
                + (name.map { LinkSize.element(count: $0.count) } ?? 0)
            buffer.writeWithOutputRawSpan(minimumWritableBytes: 11) { $0.append(tag: Tag.change, count: count) }
            buffer.write(Tag.kind, kind)
            if let group { buffer.write(Tag.group, group.utf8) }
            if let name { buffer.write(Tag.name, name) }
        }
        if self.ring != 0 { buffer.write(Tag.ring, fixed: self.ring) }
        if self.clock != 0 { buffer.write(Tag.clock, self.clock) }
        if !self.node.isEmpty { buffer.write(Tag.node, self.node.utf8) }
        return ByteView(buffer.readableBytesView)
    }
}

/// The ids of the nodes that may still serve what was there before a change, when somebody has waited as long as it wanted.
struct UnheardNodes: Equatable, Sendable {
    /// How many are named at the most; whoever waits for more than those knows enough.
    static let limit = 1_024
    /// None: those who have followed an earlier life of the answerer, which nobody can name.
    var ids: [String]

    init(_ ids: [String]) { self.ids = Array(ids.prefix(Self.limit)) }

    /// - Throws: for bytes that are none.
    init(_ bytes: Span<UInt8>) throws(LinkFault) {
        var cursor = LinkCursor(0..<bytes.count)
        self.ids = []
        while !cursor.isAtEnd {
            let tag = try cursor.varint(bytes)
            switch tag {
            case Tag.unheard:
                let range = try cursor.bytes(bytes)
                guard range.count <= 2_048, self.ids.count < Self.limit else { throw .length }
                self.ids.append(bytes.string(range))
            case Tag.unheardCount: _ = try cursor.varint(bytes)
            default: try cursor.skip(tag, known: Tag.lastOfUnheard, bytes)
            }
        }
    }

    var encoded: ByteView {
        var buffer = ByteBuffer()
        // One more, since a number that is zero is not written, and nothing would be an answer of an earlier version.
        buffer.write(Tag.unheardCount, UInt64(self.ids.count) + 1)
        for id in self.ids { buffer.write(Tag.unheard, id.utf8) }
        return ByteView(buffer.readableBytesView)
    }
}

extension Change {
    /// As it crosses the wire. A kind has nothing but its number in common with another.
    fileprivate var parts: (kind: UInt64, group: String?, name: [UInt8]?) {
        switch self {
        case .key(let key, let group): (0, group, key.bytes)
        case .tag(let tag, let group, let soft): (soft ? 2 : 1, group, tag.bytes)
        case .group(let group): (3, group, nil)
        case .everything: (4, nil, nil)
        case .copies(let key, let group): (5, group, key.bytes)
        }
    }

    fileprivate init(_ start: LinkCursor, _ bytes: Span<UInt8>) throws(LinkFault) {
        var (cursor, kind) = (start, UInt64(0))
        var (group, name) = ("", [UInt8]())
        while !cursor.isAtEnd {
            let tag = try cursor.varint(bytes)
            switch tag {
            case Tag.kind: kind = try cursor.varint(bytes)
            case Tag.group: group = bytes.string(try cursor.bytes(bytes))
            case Tag.name: name = bytes.array(try cursor.bytes(bytes))
            default: try cursor.skip(tag, known: Tag.lastOfChange, bytes)
            }
        }
        switch kind {
        case 0: self = .key(Key(bytes: name), group: group)
        case 1, 2:
            guard let tag = EntryTag(bytes: name) else { throw .length }
            self = .tag(tag, group: group, soft: kind == 2)
        case 3: self = .group(group)
        case 5: self = .copies(Key(bytes: name), group: group)
        default: self = .everything
        }
        if kind == 0 || kind == 5, Key(bytes: name).error != nil { throw .keyLength }
    }
}

extension ByteBuffer {
    mutating func write(_ tag: UInt64, _ number: UInt64) {
        self.writeWithOutputRawSpan(minimumWritableBytes: 11) { $0.append(tag: tag, number) }
    }

    mutating func write(_ tag: UInt64, fixed number: UInt64) {
        self.writeWithOutputRawSpan(minimumWritableBytes: 9) { span in
            span.append(tag: tag)
            span.append(number.littleEndian, as: UInt64.self)
        }
    }

    mutating func write(_ tag: UInt64, _ bytes: some Collection<UInt8>) {
        self.writeWithOutputRawSpan(minimumWritableBytes: 11) { $0.append(tag: tag, count: bytes.count) }
        self.writeBytes(bytes)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Reads one message of a link: bytes in, one ``LinkItem`` after the other out.
///
/// Pure, and allocates nothing: what is found are numbers, and offsets into the message. It looks at the message as it is asked for
/// items, so what stands before a fault has already been handed out when the fault is thrown; the link is closed then. Fields that this
/// version does not know are skipped, and of a repeated field that is not a list the last counts. A reader is for one message.
struct LinkReader {
    private let limits: LinkLimits
    private var index = 0
    /// Where the packed list of cancels ends that ``index`` stands in; else it is at or before ``index``.
    private var packedEnd = 0
    private var groups: UInt32 = 0
    private var requests = 0

    init(limits: LinkLimits = LinkLimits()) {
        self.limits = limits
    }

    /// What the message says next.
    ///
    /// - Parameter bytes: the whole message, the same at each call.
    /// - Returns: `nil` at the end of the message.
    mutating func next(_ bytes: Span<UInt8>) throws(LinkFault) -> LinkItem? {
        guard bytes.count <= min(self.limits.messageSize, Int(UInt32.max)) else { throw .messageSize }
        if self.index < self.packedEnd, self.packedEnd <= bytes.count { return .cancel(try self.packedCancel(bytes)) }
        guard self.index < bytes.count else { return nil }
        var cursor = LinkCursor(self.index..<bytes.count)
        defer { self.index = cursor.index }
        while !cursor.isAtEnd {
            let tag = try cursor.varint(bytes)
            switch tag {
            case LinkTag.request:
                return .request(try self.request(LinkCursor(try cursor.bytes(bytes)), bytes))
            case LinkTag.reply:
                return .reply(try self.reply(LinkCursor(try cursor.bytes(bytes)), bytes))
            case LinkTag.group:
                let name = try cursor.bytes(bytes)
                guard self.groups < self.limits.requestsPerMessage else { throw .groupCount }
                self.groups += 1
                return .group(name)
            case LinkTag.cancel:
                return .cancel(try cursor.varint32(bytes))
            case LinkTag.packedCancels:
                let list = try cursor.bytes(bytes)
                guard !list.isEmpty else { continue }
                var first = LinkCursor(list)
                let id = try first.varint32(bytes)
                self.packedEnd = list.upperBound
                cursor = LinkCursor(first.index..<bytes.count)
                return .cancel(id)
            case LinkTag.ring:
                return .ring(try cursor.fixed64(bytes))
            case LinkTag.draining:
                if try cursor.varint(bytes) != 0 { return .draining }
            default:
                try cursor.skip(tag, known: LinkTag.lastOfMessage, bytes)
            }
        }
        return nil
    }

    private mutating func packedCancel(_ bytes: Span<UInt8>) throws(LinkFault) -> UInt32 {
        var cursor = LinkCursor(self.index..<self.packedEnd)
        defer { self.index = cursor.index }
        return try cursor.varint32(bytes)
    }

    private mutating func request(_ start: LinkCursor, _ bytes: Span<UInt8>) throws(LinkFault) -> LinkRequest {
        guard self.requests < self.limits.requestsPerMessage else { throw .requestCount }
        self.requests += 1
        var cursor = start
        var request = LinkRequest()
        var firstKey = 0
        var keys = 0
        while !cursor.isAtEnd {
            let field = cursor.index
            let tag = try cursor.varint(bytes)
            switch tag {
            case LinkTag.requestID: request.id = try cursor.varint32(bytes)
            case LinkTag.requestGroup: request.group = try cursor.varint32(bytes)
            case LinkTag.requestKey: request.key = LinkSlice(try self.key(&cursor, bytes))
            case LinkTag.requestTimeout: request.timeout = try cursor.varint32(bytes)
            case LinkTag.requestVerb: request.verb = LinkVerb(wire: try cursor.varint(bytes))
            case LinkTag.requestValue: request.value = LinkSlice(try self.value(&cursor, bytes))
            case LinkTag.requestTTL: request.ttl = try cursor.varint(bytes)
            case LinkTag.requestTraceparent: request.traceparent = LinkSlice(try cursor.bytes(bytes))
            case LinkTag.requestTracestate: request.tracestate = LinkSlice(try cursor.bytes(bytes))
            case LinkTag.requestKeys:
                _ = try self.key(&cursor, bytes)
                if keys == 0 { firstKey = field }
                keys += 1
                guard keys <= self.limits.keysPerRequest else { throw .keyCount }
            case LinkTag.requestSchema: request.schema = LinkSlice(try self.schema(&cursor, bytes))
            case LinkTag.requestTrail: request.trail = LinkSlice(try self.trail(&cursor, bytes))
            case LinkTag.requestFreshOnly: request.freshOnly = try cursor.varint32(bytes)
            case LinkTag.requestMarks: request.marks = try cursor.varint32(bytes)
            case LinkTag.requestAttributes: request.attributes = LinkSlice(try self.attributes(&cursor, bytes))
            default: try cursor.skip(tag, known: LinkTag.lastOfRequest, bytes)
            }
        }
        guard request.group < self.groups else { throw .group }
        if keys > 0 { request.keys = LinkKeys(fields: firstKey..<cursor.end, count: keys) }
        return request
    }

    private func reply(_ start: LinkCursor, _ bytes: Span<UInt8>) throws(LinkFault) -> LinkReply {
        var cursor = start
        var reply = LinkReply()
        while !cursor.isAtEnd {
            let tag = try cursor.varint(bytes)
            switch tag {
            case LinkTag.replyID: reply.id = try cursor.varint32(bytes)
            case LinkTag.replyStatus: reply.status = LinkStatus(wire: try cursor.varint(bytes))
            case LinkTag.replyValue: reply.value = LinkSlice(try self.value(&cursor, bytes))
            case LinkTag.replyTTL: reply.ttl = try cursor.varint(bytes)
            case LinkTag.replyVersion: reply.version = try cursor.varint(bytes)
            case LinkTag.replyRetryAfter: reply.retryAfter = try cursor.varint32(bytes)
            case LinkTag.replyIndex: reply.index = try cursor.varint32(bytes)
            case LinkTag.replyMessage: reply.message = LinkSlice(try cursor.bytes(bytes))
            case LinkTag.replySchema: reply.schema = LinkSlice(try self.schema(&cursor, bytes))
            case LinkTag.replyMarks: reply.marks = try cursor.varint32(bytes)
            case LinkTag.replyAge: reply.age = try cursor.varint(bytes)
            case LinkTag.replyHandover: reply.handover = try cursor.varint(bytes)
            case LinkTag.replyAttributes: reply.attributes = LinkSlice(try self.attributes(&cursor, bytes))
            default: try cursor.skip(tag, known: LinkTag.lastOfReply, bytes)
            }
        }
        return reply
    }

    @inline(__always)
    private func key(_ cursor: inout LinkCursor, _ bytes: Span<UInt8>) throws(LinkFault) -> Range<Int> {
        let key = try cursor.bytes(bytes)
        guard key.count <= self.limits.keyLength else { throw .keyLength }
        return key
    }

    @inline(__always)
    private func value(_ cursor: inout LinkCursor, _ bytes: Span<UInt8>) throws(LinkFault) -> Range<Int> {
        let value = try cursor.bytes(bytes)
        guard value.count <= self.limits.valueSize else { throw .valueSize }
        return value
    }

    private func schema(_ cursor: inout LinkCursor, _ bytes: Span<UInt8>) throws(LinkFault) -> Range<Int> {
        let schema = try cursor.bytes(bytes)
        guard schema.count <= self.limits.schemaLength else { throw .schemaLength }
        return schema
    }

    private func trail(_ cursor: inout LinkCursor, _ bytes: Span<UInt8>) throws(LinkFault) -> Range<Int> {
        let trail = try cursor.bytes(bytes)
        guard trail.count % 8 == 0 else { throw .truncated }
        guard trail.count / 8 <= self.limits.trailLength else { throw .trailLength }
        return trail
    }

    private func attributes(_ cursor: inout LinkCursor, _ bytes: Span<UInt8>) throws(LinkFault) -> Range<Int> {
        let attributes = try cursor.bytes(bytes)
        guard attributes.count <= self.limits.attributesSize else { throw .attributesSize }
        try LinkAttributes.check(attributes, bytes)
        return attributes
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// Writing of messages of a link: each call appends one field of the message, and the buffer is the message. In one pass, and without
/// allocating but for the buffer's growth. Limits are the caller's to keep; ``LinkLimits`` says what a reader accepts.
///
/// Inside a request or a reply the numbers are written first and the bytes last, so that most take two steps: the order of fields means
/// nothing to a reader of protocol buffers.
extension ByteBuffer {
    /// More than all tags, lengths and numbers of one request or reply take together.
    private static var linkHeadroom: Int { 96 }
    private static var linkShortKey: Int { 32 }

    /// Names a group, which requests after this one in the message mean by its index: 0 for the first name of the message.
    mutating func writeLinkGroup(_ name: String) {
        let bytes = name.utf8.span
        self.writeLink(tag: LinkTag.group, bytes.bytes)
    }

    /// Asks for one key, or sets or removes it.
    ///
    /// - Parameters:
    ///   - id: not the id of another request of this link that is still unanswered.
    ///   - group: the index of the group's name in this message.
    ///   - timeout: milliseconds; 0: as long as the answerer allows. ``LinkTime/timeout(_:)-(Duration?)`` rounds.
    ///   - value: of a set.
    ///   - ttl: of a set, milliseconds; 0: without end.
    ///   - schema: the name of the schema of the group's values; empty: none.
    ///   - trail: the loads in whose getters the request was made, at most ``LinkLimits/trailLength``.
    ///   - freshOnly: not 0: a value past its time will not do.
    ///   - marks: of a change.
    ///   - attributes: of a set.
    @inline(__always)
    mutating func writeLinkRequest(
        id: UInt32,
        group: UInt32,
        key: Span<UInt8>,
        timeout: UInt32 = 0,
        verb: LinkVerb = .get,
        value: ByteView? = nil,
        ttl: UInt64 = 0,
        traceparent: String = "",
        tracestate: String = "",
        schema: String = "",
        trail: ArraySlice<UInt64> = [],
        freshOnly: UInt32 = 0,
        marks: LinkMarks = [],
        attributes: LinkAttributes? = nil
    ) {
        let valueCount = value?.count ?? 0
        let count =
            LinkSize.field(id) + LinkSize.field(group) + LinkSize.field(timeout) + LinkSize.field(verb.rawValue) + LinkSize.field(ttl)
            + LinkSize.field(marks.rawValue)
            + LinkSize.field(count: traceparent.utf8.count) + LinkSize.field(count: tracestate.utf8.count)
            + LinkSize.field(count: key.count) + LinkSize.field(count: valueCount)
            + LinkSize.field(count: schema.utf8.count) + LinkSize.field(count: 8 * trail.count) + LinkSize.field(freshOnly)
            + Self.linkSize(attributes)
        self.writeWithOutputRawSpan(minimumWritableBytes: Self.linkHeadroom + count) { span in
            span.append(tag: LinkTag.request, count: count)
            span.append(tag: LinkTag.requestID, id)
            span.append(tag: LinkTag.requestGroup, group)
            span.append(tag: LinkTag.requestTimeout, timeout)
            span.append(tag: LinkTag.requestVerb, verb.rawValue)
            span.append(tag: LinkTag.requestTTL, ttl)
            span.append(tag: LinkTag.requestFreshOnly, freshOnly)
            span.append(tag: LinkTag.requestMarks, marks.rawValue)
            if !key.isEmpty { span.append(tag: LinkTag.requestKey, count: key.count) }
            // Most keys are so short that a step of their own would cost more than their bytes.
            if key.count <= Self.linkShortKey { for index in 0..<key.count { span.append(key[index]) } }
        }
        if key.count > Self.linkShortKey { self.writeBytes(key.bytes) }
        self.writeLink(tag: LinkTag.requestTraceparent, traceparent)
        self.writeLink(tag: LinkTag.requestTracestate, tracestate)
        self.writeLink(tag: LinkTag.requestSchema, schema)
        self.writeLinkTrail(trail)
        self.writeLink(tag: LinkTag.requestAttributes, attributes)
        self.writeLink(tag: LinkTag.requestValue, value, count: valueCount)
    }

    /// Asks for many keys of one group; each is answered by itself, told apart by its place in `keys`.
    ///
    /// - Parameters:
    ///   - keys: at least one, at most ``LinkLimits/keysPerRequest``.
    ///   - verb: ``LinkVerb/get`` or ``LinkVerb/reload``.
    mutating func writeLinkRequest(
        id: UInt32,
        group: UInt32,
        keys: some Collection<Key>,
        timeout: UInt32 = 0,
        verb: LinkVerb = .get,
        traceparent: String = "",
        tracestate: String = "",
        schema: String = "",
        trail: ArraySlice<UInt64> = [],
        freshOnly: UInt32 = 0
    ) {
        var count =
            LinkSize.field(id) + LinkSize.field(group) + LinkSize.field(timeout) + LinkSize.field(verb.rawValue) + LinkSize.field(freshOnly)
            + LinkSize.field(count: traceparent.utf8.count) + LinkSize.field(count: tracestate.utf8.count)
            + LinkSize.field(count: schema.utf8.count) + LinkSize.field(count: 8 * trail.count)
        for key in keys { count += LinkSize.element(count: key.bytes.count) }
        self.writeWithOutputRawSpan(minimumWritableBytes: Self.linkHeadroom + count) { span in
            span.append(tag: LinkTag.request, count: count)
            span.append(tag: LinkTag.requestID, id)
            span.append(tag: LinkTag.requestGroup, group)
            span.append(tag: LinkTag.requestTimeout, timeout)
            span.append(tag: LinkTag.requestVerb, verb.rawValue)
            span.append(tag: LinkTag.requestFreshOnly, freshOnly)
        }
        self.writeLink(tag: LinkTag.requestTraceparent, traceparent)
        self.writeLink(tag: LinkTag.requestTracestate, tracestate)
        self.writeLink(tag: LinkTag.requestSchema, schema)
        self.writeLinkTrail(trail)
        for key in keys { self.writeLink(tag: LinkTag.requestKeys, key.bytes.span.bytes) }
    }

    /// Answers a request, or one key of a get of many.
    ///
    /// - Parameters:
    ///   - ttl: as ``LinkReply/ttl``: milliseconds plus one.
    ///   - index: which key of a get of many.
    ///   - retryAfter: milliseconds; 0: not said.
    ///   - message: for people.
    ///   - schema: the name of the schema that the value is of; empty: none.
    ///   - age: of the value, milliseconds.
    ///   - handover: of a value that is too large, by what it is fetched; 0: by nothing.
    @inline(__always)
    mutating func writeLinkReply(
        id: UInt32,
        status: LinkStatus = .value,
        value: ByteView? = nil,
        ttl: UInt64 = 0,
        version: UInt64 = 0,
        index: UInt32 = 0,
        retryAfter: UInt32 = 0,
        message: String = "",
        schema: String = "",
        marks: LinkMarks = [],
        age: UInt64 = 0,
        handover: UInt64 = 0,
        attributes: LinkAttributes? = nil
    ) {
        let valueCount = value?.count ?? 0
        let count =
            LinkSize.field(id) + LinkSize.field(status.rawValue) + LinkSize.field(ttl) + LinkSize.field(version)
            + LinkSize.field(marks.rawValue) + LinkSize.field(age) + LinkSize.field(handover)
            + LinkSize.field(index) + LinkSize.field(retryAfter) + LinkSize.field(count: message.utf8.count)
            + LinkSize.field(count: valueCount) + LinkSize.field(count: schema.utf8.count) + Self.linkSize(attributes)
        self.writeWithOutputRawSpan(minimumWritableBytes: Self.linkHeadroom + count) { span in
            span.append(tag: LinkTag.reply, count: count)
            span.append(tag: LinkTag.replyID, id)
            span.append(tag: LinkTag.replyStatus, status.rawValue)
            span.append(tag: LinkTag.replyTTL, ttl)
            span.append(tag: LinkTag.replyVersion, version)
            span.append(tag: LinkTag.replyRetryAfter, retryAfter)
            span.append(tag: LinkTag.replyIndex, index)
            span.append(tag: LinkTag.replyMarks, marks.rawValue)
            span.append(tag: LinkTag.replyAge, age)
            span.append(tag: LinkTag.replyHandover, handover)
            if valueCount > 0 { span.append(tag: LinkTag.replyValue, count: valueCount) }
        }
        if let value, valueCount > 0 { self.write(value) }
        self.writeLink(tag: LinkTag.replyMessage, message)
        self.writeLink(tag: LinkTag.replySchema, schema)
        self.writeLink(tag: LinkTag.replyAttributes, attributes)
    }

    /// Says that nobody waits for the answer to a request any more.
    mutating func writeLinkCancel(_ id: UInt32) {
        // An element of a list is written also when it is 0.
        self.writeWithOutputRawSpan(minimumWritableBytes: 6) { span in
            span.append(tag: LinkTag.cancel)
            span.append(varint: UInt64(id))
        }
    }

    /// Says the version of the sender's ring.
    mutating func writeLinkRing(_ version: UInt64) {
        self.writeWithOutputRawSpan(minimumWritableBytes: 9) { span in
            span.append(tag: LinkTag.ring)
            span.append(version.littleEndian, as: UInt64.self)
        }
    }

    /// Says that the sender is about to stop.
    mutating func writeLinkDraining() {
        self.writeWithOutputRawSpan(minimumWritableBytes: 2) { $0.append(tag: LinkTag.draining, UInt64(1)) }
    }

    private mutating func writeLinkTrail(_ trail: ArraySlice<UInt64>) {
        guard !trail.isEmpty else { return }
        self.writeWithOutputRawSpan(minimumWritableBytes: 11 + 8 * trail.count) { span in
            span.append(tag: LinkTag.requestTrail, count: 8 * trail.count)
            for load in trail { span.append(load.littleEndian, as: UInt64.self) }
        }
    }

    @inline(__always)
    private static func linkSize(_ attributes: LinkAttributes?) -> Int {
        guard let attributes else { return 0 }
        return LinkSize.element(count: attributes.count)
    }

    /// Few values have any.
    @inline(__always)
    private mutating func writeLink(tag: UInt64, _ attributes: LinkAttributes?) {
        if let attributes { self.writeLinkAttributes(tag: tag, attributes) }
    }

    private mutating func writeLinkAttributes(tag: UInt64, _ attributes: LinkAttributes) {
        self.writeWithOutputRawSpan(minimumWritableBytes: 11) { $0.append(tag: tag, count: attributes.count) }
        self.writeLink(tag: LinkTag.contentType, attributes.contentType)
        self.writeLink(tag: LinkTag.directives, attributes.directives)
        self.writeLink(tag: LinkTag.lastModified, attributes.lastModified)
        if attributes.date != 0 { self.writeWithOutputRawSpan(minimumWritableBytes: 11) { $0.append(tag: LinkTag.date, attributes.date) } }
        for text in attributes.tags {
            let bytes = text.utf8.span
            self.writeLink(tag: LinkTag.tags, bytes.bytes)
        }
    }

    /// Appends a field of bytes, also when it is empty.
    private mutating func writeLink(tag: UInt64, _ bytes: RawSpan) {
        self.writeWithOutputRawSpan(minimumWritableBytes: 11 + bytes.byteCount) { $0.append(tag: tag, count: bytes.byteCount) }
        self.writeBytes(bytes)
    }

    @inline(__always)
    private mutating func writeLink(tag: UInt64, _ text: String) {
        guard !text.isEmpty else { return }
        let bytes = text.utf8.span
        self.writeLink(tag: tag, bytes.bytes)
    }

    @inline(__always)
    private mutating func writeLink(tag: UInt64, _ value: ByteView?, count: Int) {
        guard let value, count > 0 else { return }
        self.writeWithOutputRawSpan(minimumWritableBytes: 11 + count) { $0.append(tag: tag, count: count) }
        self.write(value)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// What the client side of a dialect writes and understands. Pure: bytes in, bytes out.
extension Dialect {
    /// What is asked of a peer.
    enum Operation {
        case get
        case set(PeerEntry)
        case remove

        /// Whether it changes something.
        var needsRight: Bool { if case .get = self { false } else { true } }
    }

    /// The longest body of an answer whose value has at most `valueSize` bytes.
    func maximumBody(valueSize: Int) -> Int {
        self.usesProtobuf ? valueSize + 64 : valueSize
    }

    /// Appends a whole request.
    ///
    /// - Parameters:
    ///   - host: the peer's `host:port` for the Host header.
    ///   - path: the path of the peer's URL without its last slash, usually empty.
    ///   - authorization: the value of that header; `nil`: none, as for requests that need no right.
    ///   - turn: of a set, its turn; see ``SetTurns``.
    ///   - now: UnixNano.
    func appendRequest(
        _ operation: Operation,
        _ request: PeerRequest,
        host: String,
        path: String,
        ring: UInt64?,
        authorization: String? = nil,
        timeout: Int,
        turn: [UInt64] = [],
        now: Int64,
        to buffer: inout ByteBuffer
    ) {
        switch operation {
        case .get: buffer.writeStaticString("GET ")
        case .set: buffer.writeStaticString("PUT ")
        case .remove: buffer.writeStaticString("DELETE ")
        }
        buffer.writeString(path)
        buffer.writeString(self.basePath)
        PercentEncoding.append(request.group.utf8.span, to: &buffer)
        buffer.writeStaticString("/")
        PercentEncoding.append(request.key.bytes.span, to: &buffer)
        buffer.writeStaticString(" HTTP/1.1\r\nHost: ")
        buffer.writeString(host)
        if let authorization {
            buffer.writeStaticString("\r\nAuthorization: ")
            buffer.writeString(authorization)
        }
        if let trace = request.trace { Self.append(trace, to: &buffer) }
        if request.reload { buffer.writeStaticString("\r\nCache-Control: no-cache") }
        if self.base == .native {
            if let ring {
                buffer.writeStaticString("\r\nGroupCache-Ring: ")
                buffer.writeHexadecimal(ring)
            }
            buffer.writeStaticString("\r\nGroupCache-Timeout: ")
            buffer.writeDecimal(timeout)
            if let condition = request.condition { Self.append(condition, to: &buffer) }
            Self.appendFields(operation, request, turn: turn, to: &buffer)
        }
        guard case .set(let entry) = operation else {
            buffer.writeStaticString("\r\n\r\n")
            return
        }
        guard self.hasExpire else {
            if let ttl = entry.ttl {
                buffer.writeStaticString("\r\nGroupCache-TTL: ")
                buffer.writeDecimal(ttl.milliseconds)
            }
            Self.appendLength(entry.value.count, to: &buffer)
            buffer.write(entry.value)
            return
        }
        var body = ByteBuffer()
        let expire = entry.ttl.map { now &+ $0.nanoseconds } ?? 0
        Protobuf.appendSetRequest(group: request.group, key: request.key, value: entry.value, expire: expire, to: &body)
        Self.appendLength(body.readableBytes, to: &buffer)
        buffer.writeBuffer(&body)
    }

    private static func append(_ condition: ChangeCondition, to buffer: inout ByteBuffer) {
        switch condition.base {
        case .absent: buffer.writeStaticString("\r\nIf-None-Match: *")
        case .present: buffer.writeStaticString("\r\nIf-Match: *")
        case .matching(let tags), .differing(let tags):
            var separator: StaticString = if case .matching = condition.base { "\r\nIf-Match: " } else { "\r\nIf-None-Match: " }
            for tag in tags {
                buffer.writeStaticString(separator)
                buffer.writeStaticString("\"")
                buffer.writeHexadecimal(tag.hash)
                buffer.writeStaticString("\"")
                separator = ","
            }
        }
    }

    private static func appendFields(_ operation: Operation, _ request: PeerRequest, turn: [UInt64], to buffer: inout ByteBuffer) {
        if request.isPlain, case .get = operation, request.allowStale { return }
        var fields = PeerFields()
        fields.schema = request.schema
        fields.trail = request.trail
        fields.allowStale = request.allowStale
        fields.handover = request.handover
        fields.turn = turn
        fields.role = request.terms.role
        if case .set(let entry) = operation {
            fields.schema = request.schema ?? entry.schema
            fields.attributes = entry.attributes
        }
        fields.append(to: &buffer)
    }

    /// The headers of W3C Trace Context. What is in them may have come over a link, from a stranger: what could end a line is left out.
    private static func append(_ trace: PeerTrace, to buffer: inout ByteBuffer) {
        func isText(_ text: String) -> Bool {
            !text.isEmpty && text.utf8.count <= 512 && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        }
        guard isText(trace.traceparent) else { return }
        buffer.writeStaticString("\r\ntraceparent: ")
        buffer.writeString(trace.traceparent)
        guard isText(trace.tracestate) else { return }
        buffer.writeStaticString("\r\ntracestate: ")
        buffer.writeString(trace.tracestate)
    }

    private static func appendLength(_ length: Int, to buffer: inout ByteBuffer) {
        buffer.writeStaticString("\r\nContent-Length: ")
        buffer.writeDecimal(length)
        buffer.writeStaticString("\r\n\r\n")
    }

    /// The entry of a 200 answer.
    func entry(_ head: ResponseHead, _ fields: PeerFields?, body: Span<UInt8>, now: Int64) throws(GroupCacheError) -> PeerEntry {
        guard self.usesProtobuf else {
            var entry = PeerEntry(value: ByteView(copying: body), ttl: Self.ttl(head.ttl))
            if self.base == .native {
                entry.ageInMilliseconds = LinkTime.age(UInt64(head.age ?? 0))
                if let fields { (entry.schema, entry.attributes) = (fields.schema, fields.attributes) }
            }
            return entry
        }
        do {
            let message = try Protobuf.getResponse(body)
            let value = ByteView(copying: body.extracting(message.value))
            // An entry that expired on its way is an entry with no time left, not one without end.
            let ttl: Duration? = message.expire == 0 ? Self.ttl(head.ttl) : .nanoseconds(max(0, message.expire &- now))
            return PeerEntry(value: value, ttl: ttl)
        } catch {
            throw GroupCacheError(.peerFailed, "the peer's answer is not a GetResponse")
        }
    }

    /// A lifetime from the wire. Far beyond a century is as good as endless, and keeps sums with clocks from overflowing.
    static func ttl(_ milliseconds: Int?) -> Duration? {
        guard let milliseconds, milliseconds < 1 << 42 else { return nil }
        return .milliseconds(max(0, milliseconds))
    }

    /// The error of an answer that is not 200.
    func failure(_ head: ResponseHead, body: Span<UInt8>) -> GroupCacheError {
        // Our own nodes name the code in every dialect.
        if let name = head.error, let code = GroupCacheError.Code(name) {
            let wait = Self.ttl(head.ttl) ?? Self.ttl(head.retryAfter.map { $0.multipliedReportingOverflow(by: 1_000).partialValue })
            return switch code {
            case .notFound: GroupCacheError(.notFound, GroupCacheError.notFound.message, retryAfter: wait)
            case .overloaded: GroupCacheError(.overloaded, "the peer has too much to do", retryAfter: wait)
            case .getterFailed: GroupCacheError(.getterFailed, "the owner's getter failed")
            case .codecFailed: GroupCacheError(.codecFailed, "the owner's codec failed")
            case .deadlineExceeded: .deadlineExceeded
            case .recursiveLoad: .recursiveLoad
            case .valueTooLarge:
                GroupCacheError(code, "the value is larger than its owner takes, or than it can keep: its group's capacity over its shards")
            case .unauthorized: GroupCacheError(code, "the peer wants another token or certificate for this than it was shown")
            // The peer's caller was not ours.
            case .cancelled: GroupCacheError(.peerFailed, "the peer gave up")
            default: GroupCacheError(code, "the peer answered so")
            }
        }
        switch (self.base, head.status) {
        case (.mailgun, 404), (.groupcacheGo, 404):
            // Both a missing key and a missing group are 404; only the text tells (transport/http_transport.go).
            if body.hasPrefix("no such group") { return GroupCacheError(.noSuchGroup, "the peer does not know the group") }
            return .notFound
        case (.mailgun, 503), (.groupcacheGo, 503):
            return GroupCacheError(.getterFailed, "the owner's getter failed")
        case (.groupcache, 404), (.geecache, 404), (.geecacheProtobuf, 404):
            return GroupCacheError(.noSuchGroup, "the peer does not know the group")
        default:
            // golang/groupcache and GeeCache say 500 for anything, also for a missing key; like theirs, our caller loads the key itself.
            return GroupCacheError(.peerFailed, "the peer answered with an HTTP error")
        }
    }
}

extension Duration {
    /// Whole milliseconds, rounded down, within `Int`.
    var milliseconds: Int {
        let (seconds, attoseconds) = self.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
        if overflow { return seconds < 0 ? Int.min : Int.max }
        let (sum, overflow2) = product.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return overflow2 ? (seconds < 0 ? Int.min : Int.max) : Int(sum)
    }

    /// Whole nanoseconds, rounded down, within `Int64`.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? Int64.min : Int64.max }
        let (sum, overflow2) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow2 ? (seconds < 0 ? Int64.min : Int64.max) : sum
    }
}

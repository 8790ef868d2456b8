internal import GroupCache
internal import NIOCore

/// Puts replies into bytes. Head and body go into one buffer, so that they leave in one write.
struct ReplyWriter {
    let dialect: Dialect
    /// `\r\nDate: …`, made once a second.
    var date: ByteBuffer
    var now: Int64

    func write(_ reply: Reply, _ options: ReplyOptions, to out: inout ByteBuffer) {
        switch reply {
        case .entry(let entry): self.writeEntry(entry, options, to: &out)
        case .raw(let entry): self.writeRaw(entry, options, to: &out)
        case .peerEntry(let entry): self.writePeerEntry(entry, options, to: &out)
        case .json(let body): self.writeBody(200, "application/json", body, options, to: &out)
        case .text(let code, let text): self.writeBody(code, "text/plain; charset=utf-8", ByteBuffer(staticString: text), options, to: &out)
        case .noContent:
            self.begin(204, options, to: &out)
            out.writeStaticString("\r\n\r\n")
        case .empty:
            self.begin(200, options, to: &out)
            out.writeStaticString("\r\nContent-Length: 0\r\n\r\n")
        case .failure(let status): self.writeStatus(status, options, to: &out)
        case .peerFailure(let error): self.writePeerFailure(error, options, to: &out)
        case .peerMethod(let allow):
            self.writeStatus(Status(405, "peers of this dialect do not do that", .request, allow: allow), options, to: &out)
        }
    }

    /// The head of a chunked answer of JSON lines.
    func writeStreamHead(_ options: ReplyOptions, to out: inout ByteBuffer) {
        self.begin(200, options, to: &out)
        out.writeStaticString(
            "\r\nContent-Type: application/jsonl\r\nX-Content-Type-Options: nosniff\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
    }

    private func begin(_ code: Int, _ options: ReplyOptions, to out: inout ByteBuffer) {
        out.writeStaticString(Self.statusLine(code))
        out.writeImmutableBuffer(self.date)
        if options.closes { out.writeStaticString("\r\nConnection: close") }
    }

    private func end(length: Int, to out: inout ByteBuffer) {
        out.writeStaticString("\r\nContent-Length: ")
        out.writeDecimal(length)
        out.writeStaticString("\r\n\r\n")
    }

    private func writeEntry(_ entry: ServedEntry, _ options: ReplyOptions, to out: inout ByteBuffer) {
        guard let value = entry.value else {
            return self.writeStatus(Status(.notFound), options, cacheStatus: entry, to: &out)
        }
        let tag = value.withSpan { XXH64.hash($0) }
        let isUnmodified = options.ifNoneMatch.map { Self.matches($0.span, tag) } ?? false
        self.begin(isUnmodified ? 304 : 200, options, to: &out)
        out.writeStaticString("\r\nETag: \"")
        out.writeHexadecimal(tag)
        out.writeStaticString("\"\r\nAge: ")
        out.writeDecimal(max(0, entry.age))
        if let ttl = entry.ttl {
            out.writeStaticString("\r\nCache-Control: max-age=")
            out.writeDecimal(max(0, ttl.milliseconds / 1_000))
        }
        Self.writeCacheStatus(entry, to: &out)
        if isUnmodified {
            out.writeStaticString("\r\n\r\n")
            return
        }
        out.writeStaticString("\r\nContent-Type: application/octet-stream\r\nX-Content-Type-Options: nosniff")
        self.end(length: value.count, to: &out)
        if !options.isHead { out.write(value) }
    }

    private func writeRaw(_ entry: ServedEntry, _ options: ReplyOptions, to out: inout ByteBuffer) {
        guard let value = entry.value else { return self.writeStatus(Status(.notFound), options, to: &out) }
        self.begin(200, options, to: &out)
        out.writeStaticString("\r\nContent-Type: application/octet-stream\r\nX-Content-Type-Options: nosniff")
        self.end(length: value.count, to: &out)
        if !options.isHead { out.write(value) }
    }

    private func writePeerEntry(_ entry: ServedEntry, _ options: ReplyOptions, to out: inout ByteBuffer) {
        guard let value = entry.value else {
            var error = GroupCacheError.notFound
            error.retryAfter = entry.ttl
            return self.writePeerFailure(error, options, to: &out)
        }
        self.begin(200, options, to: &out)
        out.writeStaticString("\r\nContent-Type: ")
        out.writeStaticString(self.dialect.contentType)
        if self.dialect.base == .native, let ttl = entry.ttl {
            out.writeStaticString("\r\nGroupCache-TTL: ")
            out.writeDecimal(max(0, ttl.milliseconds))
        }
        if self.dialect.base == .native, entry.schema != nil || !entry.attributes.isNone {
            var fields = PeerFields()
            (fields.schema, fields.attributes) = (entry.schema, entry.attributes)
            fields.append(to: &out)
        }
        guard self.dialect.usesProtobuf else {
            self.end(length: value.count, to: &out)
            if !options.isHead { out.write(value) }
            return
        }
        // A value without an end has `expire` 0, as mailgun's server writes it.
        let expire = self.dialect.hasExpire ? entry.ttl.map { self.now &+ $0.nanoseconds } ?? 0 : nil
        self.end(length: Protobuf.getResponseLength(valueCount: value.count, expire: expire), to: &out)
        if !options.isHead { Protobuf.appendGetResponse(value: value, expire: expire, to: &out) }
    }

    private func writeBody(_ code: Int, _ type: StaticString, _ body: ByteBuffer, _ options: ReplyOptions, to out: inout ByteBuffer) {
        self.begin(code, options, to: &out)
        out.writeStaticString("\r\nContent-Type: ")
        out.writeStaticString(type)
        out.writeStaticString("\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store")
        self.end(length: body.readableBytes, to: &out)
        if !options.isHead { out.writeImmutableBuffer(body) }
    }

    private func writeStatus(_ status: Status, _ options: ReplyOptions, cacheStatus: ServedEntry? = nil, to out: inout ByteBuffer) {
        var json = JSONWriter()
        status.write(&json)
        json.newline()
        self.begin(status.code, options, to: &out)
        if let cacheStatus { Self.writeCacheStatus(cacheStatus, to: &out) }
        if let error = status.error {
            out.writeStaticString("\r\nGroupCache-Error: ")
            out.writeString(error)
        }
        if let seconds = status.retryAfter {
            out.writeStaticString("\r\nRetry-After: ")
            out.writeDecimal(seconds)
        }
        // RFC 9110 §11.6.1, RFC 6750 §3.
        if status.code == 401 { out.writeStaticString("\r\nWWW-Authenticate: Bearer") }
        if let allow = status.allow {
            out.writeStaticString("\r\nAllow: ")
            out.writeStaticString(allow)
        }
        out.writeStaticString("\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store")
        self.end(length: json.buffer.readableBytes, to: &out)
        if !options.isHead { out.writeImmutableBuffer(json.buffer) }
    }

    private func writePeerFailure(_ error: GroupCacheError, _ options: ReplyOptions, to out: inout ByteBuffer) {
        let (code, text) = self.dialect.answer(to: error)
        self.begin(code, options, to: &out)
        out.writeStaticString("\r\nGroupCache-Error: ")
        out.writeString(error.code.description)
        if let wait = error.retryAfter {
            out.writeStaticString("\r\nGroupCache-TTL: ")
            out.writeDecimal(max(0, wait.milliseconds))
        }
        if code == 503, error.code == .overloaded { out.writeStaticString("\r\nRetry-After: 1") }
        out.writeStaticString("\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff")
        self.end(length: text.utf8CodeUnitCount + 1, to: &out)
        if options.isHead { return }
        out.writeStaticString(text)
        out.writeStaticString("\n")
    }

    /// `Cache-Status` (RFC 9211).
    private static func writeCacheStatus(_ entry: ServedEntry, to out: inout ByteBuffer) {
        switch entry.source {
        case .main, .stale: out.writeStaticString("\r\nCache-Status: GroupCache; hit")
        case .near: out.writeStaticString("\r\nCache-Status: GroupCache; hit; detail=near")
        case .loaded:
            out.writeStaticString("\r\nCache-Status: GroupCache; fwd=miss")
            // Without time left it was not kept: its getter said so, or something newer is there already.
            if entry.ttl != .zero { out.writeStaticString("; stored") }
        case .peer: out.writeStaticString("\r\nCache-Status: GroupCache; fwd=miss; detail=peer")
        }
        if entry.collapsed { out.writeStaticString("; collapsed") }
        guard let ttl = entry.ttl else { return }
        out.writeStaticString("; ttl=")
        // A stale entry has no time left, even when less than a second has passed since.
        let seconds = ttl.milliseconds / 1_000
        out.writeDecimal(entry.source == .stale ? min(seconds, -1) : seconds)
    }

    /// Whether an If-None-Match header names our tag. Opaque tags hold no quotes, so finding the quoted tag is finding it whole; a
    /// leading `W/` does not matter, because the comparison is weak (RFC 9110 §13.1.2).
    private static func matches(_ header: Span<UInt8>, _ tag: UInt64) -> Bool {
        if header.count == 1, header[0] == UInt8(ascii: "*") { return true }
        guard header.count >= 18 else { return false }
        for start in 0...header.count - 18 where header[start] == UInt8(ascii: "\"") && header[start + 17] == UInt8(ascii: "\"") {
            if header.hexadecimal(start + 1..<start + 17) == tag { return true }
        }
        return false
    }

    private static func statusLine(_ code: Int) -> StaticString {
        switch code {
        case 200: "HTTP/1.1 200 OK"
        case 204: "HTTP/1.1 204 No Content"
        case 304: "HTTP/1.1 304 Not Modified"
        case 400: "HTTP/1.1 400 Bad Request"
        case 401: "HTTP/1.1 401 Unauthorized"
        case 403: "HTTP/1.1 403 Forbidden"
        case 404: "HTTP/1.1 404 Not Found"
        case 405: "HTTP/1.1 405 Method Not Allowed"
        case 413: "HTTP/1.1 413 Content Too Large"
        case 414: "HTTP/1.1 414 URI Too Long"
        case 417: "HTTP/1.1 417 Expectation Failed"
        case 431: "HTTP/1.1 431 Request Header Fields Too Large"
        case 501: "HTTP/1.1 501 Not Implemented"
        case 502: "HTTP/1.1 502 Bad Gateway"
        case 503: "HTTP/1.1 503 Service Unavailable"
        case 504: "HTTP/1.1 504 Gateway Timeout"
        case 505: "HTTP/1.1 505 HTTP Version Not Supported"
        default: "HTTP/1.1 500 Internal Server Error"
        }
    }
}

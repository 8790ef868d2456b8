internal import GroupCache
internal import NIOCore

/// Puts responses into bytes. Head and body go into one buffer, so that they leave in one write.
struct ResponseWriter {
    /// `\r\nDate: …`, made once a second.
    var date: ByteBuffer

    func write(_ response: Response, _ options: ResponseOptions, to out: inout ByteBuffer) {
        out.writeStaticString(Self.statusLine(response.status))
        out.writeImmutableBuffer(self.date)
        if options.closes { out.writeStaticString("\r\nConnection: close") }
        Self.write(response.fields, isUnauthorized: response.status == 401, to: &out)
        switch response.body {
        case .none:
            out.writeStaticString("\r\n\r\n")
        case .bytes(let body):
            Self.end(length: body.readableBytes, to: &out)
            if !options.isHead { out.writeImmutableBuffer(body) }
        case .value(let value):
            Self.end(length: value.count, to: &out)
            if !options.isHead { out.write(value) }
        case .message(let value, let expire):
            Self.end(length: Protobuf.getResponseLength(valueCount: value.count, expire: expire), to: &out)
            if !options.isHead { Protobuf.appendGetResponse(value: value, expire: expire, to: &out) }
        case .stream:
            out.writeStaticString("\r\nTransfer-Encoding: chunked\r\n\r\n")
        }
    }

    private static func end(length: Int, to out: inout ByteBuffer) {
        out.writeStaticString("\r\nContent-Length: ")
        out.writeDecimal(length)
        out.writeStaticString("\r\n\r\n")
    }

    private static func write(_ fields: Response.Fields, isUnauthorized: Bool, to out: inout ByteBuffer) {
        if let tag = fields.tag {
            out.writeStaticString("\r\nETag: \"")
            out.writeHexadecimal(tag)
            out.writeStaticString("\"")
        }
        if let age = fields.age { self.write("\r\nAge: ", age, to: &out) }
        if let maxAge = fields.maxAge { self.write("\r\nCache-Control: max-age=", maxAge, to: &out) }
        if let cacheStatus = fields.cacheStatus { self.write(cacheStatus, to: &out) }
        if let error = fields.error {
            out.writeStaticString("\r\nGroupCache-Error: ")
            out.writeString(error)
            if let ttl = fields.ttl { self.write("\r\nGroupCache-TTL: ", ttl, to: &out) }
        }
        if let seconds = fields.retryAfter { self.write("\r\nRetry-After: ", seconds, to: &out) }
        // RFC 9110 §11.6.1, RFC 6750 §3.
        if isUnauthorized { out.writeStaticString("\r\nWWW-Authenticate: Bearer") }
        if let allow = fields.allow {
            out.writeStaticString("\r\nAllow: ")
            out.writeString(allow)
        }
        if let type = fields.contentType {
            out.writeStaticString("\r\nContent-Type: ")
            out.writeStaticString(type)
        }
        if fields.isOfThatType { out.writeStaticString("\r\nX-Content-Type-Options: nosniff") }
        if fields.isForNow { out.writeStaticString("\r\nCache-Control: no-store") }
        if fields.error == nil, let ttl = fields.ttl { self.write("\r\nGroupCache-TTL: ", ttl, to: &out) }
        fields.ofPeers?.append(to: &out)
    }

    private static func write(_ name: StaticString, _ number: Int, to out: inout ByteBuffer) {
        out.writeStaticString(name)
        out.writeDecimal(number)
    }

    private static func write(_ status: Response.CacheStatus, to out: inout ByteBuffer) {
        switch status.source {
        case .main, .stale: out.writeStaticString("\r\nCache-Status: GroupCache; hit")
        case .near: out.writeStaticString("\r\nCache-Status: GroupCache; hit; detail=near")
        case .loaded:
            out.writeStaticString("\r\nCache-Status: GroupCache; fwd=miss")
            // Without time left it was not kept: its getter said so, or something newer is there already.
            if status.ttl != .zero { out.writeStaticString("; stored") }
        case .peer: out.writeStaticString("\r\nCache-Status: GroupCache; fwd=miss; detail=peer")
        }
        if status.collapsed { out.writeStaticString("; collapsed") }
        guard let ttl = status.ttl else { return }
        out.writeStaticString("; ttl=")
        // A stale entry has no time left, even when less than a second has passed since.
        let seconds = ttl.milliseconds / 1_000
        out.writeDecimal(status.source == .stale ? min(seconds, -1) : seconds)
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

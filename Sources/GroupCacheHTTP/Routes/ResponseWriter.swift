// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// Puts responses into bytes. Head and body go into one buffer, so that they leave in one write.
struct ResponseWriter {
    /// `\r\nDate: …`, made once a second.
    var date: ByteBuffer

    func write(_ response: Response, _ options: ResponseOptions, to out: inout ByteBuffer) {
        out.writeStaticString(Self.statusLine(response.status))
        // A value keeps the date that its maker has sent it with.
        if let date = response.fields.attributes.date {
            out.writeStaticString("\r\nDate: ")
            HTTPDate.append(unixSeconds: date, to: &out)
        } else {
            out.writeImmutableBuffer(self.date)
        }
        if options.closes {
            out.writeStaticString("\r\nConnection: close")
        } else if options.saysKeepAlive {
            out.writeStaticString("\r\nConnection: keep-alive")
        }
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
        case .part(let value, let range):
            Self.end(length: range.count, to: &out)
            if !options.isHead { value.withSpan { bytes in _ = out.writeBytes(bytes.extracting(range).bytes) } }
        case .message(let value, let expire):
            Self.end(length: Protobuf.getResponseLength(valueCount: value.count, expire: expire), to: &out)
            if !options.isHead { Protobuf.appendGetResponse(value: value, expire: expire, to: &out) }
        case .stream(let stream) where stream.watch?.isSocket == true: out.writeStaticString("\r\n\r\n")
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
        if let lastModified = fields.attributes.lastModified {
            out.writeStaticString("\r\nLast-Modified: ")
            out.writeString(lastModified)
        }
        if let age = fields.age { self.write("\r\nAge: ", age, to: &out) }
        if fields.isForNow {
            out.writeStaticString("\r\nCache-Control: no-store")
        } else if let directives = fields.attributes.directives {
            self.write(directives, maxAge: fields.maxAge, to: &out)
        } else if let maxAge = fields.maxAge {
            self.write("\r\nCache-Control: max-age=", maxAge, to: &out)
        }
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
        if fields.saysWebSocket { out.writeStaticString("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13") }
        if let type = fields.mediaType {
            out.writeStaticString("\r\nContent-Type: ")
            out.writeString(type)
        } else if let type = fields.contentType {
            out.writeStaticString("\r\nContent-Type: ")
            out.writeStaticString(type)
        }
        if let accept = fields.webSocketAccept {
            out.writeStaticString("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ")
            out.writeString(accept)
        }
        // A proxy between is not to gather what is told.
        if fields.isTold { out.writeStaticString("\r\nX-Accel-Buffering: no") }
        if let origin = fields.sharedWith { CrossOrigin.write(origin, isPreflight: fields.isPreflight, to: &out) }
        if fields.acceptsRanges { out.writeStaticString("\r\nAccept-Ranges: bytes") }
        if fields.isOfThatType { out.writeStaticString("\r\nX-Content-Type-Options: nosniff") }
        switch fields.contentRange {
        case nil: break
        case .part(let range, let count):
            self.write("\r\nContent-Range: bytes ", range.lowerBound, to: &out)
            self.write("-", range.upperBound - 1, to: &out)
            self.write("/", count, to: &out)
        case .nothing(let count): self.write("\r\nContent-Range: bytes */", count, to: &out)
        }
        if fields.error == nil, let ttl = fields.ttl { self.write("\r\nGroupCache-TTL: ", ttl, to: &out) }
        if let age = fields.ageForPeers { self.write("\r\nGroupCache-Age: ", Int(age), to: &out) }
        fields.ofPeers?.append(to: &out)
    }

    private static func write(_ name: StaticString, _ number: Int, to out: inout ByteBuffer) {
        out.writeStaticString(name)
        out.writeDecimal(number)
    }

    /// What the maker of the value has said goes out as it is. Where that has a `max-age` of its own, for those who do not share, ours is for those who do.
    private static func write(_ directives: String, maxAge: Int?, to out: inout ByteBuffer) {
        out.writeStaticString("\r\nCache-Control: ")
        out.writeString(directives)
        guard let maxAge else { return }
        let bytes = directives.utf8.span
        var list = FieldList(0..<bytes.count)
        var hasOwn = false
        while let element = list.next(bytes) {
            if element.count > 8, bytes.matches(element.lowerBound..<element.lowerBound + 8, "max-age=") { hasOwn = true }
        }
        self.write(hasOwn ? ", s-maxage=" : ", max-age=", maxAge, to: &out)
    }

    private static func write(_ status: Response.CacheStatus, to out: inout ByteBuffer) {
        // Whether somebody else was asked, and why.
        var isForwarded = true
        switch status.source {
        case .stale where status.wasStale: out.writeStaticString("\r\nCache-Status: GroupCache; fwd=stale")
        case .main, .stale:
            out.writeStaticString("\r\nCache-Status: GroupCache; hit")
            isForwarded = false
        case .near:
            out.writeStaticString("\r\nCache-Status: GroupCache; hit; detail=near")
            isForwarded = false
        case .loaded, .peer:
            out.writeStaticString(
                status.wasStale ? "\r\nCache-Status: GroupCache; fwd=stale" : "\r\nCache-Status: GroupCache; fwd=miss"
            )
            if status.source == .peer { out.writeStaticString("; detail=peer") }
            if status.isStored { out.writeStaticString("; stored") }
        }
        if status.collapsed, isForwarded { out.writeStaticString("; collapsed") }
        guard let ttl = status.ttl else { return }
        out.writeStaticString("; ttl=")
        // A stale entry has no time left, even when less than a second has passed since.
        let seconds = ttl.milliseconds / 1_000
        out.writeDecimal(status.source == .stale ? min(seconds, -1) : seconds)
    }

    private static func statusLine(_ code: Int) -> StaticString {
        switch code {
        case 101: "HTTP/1.1 101 Switching Protocols"
        case 200: "HTTP/1.1 200 OK"
        case 201: "HTTP/1.1 201 Created"
        case 202: "HTTP/1.1 202 Accepted"
        case 204: "HTTP/1.1 204 No Content"
        case 206: "HTTP/1.1 206 Partial Content"
        case 304: "HTTP/1.1 304 Not Modified"
        case 400: "HTTP/1.1 400 Bad Request"
        case 401: "HTTP/1.1 401 Unauthorized"
        case 403: "HTTP/1.1 403 Forbidden"
        case 404: "HTTP/1.1 404 Not Found"
        case 405: "HTTP/1.1 405 Method Not Allowed"
        case 406: "HTTP/1.1 406 Not Acceptable"
        case 410: "HTTP/1.1 410 Gone"
        case 412: "HTTP/1.1 412 Precondition Failed"
        case 413: "HTTP/1.1 413 Content Too Large"
        case 414: "HTTP/1.1 414 URI Too Long"
        case 416: "HTTP/1.1 416 Range Not Satisfiable"
        case 417: "HTTP/1.1 417 Expectation Failed"
        case 421: "HTTP/1.1 421 Misdirected Request"
        case 426: "HTTP/1.1 426 Upgrade Required"
        case 429: "HTTP/1.1 429 Too Many Requests"
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

// SPDX-License-Identifier: Apache-2.0

/// What the client needs of a response's head.
struct ResponseHead: Equatable {
    var status = 0
    /// How long the body is; `nil`: it ends with the connection.
    var body: RequestHead.Body?
    /// Whether the connection ends with this response.
    var closes = false
    /// `GroupCache-TTL`, in milliseconds.
    var ttl: Int?
    /// `GroupCache-Age`, in milliseconds.
    var age: Int?
    /// `GroupCache-Error`: the name of an error's code.
    var error: String?
    /// `Retry-After`, in seconds.
    var retryAfter: Int?
    /// `Sec-WebSocket-Accept`.
    var webSocketAccept: String?
    /// Whether `Sec-WebSocket-Protocol` is the link's.
    var isLink = false
    /// Whether there are headers of our own that are read only by who wants them: see ``PeerFields``.
    var hasPeerFields = false
    /// How many bytes the head has, with its last empty line.
    var length = 0
}

/// Reads heads of HTTP/1.1 responses, as strictly as ``RequestParser`` reads requests: a peer's bytes may be anything.
struct ResponseParser {
    private let headSize: Int
    private let headerCount: Int
    private var lines = LineScanner()
    private var head = ResponseHead()
    private var headers = 0
    private var hasStatus = false
    private var minorVersion = 1
    private var contentLength: Int?
    private var transferEncoding = false

    init(headSize: Int = 16_384, headerCount: Int = 100) {
        self.headSize = headSize
        self.headerCount = headerCount
    }

    /// Reads on. Interim responses (1xx) are heads like any other; the caller skips them.
    ///
    /// - Parameter bytes: what arrived of this head so far, from its first byte; more may follow it.
    /// - Returns: the head, after which the parser is ready for the next one; `nil` when more bytes are needed.
    mutating func parse(_ bytes: Span<UInt8>) throws(Refusal) -> ResponseHead? {
        while let line = try self.lines.next(in: bytes) {
            guard self.lines.lineStart <= self.headSize else { throw .headTooLarge }
            if !self.hasStatus {
                try self.statusLine(line, bytes)
                self.hasStatus = true
            } else if line.isEmpty {
                return try self.finish()
            } else {
                self.headers += 1
                guard self.headers <= self.headerCount else { throw .headTooLarge }
                try self.field(FieldLine(line, in: bytes), bytes)
            }
        }
        if bytes.count > self.headSize { throw .headTooLarge }
        return nil
    }

    private mutating func finish() throws(Refusal) -> ResponseHead {
        if self.transferEncoding { guard self.contentLength == nil, self.minorVersion == 1 else { throw .transferEncoding } }
        // First the status: these have no body, whatever they say of one (RFC 9112 §6.3).
        if self.head.status < 200 || self.head.status == 204 || self.head.status == 304 {
            self.head.body = .length(0)
        } else if self.transferEncoding {
            self.head.body = .chunked
        } else if let length = self.contentLength {
            self.head.body = .length(length)
        } else {
            self.head.body = nil
            self.head.closes = true
        }
        self.head.length = self.lines.lineStart
        let head = self.head
        self = ResponseParser(headSize: self.headSize, headerCount: self.headerCount)
        return head
    }

    private mutating func statusLine(_ line: Range<Int>, _ bytes: Span<UInt8>) throws(Refusal) {
        // "HTTP/1.1 200" and then nothing, or a space and a reason of any text.
        guard line.count >= 12, bytes.hasPrefix("HTTP/1.", at: line.lowerBound), bytes[line.lowerBound + 8] == UInt8(ascii: " "),
            let status = bytes.decimal(line.lowerBound + 9..<line.lowerBound + 12), status >= 100
        else { throw .statusLine }
        switch bytes[line.lowerBound + 7] {
        case UInt8(ascii: "1"): break
        case UInt8(ascii: "0"):
            self.minorVersion = 0
            self.head.closes = true
        default: throw .version
        }
        if line.count > 12 {
            guard bytes[line.lowerBound + 12] == UInt8(ascii: " ") else { throw .statusLine }
            for index in line.lowerBound + 12..<line.upperBound where !isFieldByte(bytes[index]) { throw .control }
        }
        self.head.status = status
    }

    private mutating func field(_ line: FieldLine, _ bytes: Span<UInt8>) throws(Refusal) {
        switch line.name.count {
        case 10 where bytes.matches(line.name, "connection"):
            if bytes.hasToken("close", in: line.value) { self.head.closes = true }
        case 11 where bytes.matches(line.name, "retry-after"):
            self.head.retryAfter = bytes.decimal(line.value)
        case 14 where bytes.matches(line.name, "content-length"):
            guard let length = bytes.decimal(line.value), self.contentLength == nil || self.contentLength == length else {
                throw .contentLength
            }
            self.contentLength = length
        case 14 where bytes.matches(line.name, "groupcache-ttl"):
            self.head.ttl = bytes.decimal(line.value)
        case 14 where bytes.matches(line.name, "groupcache-age"):
            self.head.age = bytes.decimal(line.value)
        case 16 where bytes.matches(line.name, "groupcache-error"):
            self.head.error = bytes.string(line.value)
        case 17 where bytes.matches(line.name, "transfer-encoding"):
            guard !self.transferEncoding, bytes.matches(line.value, "chunked") else { throw .transferEncoding }
            self.transferEncoding = true
        case 20 where bytes.matches(line.name, "sec-websocket-accept"):
            self.head.webSocketAccept = bytes.string(line.value)
        case 22 where bytes.matches(line.name, "sec-websocket-protocol"):
            self.head.isLink = bytes.matches(line.value, LinkHandshake.subprotocol)
        default:
            if bytes.isPeerField(line.name) { self.head.hasPeerFields = true }
        }
    }
}

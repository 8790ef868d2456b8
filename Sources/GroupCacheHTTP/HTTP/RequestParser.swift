// SPDX-License-Identifier: Apache-2.0

/// Reads heads of HTTP/1.1 requests (RFC 9112), strictly: what two readers could understand differently is refused, because that
/// difference is what request smuggling lives on.
///
/// A pure value: bytes in, a ``RequestHead`` out. The result does not depend on how the bytes were split. Each byte is looked at a
/// constant number of times.
struct RequestParser {
    struct Limits: Equatable {
        var headSize = 16_384
        var targetSize = 13_312
        var headerCount = 100
    }

    private let limits: Limits
    private var lines = LineScanner()
    private var head = RequestHead()
    private var headers = 0
    private var phase = Phase.requestLine
    private var hosts = 0
    private var contentLength: Int?
    private var transferEncoding = false
    private var upgrade = Upgrade()
    private var closes = false
    private var keepsAlive = false

    /// What a request for a link says (RFC 6455 §4.2.1).
    private struct Upgrade {
        var toWebSocket = false
        var inConnection = false
        var isVersion13 = false
        var offersLink = false
        var key: Range<Int>?

        var linkKey: Range<Int>? { self.toWebSocket && self.inConnection && self.isVersion13 && self.offersLink ? self.key : nil }
    }

    private enum Phase { case requestLine, fields }

    init(limits: Limits) {
        self.limits = limits
    }

    /// Reads on.
    ///
    /// - Parameter bytes: what arrived of this head so far, from its first byte; more may follow it.
    /// - Returns: the head, after which the parser is ready for the next one; `nil` when more bytes are needed.
    mutating func parse(_ bytes: Span<UInt8>) throws(Refusal) -> RequestHead? {
        while let line = try self.lines.next(in: bytes) {
            switch self.phase {
            case .requestLine:
                // RFC 9112 §2.2: an empty line before the request is ignored. One, not any number.
                if line.isEmpty, line.lowerBound == 0 { continue }
                // Method, spaces and version are at most 25 bytes more than the target.
                guard line.count <= self.limits.targetSize + 25 else { throw .targetTooLong }
                try self.requestLine(line, bytes)
                self.phase = .fields
            case .fields:
                guard self.lines.lineStart <= self.limits.headSize else { throw .headTooLarge }
                if line.isEmpty { return try self.finish() }
                self.headers += 1
                guard self.headers <= self.limits.headerCount else { throw .headTooLarge }
                try self.field(FieldLine(line, in: bytes), bytes)
            }
        }
        let pending = bytes.count - self.lines.lineStart
        if self.phase == .requestLine, pending > self.limits.targetSize + 27 { throw .targetTooLong }
        if bytes.count > self.limits.headSize { throw .headTooLarge }
        return nil
    }

    private mutating func finish() throws(Refusal) -> RequestHead {
        if self.hosts > 1 || (self.hosts == 0 && self.head.minorVersion == 1) { throw .host }
        if self.transferEncoding {
            guard self.contentLength == nil, self.head.minorVersion == 1 else { throw .transferEncoding }
            self.head.body = .chunked
        } else {
            self.head.body = .length(self.contentLength ?? 0)
        }
        // RFC 9112 §9.3: "close" ends it in any case, and in HTTP/1.0 it ends unless the client has asked for more.
        self.head.keepsAlive = self.head.minorVersion == 0 && self.keepsAlive && !self.closes
        self.head.closes = self.closes || (self.head.minorVersion == 0 && !self.keepsAlive)
        if self.head.method == .get, self.head.minorVersion == 1 {
            self.head.linkKey = self.upgrade.linkKey
            self.head.asksForWebSocket = self.upgrade.toWebSocket && self.upgrade.inConnection
            self.head.webSocketKey = self.head.asksForWebSocket && self.upgrade.isVersion13 ? self.upgrade.key : nil
            self.head.wantsOtherWebSocket = self.head.asksForWebSocket && !self.upgrade.isVersion13
        }
        self.head.length = self.lines.lineStart
        let head = self.head
        self = RequestParser(limits: self.limits)
        return head
    }

    private mutating func requestLine(_ line: Range<Int>, _ bytes: Span<UInt8>) throws(Refusal) {
        var index = line.lowerBound
        while index < line.upperBound, bytes[index] != UInt8(ascii: " ") {
            guard ByteClass.token.contains(bytes[index]) else { throw .requestLine }
            index += 1
        }
        let method = line.lowerBound..<index
        guard !method.isEmpty, index < line.upperBound else { throw .requestLine }
        self.head.method = Self.method(method, bytes)

        let start = index + 1
        index = start
        var query: Int?
        while index < line.upperBound, bytes[index] != UInt8(ascii: " ") {
            let byte = bytes[index]
            // Bytes above ASCII should have been escaped; curl sends them as they are, and they cannot be mistaken for anything.
            guard ByteClass.target.contains(byte) || byte >= 0x80 else { throw .requestLine }
            if byte == UInt8(ascii: "?"), query == nil { query = index }
            index += 1
        }
        let target = start..<index
        guard !target.isEmpty, line.upperBound - index == 9 else { throw .requestLine }
        guard target.count <= self.limits.targetSize else { throw .targetTooLong }
        guard bytes.hasPrefix("HTTP/", at: index + 1), bytes[index + 7] == UInt8(ascii: ".") else { throw .requestLine }
        switch (bytes[index + 6], bytes[index + 8]) {
        case (UInt8(ascii: "1"), UInt8(ascii: "1")): break
        case (UInt8(ascii: "1"), UInt8(ascii: "0")):
            self.head.minorVersion = 0
        default: throw .version
        }

        let end = query ?? target.upperBound
        self.head.query = query.map { $0 + 1..<target.upperBound } ?? end..<end
        if bytes[start] == UInt8(ascii: "/") {
            self.head.path = start..<end
        } else {
            try self.absoluteForm(target, end: end, bytes)
        }
    }

    /// `http://host/path`, as proxies are asked (RFC 9112 §3.2.2); its host is used and the Host header is not. `*` and `host:port`
    /// belong to methods that nobody answers here: their path is empty and matches no route.
    private mutating func absoluteForm(_ target: Range<Int>, end: Int, _ bytes: Span<UInt8>) throws(Refusal) {
        let scheme = "http://"
        guard target.count > scheme.utf8.count, bytes.matches(target.lowerBound..<target.lowerBound + scheme.utf8.count, scheme) else {
            guard self.head.method == .other || self.head.method == .options else { throw .requestLine }
            self.head.path = target.lowerBound..<target.lowerBound
            return
        }
        let authority = target.lowerBound + scheme.utf8.count
        var index = authority
        while index < end, bytes[index] != UInt8(ascii: "/") { index += 1 }
        guard index > authority, Self.isHost(authority..<index, bytes) else { throw .host }
        self.head.host = authority..<index
        self.head.path = index..<end
    }

    private mutating func field(_ line: FieldLine, _ bytes: Span<UInt8>) throws(Refusal) {
        let value = line.value
        // The length rules most fields out before a byte is compared.
        switch line.name.count {
        case 4 where bytes.matches(line.name, "host"):
            self.hosts += 1
            guard Self.isHost(value, bytes) else { throw .host }
            if self.head.host.isEmpty { self.head.host = value }
        case 6 where bytes.matches(line.name, "expect"):
            guard bytes.matches(value, "100-continue") else { throw .expectation }
            self.head.expectsContinue = self.head.minorVersion == 1
        case 6 where bytes.matches(line.name, "origin"):
            self.head.origin = value
        case 9 where bytes.matches(line.name, "cache-tag"):
            self.head.hasTags = true
        case 10 where bytes.matches(line.name, "tracestate"):
            self.head.tracestate = value
        case 11 where bytes.matches(line.name, "traceparent"):
            self.head.traceparent = value
        case 10 where bytes.matches(line.name, "connection"):
            if bytes.hasToken("close", in: value) { self.closes = true }
            if bytes.hasToken("keep-alive", in: value) { self.keepsAlive = true }
            if bytes.hasToken("upgrade", in: value) { self.upgrade.inConnection = true }
        case 7 where bytes.matches(line.name, "upgrade"):
            if bytes.hasToken("websocket", in: value) { self.upgrade.toWebSocket = true }
        case 17 where bytes.matches(line.name, "sec-websocket-key"):
            // 16 bytes in base64; a second one makes it nobody's.
            self.upgrade.key = self.upgrade.key == nil && value.count == 24 ? value : nil
        case 21 where bytes.matches(line.name, "sec-websocket-version"):
            self.upgrade.isVersion13 = bytes.matches(value, "13")
        case 22 where bytes.matches(line.name, "sec-websocket-protocol"):
            if bytes.hasToken(LinkHandshake.subprotocol, in: value) { self.upgrade.offersLink = true }
        case 5 where bytes.matches(line.name, "range"),
            8 where bytes.matches(line.name, "if-match") || bytes.matches(line.name, "if-range"),
            13 where bytes.matches(line.name, "if-none-match") || bytes.matches(line.name, "content-range"),
            17 where bytes.matches(line.name, "if-modified-since"), 19 where bytes.matches(line.name, "if-unmodified-since"):
            self.head.hasConditions = true
        case 12 where bytes.matches(line.name, "content-type"):
            self.head.hasManyContentTypes = self.head.contentType != nil
            self.head.contentType = value
        case 13 where bytes.matches(line.name, "authorization"):
            guard self.head.authorization == nil else { throw .authorization }
            self.head.authorization = value
        case 13 where bytes.matches(line.name, "cache-control"):
            self.head.cacheControl.add(value, bytes)
        case 14 where bytes.matches(line.name, "content-length"):
            guard let length = bytes.decimal(value), self.contentLength == nil || self.contentLength == length else { throw .contentLength }
            self.contentLength = length
        case 14 where bytes.matches(line.name, "groupcache-ttl"):
            self.head.ttl = bytes.decimal(value)
            if self.head.ttl == nil { self.head.hasMalformedTTL = true }
        case 15 where bytes.matches(line.name, "groupcache-ring"):
            self.head.ring = bytes.hexadecimal(value)
        case 17 where bytes.matches(line.name, "transfer-encoding"):
            guard !self.transferEncoding, bytes.matches(value, "chunked") else { throw .transferEncoding }
            self.transferEncoding = true
        case 18 where bytes.matches(line.name, "groupcache-timeout"):
            self.head.timeout = bytes.decimal(value)
        default:
            if bytes.isPeerField(line.name) { self.head.hasPeerFields = true }
        }
    }

    private static func method(_ range: Range<Int>, _ bytes: Span<UInt8>) -> RequestHead.Method {
        if bytes.equals(range, "GET") { return .get }
        if bytes.equals(range, "HEAD") { return .head }
        if bytes.equals(range, "PUT") { return .put }
        if bytes.equals(range, "POST") { return .post }
        if bytes.equals(range, "DELETE") { return .delete }
        if bytes.equals(range, "OPTIONS") { return .options }
        return .other
    }

    private static func isHost(_ range: Range<Int>, _ bytes: Span<UInt8>) -> Bool {
        guard !range.isEmpty, range.count <= 255 + 6 else { return false }
        for index in range where !ByteClass.host.contains(bytes[index]) { return false }
        return true
    }
}

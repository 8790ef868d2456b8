// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import HTTPTypes
internal import NIOCore

/// A request that another server has read, in the form in which this one reads its own: as the bytes of a head, so that the same parser looks at it, and
/// what it refuses is refused here.
struct MountedRequest: Sendable {
    let head: RequestHead
    /// Begin with the head.
    let bytes: ByteBuffer
    var isHead: Bool { self.head.method == .head }
    var trace: PeerTrace? { self.head.trace(self.bytes.readableBytesUInt8Span) }

    /// What belongs to the connection, which is another server's, and what that one has dealt with.
    private static let dropped: Set<String> = [
        "host", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect", "content-length",
        "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions",
    ]

    /// - Throws: what the server of the pool itself would refuse such a request for.
    init(_ request: HTTPRequest, _ limits: RequestParser.Limits) throws(Refusal) {
        let path = request.path ?? "/"
        let authority = request.authority ?? request.headerFields[Self.host] ?? ""
        var head = ByteBuffer()
        // A line's end or a blank in one of these would begin another line or another word; what else is wrong with them the parser finds.
        for text in [request.method.rawValue, path, authority] {
            guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { throw .requestLine }
        }
        head.writeString("\(request.method.rawValue) \(path) HTTP/1.1\r\nHost: \(authority)\r\n")
        for field in request.headerFields where !Self.dropped.contains(field.name.canonicalName) {
            guard field.value.utf8.allSatisfy({ $0 != 0x0D && $0 != 0x0A && $0 != 0 }) else { throw .fieldLine }
            head.writeString("\(field.name.rawName): \(field.value)\r\n")
            guard head.readableBytes <= limits.headSize else { throw .headTooLarge }
        }
        head.writeStaticString("\r\n")
        var parser = RequestParser(limits: limits)
        guard var parsed = try parser.parse(head.readableBytesUInt8Span) else { throw .headTooLarge }
        if let field = request.headerFields[.contentLength] {
            guard let length = Int(field), length >= 0 else { throw .contentLength }
            parsed.body = .length(length)
        } else if request.method == .put || request.method == .post || request.headerFields[.transferEncoding] != nil {
            parsed.body = .chunked
        }
        self.head = parsed
        self.bytes = head
    }

    private static let host = HTTPField.Name("Host")!

    func match(_ table: RouteTable) -> RouteTable.Match {
        table.match(self.head.method, self.head.path, self.bytes.readableBytesUInt8Span)
    }

    func refusal(_ router: Router, _ match: RouteTable.Match) -> Failure? {
        router.refuseBody(self.head, self.bytes.readableBytesUInt8Span, match)
    }

    func answer(_ router: Router, _ match: RouteTable.Match, _ body: RequestBody) -> Router.Answer {
        var scratch: [UInt8] = []
        return router.answer(self.head, self.bytes.readableBytesUInt8Span, match, body: body, scratch: &scratch)
    }
}

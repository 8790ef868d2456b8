// SPDX-License-Identifier: Apache-2.0

internal import GroupCache

/// What the server needs of a request's head. Everything is a number or a range of offsets from the first byte of the head, so that
/// reading a request allocates nothing.
struct RequestHead: Equatable {
    enum Method: Equatable {
        case get, head, put, post, delete, options, other
    }

    /// How long the body is.
    enum Body: Equatable {
        case length(Int)
        case chunked
    }

    var method: Method = .other
    /// The path of the target, without the query, not decoded.
    var path = 0..<0
    /// The query of the target, without its `?`; empty when there is none.
    var query = 0..<0
    /// The host with its port, of the target if that is in absolute form, else of the Host header.
    var host = 0..<0
    var minorVersion = 1
    /// Whether the connection ends with this request.
    var closes = false
    /// HTTP/1.0: whether the client has asked for the connection to go on.
    var keepsAlive = false
    var body = Body.length(0)
    var expectsContinue = false
    /// Whether there are headers that only ``RequestConditions`` reads.
    var hasConditions = false
    var cacheControl = CacheControl()
    var origin: Range<Int>?
    var contentType: Range<Int>?
    /// Said twice, nobody knows which is meant.
    var hasManyContentTypes = false
    var authorization: Range<Int>?
    /// W3C Trace Context. Not checked: that is the tracer's business.
    var traceparent: Range<Int>?
    var tracestate: Range<Int>?
    /// `GroupCache-Timeout`, in milliseconds.
    var timeout: Int?
    /// `GroupCache-TTL`, in milliseconds.
    var ttl: Int?
    /// There is such a header, and it is no number.
    var hasMalformedTTL = false
    /// `GroupCache-Ring`.
    var ring: UInt64?
    /// `Sec-WebSocket-Key`, when the request asks for an upgrade to a link.
    var linkKey: Range<Int>?
    /// Whether it asks for a WebSocket, whatever is spoken over it.
    var asksForWebSocket = false
    /// `Sec-WebSocket-Key`, when it asks for one of version 13.
    var webSocketKey: Range<Int>?
    /// Whether it asks for a WebSocket of another version than the one there is.
    var wantsOtherWebSocket = false
    /// Whether there are headers of our own that are read only by who wants them: see ``PeerFields``.
    var hasPeerFields = false
    /// Whether there is a `Cache-Tag`: see ``CacheTags``.
    var hasTags = false
    /// How many bytes the head has, with its last empty line.
    var length = 0
}

extension RequestHead {
    /// The trace that the request is a part of.
    func trace(_ bytes: Span<UInt8>) -> PeerTrace? {
        guard let traceparent else { return nil }
        return PeerTrace(traceparent: bytes.string(traceparent), tracestate: self.tracestate.map { bytes.string($0) } ?? "")
    }
}

internal import GroupCache
internal import NIOCore

/// What a route answers, before it is put into bytes.
enum Reply: Sendable {
    /// A value of the public route, with everything a cache in between wants to know.
    case entry(ServedEntry)
    /// A value and nothing else, for the tutorial's front end.
    case raw(ServedEntry)
    /// A value for a peer.
    case peerEntry(ServedEntry)
    case json(ByteBuffer)
    case text(Int, StaticString)
    case noContent
    /// 200 without a body: what Go's peers expect after a set or remove.
    case empty
    case failure(Status)
    case peerFailure(GroupCacheError)
    /// A peer used a method that the dialect does not have.
    case peerMethod(allow: StaticString)
}

/// What of a request its answer depends on.
struct ReplyOptions: Sendable, Equatable {
    /// HEAD: the same head, no body.
    var isHead = false
    /// The connection ends with this response.
    var closes = false
    /// The value of If-None-Match.
    var ifNoneMatch: [UInt8]?
}

/// What the client needs of a response's head.
struct ResponseHead: Equatable {
    var status = 0
    /// How long the body is; `nil`: it ends with the connection.
    var body: RequestHead.Body?
    /// Whether the connection ends with this response.
    var closes = false
    /// `GroupCache-TTL`, in milliseconds.
    var ttl: Int?
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

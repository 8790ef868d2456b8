// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import Informers
internal import NIOCore

/// What a route answers, before it is put into bytes.
struct Response: Sendable {
    enum Body: Sendable {
        /// There is none, and nothing is said of its length: 204 and 304.
        case none
        case bytes(ByteBuffer)
        case value(ByteView)
        /// Some bytes of a value.
        case part(ByteView, Range<Int>)
        /// A value as a protocol buffer message.
        case message(ByteView, expire: Int64?)
        case stream(Stream)
    }

    /// A body that is made while it is sent.
    struct Stream: Sendable {
        /// Hands over piece after piece. Each suspends while the client reads more slowly than they come; when the client is gone the task is
        /// cancelled.
        let run: @Sendable (_ write: @escaping @Sendable (ByteBuffer) async -> Void) async -> Void
        /// What a watch has beside other streams; `nil`: it is none.
        var watch: Watch?

        struct Watch: Sendable, Equatable {
            /// After how long it ends.
            var timeout: TimeAmount
            /// Whether pieces are frames of a WebSocket.
            var isSocket: Bool
        }
    }

    /// What `Cache-Status` says (RFC 9211).
    struct CacheStatus: Sendable {
        var source: ServedEntry.Source
        var collapsed: Bool
        var isStored: Bool
        var wasStale: Bool
        var ttl: Duration?

        init(_ entry: ServedEntry) {
            self.source = entry.source
            self.collapsed = entry.collapsed
            self.isStored = entry.isStored
            self.wasStale = entry.wasStale
            self.ttl = entry.ttl
        }
    }

    /// What `Content-Range` says of a value of so many bytes.
    enum ContentRange: Sendable {
        case part(Range<Int>, of: Int)
        case nothing(of: Int)
    }

    /// The header fields that a response of ours may have, besides those that every one has. `nil` and `false`: not this one.
    struct Fields: Sendable {
        var tag: UInt64?
        /// Seconds.
        var age: Int?
        /// Seconds, of which ``age`` have passed.
        var maxAge: Int?
        /// What is said of the value: when it was sent and changed, and what caches are to do with it beside how long it is fresh.
        var attributes = EntryAttributes.none
        /// Whether parts of the value can be asked for.
        var acceptsRanges = false
        var contentRange: ContentRange?
        var cacheStatus: CacheStatus?
        /// The name of an error's code.
        var error: String?
        /// `GroupCache-TTL`, in milliseconds.
        var ttl: Int?
        /// `GroupCache-Age`, in milliseconds.
        var ageForPeers: Int64?
        /// Seconds.
        var retryAfter: Int?
        var allow: String?
        /// The version of WebSocket that is spoken here is said.
        var saysWebSocket = false
        var contentType: StaticString?
        /// In place of ``contentType``.
        var mediaType: String?
        /// Browsers are not to guess another type.
        var isOfThatType = false
        /// What our own nodes say to each other beside that.
        var ofPeers: PeerFields?
        /// Not to be kept by anybody.
        var isForNow = false
        /// Told as it happens.
        var isTold = false
        /// The origin whose pages may read it.
        var sharedWith: String?
        /// Whether that is all that was asked.
        var isPreflight = false
        /// What the server of a WebSocket answers to its client's key.
        var webSocketAccept: String?
    }

    var status: Int
    var fields = Fields()
    var body = Body.none
}

/// What of a request the form of its response depends on.
struct ResponseOptions: Sendable, Equatable {
    /// HEAD: the same head, no body.
    var isHead = false
    /// The connection ends with this response.
    var closes = false
    /// HTTP/1.0: it does not, and the client has to be told so.
    var saysKeepAlive = false
}

// MARK: For everybody

extension Response {
    static let noContent = Response(status: 204)
    /// There was nothing there before.
    static let created = Response(status: 201, body: .bytes(ByteBuffer()))
    /// 200 without a body: what Go's peers expect after a set or remove.
    static let empty = Response(status: 200, body: .bytes(ByteBuffer()))

    static func json(_ body: ByteBuffer) -> Response {
        self.page(200, "application/json", body)
    }

    /// What can be asked of a node, for programs.
    static var description: Response { self.page(200, "application/yaml", ByteBuffer(string: OpenAPI.document)) }

    static func text(_ status: Int, _ text: StaticString) -> Response {
        self.page(status, "text/plain; charset=utf-8", ByteBuffer(staticString: text))
    }

    private static func page(_ status: Int, _ type: StaticString, _ body: ByteBuffer) -> Response {
        var response = Response(status: status, body: .bytes(body))
        response.fields.contentType = type
        response.fields.isOfThatType = true
        response.fields.isForNow = true
        return response
    }

    static func failure(_ failure: Failure) -> Response {
        var json = JSONWriter()
        failure.write(&json)
        json.newline()
        var response = self.page(failure.status.code, "application/json", json.buffer)
        response.fields.error = failure.error
        response.fields.retryAfter = failure.status.details?.retryAfterSeconds
        response.fields.allow = failure.allow?.description
        return response
    }

    /// A change is made, and not all nodes have heard of it; `nil`: the error is another one.
    static func pending(_ error: GroupCacheError) -> Response? {
        guard let json = Failure.pending(error) else { return nil }
        var response = self.page(202, "application/json", json.buffer)
        response.fields.error = error.code.description
        return response
    }

    /// A WebSocket of a version that is not spoken here is asked for (RFC 6455 §4.4).
    static var otherWebSocket: Response {
        var response = self.failure(Failure(426, "only version 13 of WebSocket is spoken here", .request))
        response.fields.saysWebSocket = true
        return response
    }

    /// JSON lines, as they come.
    static func lines(_ run: @escaping @Sendable (_ write: @escaping @Sendable (ByteBuffer) async -> Void) async -> Void) -> Response {
        var response = Response(status: 200, body: .stream(Stream(run: run)))
        response.fields.contentType = "application/jsonl"
        response.fields.isOfThatType = true
        return response
    }
}

// MARK: Values

extension Response {
    /// A value of the public route, with everything a cache in between wants to know.
    ///
    /// - Parameters:
    ///   - conditions: what the request makes its answer depend on.
    ///   - isGet: only then a part of it can be asked for.
    static func entry(_ entry: ServedEntry, _ conditions: RequestConditions?, isGet: Bool) -> Response {
        guard let value = entry.value else {
            var response = self.failure(Failure(.notFound))
            response.fields.cacheStatus = CacheStatus(entry)
            return response
        }
        let tag = EntityTag(of: value)
        var fields = Fields()
        fields.tag = tag.hash
        fields.age = max(0, entry.age)
        // Whoever keeps it takes off the age that it has already (RFC 9111 §4.2.3).
        fields.maxAge = entry.ttl.map { max(0, (entry.lifetime ?? .seconds(max(0, entry.age)) + $0).milliseconds / 1_000) }
        fields.attributes = entry.attributes
        fields.cacheStatus = CacheStatus(entry)
        var part: ByteRanges.Part?
        if let conditions {
            let dates = conditions.comparesDates ? RequestConditions.Dates(entry.attributes) : .init()
            switch conditions.reading(tag, dates) {
            case .go: if isGet { part = conditions.part(of: value.count, tag, dates) }
            case .notModified: return Response(status: 304, fields: fields)
            case .failed:
                var response = self.failure(.conditionFailed)
                (response.fields.tag, response.fields.cacheStatus) = (fields.tag, fields.cacheStatus)
                return response
            }
        }
        if case .nothing = part {
            var response = self.failure(Failure(416, "the value has no such part", .key))
            response.fields.contentRange = .nothing(of: value.count)
            (response.fields.tag, response.fields.age, response.fields.attributes) = (fields.tag, fields.age, fields.attributes)
            response.fields.cacheStatus = fields.cacheStatus
            return response
        }
        if let type = entry.attributes.contentType { fields.mediaType = type } else { fields.contentType = "application/octet-stream" }
        fields.isOfThatType = true
        fields.acceptsRanges = true
        guard case .bytes(let range) = part else { return Response(status: 200, fields: fields, body: .value(value)) }
        fields.contentRange = .part(range, of: value.count)
        return Response(status: 206, fields: fields, body: .part(value, range))
    }

    /// A value and nothing else, for the tutorial's front end.
    static func raw(_ entry: ServedEntry) -> Response {
        guard let value = entry.value else { return self.failure(Failure(.notFound)) }
        var response = Response(status: 200, body: .value(value))
        if let type = entry.attributes.contentType {
            response.fields.mediaType = type
        } else {
            response.fields.contentType = "application/octet-stream"
        }
        response.fields.isOfThatType = true
        return response
    }
}

// MARK: For peers

extension Response {
    /// A value for a peer.
    static func peerEntry(_ entry: ServedEntry, _ dialect: Dialect) -> Response {
        guard let value = entry.value else {
            var error = GroupCacheError.notFound
            error.retryAfter = entry.ttl
            return self.peerFailure(error, dialect)
        }
        var response = Response(status: 200, body: .value(value))
        response.fields.contentType = dialect.contentType
        if dialect.base == .native {
            response.fields.ttl = entry.ttl.map { max(0, $0.milliseconds) }
            if entry.ageInMilliseconds > 0 { response.fields.ageForPeers = entry.ageInMilliseconds }
            if entry.schema != nil || !entry.attributes.isNone || entry.isOwn {
                var fields = PeerFields()
                (fields.schema, fields.attributes, fields.isOwn) = (entry.schema, entry.attributes, entry.isOwn)
                response.fields.ofPeers = fields
            }
        }
        guard dialect.usesProtobuf else { return response }
        // A value without an end has `expire` 0, as mailgun's server writes it. One that is past its time would be thrown away, and the origin asked
        // in its place, which is what a stale value is to prevent.
        let left = entry.ttl.map { entry.source == .stale && $0 <= .zero ? max(entry.staleFor, .seconds(1)) : $0 }
        let expire = dialect.hasExpire ? left.map { HTTPDate.unixNanoseconds() &+ $0.nanoseconds } ?? 0 : nil
        response.body = .message(value, expire: expire)
        return response
    }

    static func peerFailure(_ error: GroupCacheError, _ dialect: Dialect) -> Response {
        let (status, text) = dialect.answer(to: error)
        var body = ByteBuffer(staticString: text)
        body.writeStaticString("\n")
        var response = Response(status: status, body: .bytes(body))
        response.fields.error = error.code.description
        response.fields.ttl = error.retryAfter.map { max(0, $0.milliseconds) }
        if status == 503, error.code == .overloaded { response.fields.retryAfter = 1 }
        response.fields.contentType = "text/plain; charset=utf-8"
        response.fields.isOfThatType = true
        return response
    }
}

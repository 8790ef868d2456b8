internal import GroupCache
internal import NIOCore

/// The error object of the public routes, in the shape that Kubernetes gave it.
struct Status: Sendable {
    /// What the error is about.
    enum Subject: String {
        case key, group, path, request, node
    }

    var code: Int
    var reason: String
    var message: String
    var subject: Subject
    /// Seconds until it makes sense to ask again.
    var retryAfter: Int?
    /// The methods that the path answers, for 405.
    var allow: StaticString?
    /// Of a ``GroupCacheError``: the name of its code.
    var error: String?

    init(_ code: Int, _ message: String, _ subject: Subject, allow: StaticString? = nil) {
        self.code = code
        self.reason = Self.reason(code)
        self.message = message
        self.subject = subject
        self.allow = allow
    }

    init(_ error: GroupCacheError) {
        let (code, subject): (Int, Subject) =
            switch error.code {
            case .notFound: (404, .key)
            case .noSuchGroup: (404, .group)
            case .emptyKey, .keyTooLong: (400, .key)
            case .badRequest: (400, .request)
            case .unauthorized: (403, .request)
            case .valueTooLarge: (413, .key)
            case .unsupported: (501, .request)
            case .getterFailed, .peerFailed: (502, .key)
            case .overloaded, .shutDown: (503, .node)
            case .deadlineExceeded: (504, .key)
            default: (500, .key)
            }
        self.init(code, error.message, subject)
        self.error = error.code.description
        if code == 503 { self.retryAfter = max(1, ((error.retryAfter?.milliseconds ?? 1_000) + 999) / 1_000) }
    }

    init(_ refusal: Refusal) {
        self.init(refusal.status, refusal.message, .request)
        if refusal.status == 503 { self.retryAfter = 1 }
    }

    static let tokenNeeded = unauthorized(401, "changing something needs a token of this node, in the header Authorization: Bearer")
    static let certificateNeeded = unauthorized(403, "changing something needs a client certificate that this node trusts")
    static let noSuchGroup = Status(GroupCacheError(.noSuchGroup, "there is no such group"))
    static let noSuchPath = Status(404, "there is no such path", .path)
    static let slashInKey = Status(404, "there is no such path; a slash in a key is written %2F", .path)
    static let badEscape = Status(400, "a percent sign stands before something else than two hexadecimal digits", .path)

    private static func unauthorized(_ code: Int, _ message: String) -> Status {
        var status = Status(code, message, .request)
        status.error = GroupCacheError.Code.unauthorized.description
        return status
    }

    func write(_ json: inout JSONWriter) {
        json.object { json in
            json.string("kind", "Status")
            json.string("status", "Failure")
            json.number("code", self.code)
            json.string("reason", self.reason)
            json.string("message", self.message)
            json.object("details") { json in
                json.string("kind", self.subject.rawValue)
                if let error { json.string("error", error) }
                if let retryAfter { json.number("retryAfterSeconds", retryAfter) }
            }
        }
    }

    private static func reason(_ code: Int) -> String {
        switch code {
        case 400: "BadRequest"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "NotFound"
        case 405: "MethodNotAllowed"
        case 413: "RequestEntityTooLarge"
        case 414: "RequestURITooLong"
        case 417: "ExpectationFailed"
        case 431: "RequestHeaderFieldsTooLarge"
        case 501: "NotImplemented"
        case 502: "BadGateway"
        case 503: "ServiceUnavailable"
        case 504: "Timeout"
        case 505: "HTTPVersionNotSupported"
        default: "InternalError"
        }
    }
}

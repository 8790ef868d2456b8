// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
package import Informers

/// The error of a public route: the object that says so, and what of it stands in the head only.
package struct Failure: Sendable {
    /// What the error is about.
    enum Subject: String {
        case key, group, path, request, node
        case version = "resourceVersion"
    }

    package var status: Status
    /// The methods that the path answers, for 405.
    var allow: Route.Methods?
    /// Of a ``GroupCacheError``: the name of its code.
    var error: String?

    init(_ code: Int, _ message: String, _ subject: Subject, allow: Route.Methods? = nil) {
        self.status = Status(Self.reason(code), code: code, message: message, details: .init(kind: subject.rawValue))
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
            case .conditionFailed: (412, .key)
            case .valueTooLarge: (413, .key)
            case .notOwner, .ringsDiffer: (421, .key)
            case .notDelivered: (503, .node)
            case .ownerChanging: (503, .key)
            case .unsupported, .cannotFollow: (501, .request)
            case .getterFailed, .peerFailed: (502, .key)
            case .overloaded, .shutDown: (503, .node)
            case .deadlineExceeded: (504, .key)
            default: (500, .key)
            }
        self.init(code, error.message, subject)
        self.error = error.code.description
        if code == 503 { self.status.details?.retryAfterSeconds = max(1, ((error.retryAfter?.milliseconds ?? 1_000) + 999) / 1_000) }
    }

    /// What a log says to those who watch.
    init(_ status: Status) {
        self.init(status.code, status.message, .version)
        self.status = status
        self.status.details?.kind = Subject.version.rawValue
        if status.details == nil { self.status.details = .init(kind: Subject.version.rawValue) }
    }

    init(_ refusal: Refusal) {
        self.init(refusal.status, refusal.message, .request)
        if refusal.status == 503 { self.status.details?.retryAfterSeconds = 1 }
    }

    static let tokenNeeded = unauthorized(401, "changing something needs a token of this node, in the header Authorization: Bearer")
    static let certificateNeeded = unauthorized(403, "changing something needs a client certificate that this node trusts")
    static let changesNotTaken = unauthorized(403, "nothing can be changed through this port: the pool has no tokens to be shown here")
    static let conditionFailed = Failure(.conditionFailed)
    static let readTokenNeeded = unauthorized(401, "reading needs a token of this node, in the header Authorization: Bearer")
    static let readCertificateNeeded = unauthorized(403, "reading needs a client certificate that this node trusts")
    static let foreignHost = Failure(
        403,
        "this node does not go by the name in the Host header where something is to be changed; --host NAME allows one",
        .request
    )
    static let tooManyConnections = busy("there are too many connections; try again")
    static let tooMuchAtWork = busy("too many requests are waiting; try again")
    static let notCached = Failure(504, "the value is not cached, and only what is cached was asked for", .key)
    static let foreignOrigin = Failure(403, "a page of another origin may not change anything here", .request)
    static let noSuchGroup = Failure(GroupCacheError(.noSuchGroup, "there is no such group"))
    static let unknownWait = Failure(400, "wait is owner or applied", .request)
    static let noSuchPath = Failure(404, "there is no such path", .path)
    static let notAcceptable = Failure(406, "a watch is told as application/json or text/event-stream", .request)
    static let noStreams = Failure(505, "a stream needs HTTP/1.1", .request)
    static let noKeyOfWebSocket = Failure(400, "an upgrade to WebSocket needs a Sec-WebSocket-Key of 16 bytes in base64", .request)
    static let foreignSocket = Failure(403, "a page of another origin may not open a WebSocket here; --cors-origin allows one", .request)
    static let noLog = Failure(501, "this node keeps no log of changes: its dialect, or a pool without links, has none", .node)
    static let notListed = Failure(501, "the group does not say what it holds", .group)
    static let tooManyWatchers: Failure = {
        var failure = Failure(429, "there are too many watchers; try again, or ask another node", .node)
        failure.status.details?.retryAfterSeconds = 5
        return failure
    }()
    static let slashInKey = Failure(404, "there is no such path; a slash in a key is written %2F", .path)
    static let badEscape = Failure(400, "a percent sign stands before something else than two hexadecimal digits", .path)

    private static func busy(_ message: String) -> Failure {
        Failure(GroupCacheError(.overloaded, message, retryAfter: .seconds(1)))
    }

    private static func unauthorized(_ code: Int, _ message: String) -> Failure {
        var failure = Failure(code, message, .request)
        failure.error = GroupCacheError.Code.unauthorized.description
        return failure
    }

    /// What is said of a change that is made, but of which not all nodes have heard, or may never say so; `nil`: of any other error.
    static func pending(_ error: GroupCacheError) -> JSONWriter? {
        guard error.code == .notDelivered || error.code == .cannotFollow else { return nil }
        var json = JSONWriter()
        json.object { json in
            json.string("kind", "Status")
            json.string("status", "Success")
            json.number("code", 202)
            json.string("message", error.message)
            json.object("details") { json in
                json.string("kind", Subject.node.rawValue)
                json.string("error", error.code.description)
                json.array("nodes") { json in for node in error.nodes { json.string(nil, node) } }
            }
        }
        json.newline()
        return json
    }

    func write(_ json: inout JSONWriter) {
        json.object { json in
            json.string("kind", "Status")
            json.string("status", "Failure")
            json.number("code", self.status.code)
            json.string("reason", self.status.reason.rawValue)
            json.string("message", self.status.message)
            json.object("details") { json in
                json.string("kind", self.status.details?.kind)
                if let error { json.string("error", error) }
                // Where a log begins and ends, for people: programs list anew.
                for cause in self.status.details?.causes ?? [] {
                    if let reason = cause.reason { json.string(reason.lowercased(), cause.message) }
                }
                if let seconds = self.status.details?.retryAfterSeconds { json.number("retryAfterSeconds", seconds) }
            }
        }
    }

    private static func reason(_ code: Int) -> Status.Reason {
        switch code {
        case 400: .badRequest
        case 401: .unauthorized
        case 403: .forbidden
        case 404: .notFound
        case 405: .methodNotAllowed
        case 406: .notAcceptable
        case 410: .expired
        case 412: "PreconditionFailed"
        case 413: .requestEntityTooLarge
        case 414: "RequestURITooLong"
        case 416: "RangeNotSatisfiable"
        case 417: "ExpectationFailed"
        case 421: "MisdirectedRequest"
        case 426: "UpgradeRequired"
        case 429: .tooManyRequests
        case 431: "RequestHeaderFieldsTooLarge"
        case 501: "NotImplemented"
        case 502: "BadGateway"
        case 503: .serviceUnavailable
        case 504: .timeout
        case 505: "HTTPVersionNotSupported"
        default: .internalError
        }
    }
}

extension GroupCacheError {
    /// The status of the response that this error means.
    package var httpStatus: Int { Failure(self).status.code }
}

// SPDX-License-Identifier: Apache-2.0

/// How a source says that something failed: the object of an ERROR event, and the body of an HTTP error.
///
/// Its JSON is `{"kind":"Status","status":"Failure","code":410,"reason":"Expired","message":…,"details":{…}}`.
public struct Status: Error, Sendable, Hashable {
    /// Why, in one word that programs can read.
    public struct Reason: RawRepresentable, Sendable, Hashable, ExpressibleByStringLiteral {
        /// The word.
        public var rawValue: String

        /// A reason of any name: sources may know others.
        public init(rawValue: String) { self.rawValue = rawValue }
        /// A reason of any name: sources may know others.
        public init(stringLiteral value: String) { self.rawValue = value }

        /// 400
        public static let badRequest: Self = "BadRequest"
        /// 401
        public static let unauthorized: Self = "Unauthorized"
        /// 403
        public static let forbidden: Self = "Forbidden"
        /// 404
        public static let notFound: Self = "NotFound"
        /// 405
        public static let methodNotAllowed: Self = "MethodNotAllowed"
        /// 406
        public static let notAcceptable: Self = "NotAcceptable"
        /// 409: there is one of that name.
        public static let alreadyExists: Self = "AlreadyExists"
        /// 409: it has changed since it was read.
        public static let conflict: Self = "Conflict"
        /// 410: it is gone for good.
        public static let gone: Self = "Gone"
        /// 410: the resource version is too old, or of another life of the source.
        public static let expired: Self = "Expired"
        /// 413
        public static let requestEntityTooLarge: Self = "RequestEntityTooLarge"
        /// 415
        public static let unsupportedMediaType: Self = "UnsupportedMediaType"
        /// 422
        public static let invalid: Self = "Invalid"
        /// 429
        public static let tooManyRequests: Self = "TooManyRequests"
        /// 500
        public static let internalError: Self = "InternalError"
        /// 500: could not be done in time, and may be tried again.
        public static let serverTimeout: Self = "ServerTimeout"
        /// 503
        public static let serviceUnavailable: Self = "ServiceUnavailable"
        /// 504
        public static let timeout: Self = "Timeout"
        /// No reason is known.
        public static let unknown: Self = ""
    }

    /// One of several causes.
    public struct Cause: Sendable, Hashable, Codable {
        /// Why, in one word.
        public var reason: String?
        /// Why, for people.
        public var message: String?
        /// Which part of the request is meant.
        public var field: String?

        /// A cause.
        public init(reason: String? = nil, message: String? = nil, field: String? = nil) {
            self.reason = reason
            self.message = message
            self.field = field
        }
    }

    /// More about a failure.
    public struct Details: Sendable, Hashable, Codable {
        /// What kind of thing was asked for.
        public var kind: String?
        /// Its name.
        public var name: String?
        /// Why; there may be several.
        public var causes: [Cause]?
        /// How many seconds to wait before trying again.
        public var retryAfterSeconds: Int?

        /// Details.
        public init(kind: String? = nil, name: String? = nil, causes: [Cause]? = nil, retryAfterSeconds: Int? = nil) {
            self.kind = kind
            self.name = name
            self.causes = causes
            self.retryAfterSeconds = retryAfterSeconds
        }
    }

    /// `false` only for a report of success.
    public var isFailure: Bool
    /// The HTTP status.
    public var code: Int
    /// Why, for programs.
    public var reason: Reason
    /// Why, for people.
    public var message: String
    /// More.
    public var details: Details?

    /// A failure, or a success.
    ///
    /// - Parameters:
    ///   - reason: Why, for programs.
    ///   - code: The HTTP status; by default the one that belongs to `reason`, and 500 for a reason of your own.
    ///   - message: Why, for people.
    ///   - details: More.
    ///   - isFailure: `false` for a report of success.
    public init(_ reason: Reason, code: Int? = nil, message: String = "", details: Details? = nil, isFailure: Bool = true) {
        self.reason = reason
        self.code = code ?? reason.code
        self.message = message
        self.details = details
        self.isFailure = isFailure
    }

    /// Any error as a status: itself if it is one, otherwise 500 without a reason. The text of a foreign error is not shown: it may hold data.
    public init(_ error: any Error) {
        if let status = error as? Status {
            self = status
        } else if let error = error as? WatchError {
            self.init(.unknown, message: error.description)
        } else {
            self.init(.unknown, message: "\(type(of: error))")
        }
    }

    /// The resource version is too old or foreign: list again. In HTTP or as an event, by code or by reason.
    public var isExpired: Bool { self.code == 410 || self.reason == .expired || self.reason == .gone }

    /// The source is busy: ask again later.
    public var isTooManyRequests: Bool { self.code == 429 || self.reason == .tooManyRequests }

    /// The source had an internal error, which may pass.
    public var isInternalError: Bool { self.reason == .internalError }

    /// The source does not yet know the resource version that was asked for.
    public var isTooLargeResourceVersion: Bool {
        guard self.code == 504 || self.reason == .timeout else { return false }
        // Sources older than the reason say so in the text only, first of the whole and later of a cause.
        let text = "Too large resource version"
        if self.details?.causes?.contains(where: { $0.reason == "ResourceVersionTooLarge" || $0.message == text }) == true { return true }
        return self.message.hasPrefix(text) || self.message.hasSuffix(text)
    }

    /// How long the source asks to be left alone.
    public var retryAfter: Duration? { self.details?.retryAfterSeconds.map { .seconds(max(0, $0)) } }

    /// 410 Expired.
    public static func expired(_ message: String = "too old resource version") -> Status { Status(.expired, message: message) }
}

extension Status.Reason {
    /// The HTTP status that belongs to the reason; 500 for an unknown one.
    public var code: Int {
        switch self {
        case .badRequest: 400
        case .unauthorized: 401
        case .forbidden: 403
        case .notFound: 404
        case .methodNotAllowed: 405
        case .notAcceptable: 406
        case .alreadyExists, .conflict: 409
        case .gone, .expired: 410
        case .requestEntityTooLarge: 413
        case .unsupportedMediaType: 415
        case .invalid: 422
        case .tooManyRequests: 429
        case .serviceUnavailable: 503
        case .timeout: 504
        default: 500
        }
    }
}

extension Status: Codable {
    private enum CodingKeys: String, CodingKey { case kind, status, code, reason, message, details }

    /// Reads a status; what is left out gets its default.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let reason = Reason(rawValue: try container.decodeIfPresent(String.self, forKey: .reason) ?? "")
        self.init(
            reason,
            code: try container.decodeIfPresent(Int.self, forKey: .code),
            message: try container.decodeIfPresent(String.self, forKey: .message) ?? "",
            details: try container.decodeIfPresent(Details.self, forKey: .details),
            isFailure: try container.decodeIfPresent(String.self, forKey: .status) != "Success"
        )
    }

    /// Writes the status.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode("Status", forKey: .kind)
        try container.encode(self.isFailure ? "Failure" : "Success", forKey: .status)
        try container.encode(self.code, forKey: .code)
        if self.reason != .unknown { try container.encode(self.reason.rawValue, forKey: .reason) }
        try container.encode(self.message, forKey: .message)
        try container.encodeIfPresent(self.details, forKey: .details)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import GroupCache
internal import GroupCacheHTTP
public import HTTPTypes
public import Hummingbird
internal import Logging

/// What a handler lets through becomes the response that it means: a key that does not exist 404, too much at work 503 with a `Retry-After`, a getter that failed
/// 502, a time that is over 504; and the cause is logged. So a handler need not catch:
/// ```swift
/// router.get("scores/:name") { _, context in
///     try await scores.get(context.parameters.require("name"))
/// }
/// ```
extension GroupCacheError: HTTPResponseError {
    /// The status that the error means: as the pool's own routes answer.
    public var status: HTTPResponse.Status { .init(code: self.httpStatus) }

    /// A response with that status, which shows clients one line without a key and without the cause. That is logged: at `debug` for a key that does not exist,
    /// else at `warning`.
    public func response(from request: Request, context: some RequestContext) throws -> Response {
        var metadata: Logger.Metadata = ["error.code": "\(self.code)"]
        if let group { metadata["group"] = "\(group)" }
        if let cause { metadata["error.type"] = "\(type(of: cause))" }
        context.logger.log(level: self.code == .notFound ? .debug : .warning, "a value could not be had", metadata: metadata)
        // What the getter says may hold the key.
        if let cause { context.logger.debug("the cause", metadata: ["error": "\(cause)"]) }
        var headers = HTTPFields()
        if self.httpStatus == 503 {
            let (seconds, attoseconds) = (self.retryAfter ?? .seconds(1)).components
            headers[.retryAfter] = "\(max(1, seconds + (attoseconds > 0 ? 1 : 0)))"
        }
        return try HTTPError(self.status, headers: headers, message: self.message).response(from: request, context: context)
    }
}

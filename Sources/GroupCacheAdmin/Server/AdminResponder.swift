// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import GroupCacheHTTP
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Informers
internal import Logging

/// From a request to its answer: who asks, for what, and what every answer says beside.
struct AdminResponder: HTTPResponder {
    let routes: AdminRoutes
    let access: AdminAccess
    let configuration: AdminConfiguration

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        var response: Response
        do {
            response = try await self.answer(request, context)
        } catch let failure as AdminFailure {
            response = failure.response()
        } catch let status as Status {
            response = AdminFailure(status).response()
        } catch let error as GroupCacheError {
            response = AdminFailure(error).response()
        } catch is CancellationError {
            response = AdminFailure(.serviceUnavailable, "this node is stopping", kind: "node", retryAfter: 1).response()
        } catch {
            context.logger.error("a request of the admin port failed", metadata: ["error": "\(String(reflecting: type(of: error)))"])
            response = AdminFailure(.internalError, "this node could not do that", kind: "request").response()
        }
        // Of a page that shows what strangers put into a cache nothing may run but what we have put there.
        response.headers[.contentSecurityPolicy] =
            "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[Self.referrerPolicy] = "no-referrer"
        return request.method == .head ? response.createHeadResponse() : response
    }

    private static let referrerPolicy = HTTPField.Name("Referrer-Policy") ?? .contentSecurityPolicy

    private func answer(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        // Hummingbird's reading of an absolute target is not ours to judge: only paths are answered.
        let target = request.head.path ?? ""
        let mark = target.firstIndex(of: "?") ?? target.endIndex
        let path = String(target[..<mark])
        let isTrusted = request.headers[.authorization].map { self.access.accepts(authorization: $0) } ?? false
        if self.configuration.isLoopback, !isTrusted, !self.access.knows(host: request.head.authority ?? "") {
            throw AdminFailure.foreignHost
        }
        let match = try self.routes.match(request.method, path)
        switch match.route.right {
        case .nothing: break
        case .read: guard isTrusted || !self.configuration.tokenReads else { throw AdminFailure.tokenNeeded }
        case .keys, .change:
            guard self.access.knowsTokens else { throw AdminFailure.readOnly }
            guard isTrusted else { throw AdminFailure.tokenNeeded }
        }
        let asked = try AdminRequest(
            request,
            path: path,
            query: mark == target.endIndex ? nil : String(target[target.index(after: mark)...]),
            match: match,
            isTrusted: isTrusted,
            bodySize: self.configuration.bodySize,
            logger: context.logger
        )
        return try await match.route.handler(asked)
    }
}

extension AdminFailure {
    init(_ error: GroupCacheError) {
        let (reason, kind): (Status.Reason, String) =
            switch error.code {
            case .notFound: (.notFound, "key")
            case .noSuchGroup: (.notFound, "group")
            case .emptyKey, .keyTooLong: (.badRequest, "key")
            case .badRequest, .invalidConfiguration: (.badRequest, "request")
            case .overloaded, .shutDown: (.serviceUnavailable, "node")
            case .deadlineExceeded: (.timeout, "key")
            default: (.internalError, "key")
            }
        self.init(reason, error.message, kind: kind, retryAfter: reason == .serviceUnavailable ? 1 : nil)
    }
}

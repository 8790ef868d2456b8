// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Informers
internal import NIOCore

/// The error of an admin route: the house's `Status`, and what of it stands in the head.
struct AdminFailure: Error {
    var status: Status
    /// The methods that the path answers, for 405.
    var allow: [HTTPRequest.Method] = []

    init(_ status: Status, allow: [HTTPRequest.Method] = []) {
        self.status = status
        self.allow = allow
    }

    init(_ reason: Status.Reason, _ message: String, kind: String, code: Int? = nil, retryAfter: Int? = nil) {
        self.init(Status(reason, code: code, message: message, details: .init(kind: kind, retryAfterSeconds: retryAfter)))
    }

    static func badRequest(_ message: String, kind: String = "request") -> AdminFailure { AdminFailure(.badRequest, message, kind: kind) }
    static func notFound(_ message: String, kind: String) -> AdminFailure { AdminFailure(.notFound, message, kind: kind) }
    static let noSuchPath = notFound("there is no such path", kind: "path")
    static let noSuchGroup = notFound("there is no such group", kind: "group")
    static let tokenNeeded = AdminFailure(
        .unauthorized,
        "this needs a token of the admin port, in the header Authorization: Bearer",
        kind: "request"
    )
    static let readOnly = AdminFailure(
        .forbidden,
        "this admin port has no tokens, so it changes nothing and shows no keys; start the node with --admin-token-file",
        kind: "request"
    )
    static let foreignHost = AdminFailure(
        .forbidden,
        "this admin port does not go by the name in the Host header; ask it by its address, or show a token",
        kind: "request"
    )

    /// The answer.
    func response() -> Response {
        var response = AdminJSON.response(self.status, code: self.status.code)
        if self.status.code == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
        if !self.allow.isEmpty { response.headers[.allow] = self.allow.map(\.rawValue).joined(separator: ", ") }
        if let seconds = self.status.details?.retryAfterSeconds { response.headers[.retryAfter] = "\(seconds)" }
        return response
    }
}

/// JSON as the admin port writes it: names in order, one line.
enum AdminJSON {
    static func text(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }

    static func response(_ value: some Encodable, code: Int = 200) -> Response {
        guard var text = try? self.text(value) else { return Response(status: .internalServerError) }
        text.append(UInt8(ascii: "\n"))
        return Response(
            status: .init(code: code),
            headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(bytes: text))
        )
    }
}

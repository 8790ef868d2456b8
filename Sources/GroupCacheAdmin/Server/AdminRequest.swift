// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Informers
internal import Logging
internal import NIOCore

/// A request of the admin port, with what is known of it already.
struct AdminRequest: Sendable {
    let head: HTTPRequest
    let path: String
    /// By name, with every value that it has, decoded.
    let query: [String: [String]]
    /// From the path, decoded.
    let names: [String: [UInt8]]
    /// Whether a token was shown.
    let isTrusted: Bool
    let logger: Logger
    private let body: RequestBody
    private let bodySize: Int

    init(_ request: Request, path: String, query: String?, match: AdminRoutes.Match, isTrusted: Bool, bodySize: Int, logger: Logger)
        throws(AdminFailure)
    {
        self.head = request.head
        self.path = path
        self.query = try Self.parse(query)
        self.names = match.names
        self.isTrusted = isTrusted
        self.bodySize = bodySize
        self.body = request.body
        self.logger = logger
    }

    /// A name of the path as text.
    func name(_ name: String) -> String { String(decoding: self.names[name] ?? [], as: UTF8.self) }

    /// The one value of a query parameter.
    func parameter(_ name: String) throws(AdminFailure) -> String? {
        guard let values = self.query[name] else { return nil }
        guard values.count == 1 else { throw .badRequest("\(name) is given more than once") }
        return values[0]
    }

    /// Refuses parameters that are none of these: a misspelt one would silently do nothing.
    func allowParameters(_ names: String...) throws(AdminFailure) {
        guard self.query.keys.allSatisfy({ names.contains($0) }) else {
            throw .badRequest(
                names.isEmpty ? "this path takes no parameters" : "the parameters of this path are \(names.joined(separator: ", "))"
            )
        }
    }

    /// The whole body.
    ///
    /// - Throws: ``AdminFailure``, 413, when it is larger than this port takes.
    func bytes() async throws -> ByteBuffer {
        if let length = self.head.headerFields[.contentLength].flatMap({ Int($0) }), length > self.bodySize { throw self.tooLarge }
        do {
            return try await self.body.collect(upTo: self.bodySize)
        } catch is NIOTooManyBytesError {
            throw self.tooLarge
        }
    }

    /// The body as JSON.
    func json<T: Decodable>(_ type: T.Type, as what: String) async throws -> T {
        let bytes = try await self.bytes()
        do {
            return try JSONDecoder().decode(type, from: Data(bytes.readableBytesView))
        } catch {
            // Not the decoder's text: it may hold what was sent.
            throw AdminFailure.badRequest("the body is not \(what)")
        }
    }

    private var tooLarge: AdminFailure {
        AdminFailure(.requestEntityTooLarge, "the body is larger than \(self.bodySize) bytes", kind: "request")
    }

    private static func parse(_ query: String?) throws(AdminFailure) -> [String: [String]] {
        guard let query, !query.isEmpty else { return [:] }
        var result: [String: [String]] = [:]
        for part in query.split(separator: "&") {
            let equals = part.firstIndex(of: "=") ?? part.endIndex
            guard let name = AdminRoutes.decode(part[..<equals]),
                let value = AdminRoutes.decode(equals == part.endIndex ? "" : part[part.index(after: equals)...])
            else { throw .badRequest("the query has a percent sign before something else than two hexadecimal digits") }
            result[String(decoding: name, as: UTF8.self), default: []].append(String(decoding: value, as: UTF8.self))
        }
        return result
    }
}

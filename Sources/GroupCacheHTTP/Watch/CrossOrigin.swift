// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import NIOCore

/// Pages of which other origins may read what this node answers (the Fetch standard's CORS); of none, unless it is told.
///
/// Nobody's page may change anything: see ``Router/refuseForeignOrigin(_:_:)``. What a token is asked for a page needs a token for, too.
struct CrossOrigin: Sendable, Equatable {
    private let origins: Set<String>
    private let isAny: Bool

    /// - Parameter origins: such as `https://shop.example.org`, or `*` for all.
    init(_ origins: [String]) throws(GroupCacheError) {
        var known: Set<String> = []
        for origin in origins where origin != "*" {
            let rest = ["http://", "https://"].first { origin.hasPrefix($0) }.map { origin.dropFirst($0.count) }
            guard let rest, !rest.isEmpty, rest.utf8.count <= 261, rest.utf8.allSatisfy({ ByteClass.host.contains($0) }) else {
                throw GroupCacheError(
                    .invalidConfiguration,
                    "\"\(origin)\" is no origin: https://name or https://name:port, without a path; or * for all"
                )
            }
            known.insert(origin.lowercased())
        }
        self.origins = known
        self.isAny = origins.contains("*")
    }

    var isEmpty: Bool { !self.isAny && self.origins.isEmpty }

    func allows(_ origin: String) -> Bool { self.isAny || self.origins.contains(origin.lowercased()) }

    static func write(_ origin: String, isPreflight: Bool, to out: inout ByteBuffer) {
        out.writeStaticString("\r\nVary: Origin\r\nAccess-Control-Allow-Origin: ")
        out.writeString(origin)
        guard isPreflight else {
            out.writeStaticString("\r\nAccess-Control-Expose-Headers: Age, Cache-Status, ETag, GroupCache-Error, Retry-After")
            return
        }
        out.writeStaticString("\r\nAccess-Control-Allow-Methods: GET, HEAD\r\nAccess-Control-Max-Age: 600")
        out.writeStaticString(
            "\r\nAccess-Control-Allow-Headers: Accept, Authorization, Cache-Control, If-None-Match, Last-Event-ID, Range"
        )
    }
}

extension Router {
    /// The origin of the page that asks, if it may read what is answered.
    func sharedOrigin(_ head: RequestHead, _ bytes: Span<UInt8>, _ match: RouteTable.Match) -> String? {
        guard let origin = head.origin, !self.core.crossOrigin.isEmpty else { return nil }
        switch match {
        case .route(_, .read, _, _, _), .route(_, .open, _, _, _): break
        // Who is told that nothing is there may know it, too; and a preflight has a method of its own.
        case .otherMethod(let allowed, _, _, _) where head.method == .options && allowed.contains(.get): break
        case .unknown, .slashInKey: break
        default: return nil
        }
        let text = bytes.string(origin)
        return self.core.crossOrigin.allows(text) ? text : nil
    }

    /// Whether the page that asks is of this very node, or of an origin that may read; no page is that, too.
    func mayOpenSocket(_ head: RequestHead, _ bytes: Span<UInt8>) -> Bool {
        guard let origin = head.origin else { return true }
        return Self.isOwnOrigin(head, bytes) || self.core.crossOrigin.allows(bytes.string(origin))
    }
}

extension Response {
    /// The answer to a browser that asks whether a page may ask.
    static func preflight(_ origin: String) -> Response {
        var response = Response(status: 204)
        (response.fields.sharedWith, response.fields.isPreflight) = (origin, true)
        return response
    }
}

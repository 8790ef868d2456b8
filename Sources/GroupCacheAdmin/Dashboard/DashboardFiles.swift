// SPDX-License-Identifier: Apache-2.0

internal import GroupCache
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// The dashboard's files. They are part of the program: a node in a container has nothing beside it, and nothing of them is looked up by a path.
enum DashboardFiles {
    struct File: Sendable {
        var type: String
        var body: ByteBuffer
        /// Strong: of these very bytes.
        var tag: String

        init(_ type: String, _ text: String) {
            self.type = type
            self.body = ByteBuffer(string: text)
            self.tag = "\"\(String(XXH64.hash(text.utf8.span), radix: 16))\""
        }
    }

    static let index = File("text/html; charset=utf-8", page)
    static let files: [String: File] = [
        "app.js": File("text/javascript; charset=utf-8", script), "style.css": File("text/css; charset=utf-8", style),
        "icon.svg": File("image/svg+xml", icon), "index.html": index,
    ]

    static func response(_ file: File, ifNoneMatch: String?) -> Response {
        let headers: HTTPFields = [.eTag: file.tag, .cacheControl: "no-cache"]
        if let ifNoneMatch, self.fits(file.tag, ifNoneMatch) { return Response(status: .notModified, headers: headers) }
        var all = headers
        all[.contentType] = file.type
        return Response(status: .ok, headers: all, body: .init(byteBuffer: file.body))
    }

    /// Weakly, as RFC 9110 has it for `If-None-Match`.
    static func fits(_ tag: String, _ header: String) -> Bool {
        header.split(separator: ",").contains { part in
            let part = part.trimming()
            return part == "*" || part == tag || part == "W/" + tag
        }
    }
}

extension Admin {
    /// `/` and `/static/…`.
    func addDashboard(to routes: inout AdminRoutes) {
        routes.on(.get, "/", .nothing) { request in
            DashboardFiles.response(DashboardFiles.index, ifNoneMatch: request.head.headerFields[.ifNoneMatch])
        }
        routes.on(.get, "/static/*file", .nothing) { request in
            guard let file = DashboardFiles.files[request.name("file")] else { throw AdminFailure.noSuchPath }
            return DashboardFiles.response(file, ifNoneMatch: request.head.headerFields[.ifNoneMatch])
        }
    }
}

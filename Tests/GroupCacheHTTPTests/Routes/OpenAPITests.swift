// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import GroupCacheHTTP

/// The description of the routes and the routes are the same.
@Suite("Routes: OpenAPI") struct OpenAPITests {
    /// `GET /v1/groups/{}` of a row of the table, or of a line of the document: what stands in braces has different names.
    private static func name(_ method: String, _ path: some StringProtocol) -> String {
        var name = ""
        var isInside = false
        for character in path {
            if character == "}" { isInside = false }
            if !isInside { name.append(character) }
            if character == "{" { isInside = true }
        }
        return "\(method) \(name)"
    }

    @Test("each route that is not for peers is described with each of its methods, and nothing else is")
    func complete() {
        var described: Set<String> = []
        var path = ""
        var isInPaths = false
        for line in OpenAPI.document.split(separator: "\n") {
            if !line.hasPrefix(" ") { isInPaths = line == "paths:" }
            guard isInPaths else { continue }
            if line.hasPrefix("  /"), line.hasSuffix(":") { path = String(line.dropFirst(2).dropLast()) }
            for method in ["get", "head", "put", "delete", "post"] where line == "    \(method):" {
                described.insert(Self.name(method.uppercased(), path))
            }
        }
        var served: Set<String> = []
        for route in RouteTable(dialect: .native, publicRoutes: true).routes where route.access != .peer {
            for method in route.methods.description.split(separator: ", ") { served.insert(Self.name(String(method), route.pattern)) }
        }
        #expect(served.subtracting(described).isEmpty, "not described")
        #expect(described.subtracting(served).isEmpty, "not served")
        #expect(served.count > 25)
    }

    @Test("it is served as YAML, to anybody, where the routes are")
    func served() async throws {
        try await withWatchedNode { _, port, _ in
            let page = try await answer(port, "GET /openapi.yaml")
            #expect(page.status == 200 && page.head.contains("Content-Type: application/yaml") && page.body == OpenAPI.document)
        }
        try await withWatchedNode({ $0.publicRoutes = false }) { _, port, _ in
            let status = try await answer(port, "GET /openapi.yaml").status
            #expect(status == 404)
        }
    }
}

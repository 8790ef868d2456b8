// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Logging
import NIOHTTP1
import Testing

@testable import GroupCacheAdmin
@testable import GroupCacheHTTP

/// The description of the routes and the routes are the same.
@Suite(.timeLimit(.minutes(5))) struct AdminAPITests {
    /// `GET /v1/operations/{}` of a row of the table, or of a line of the document: what stands in braces has different names, and the table writes it otherwise.
    private static func name(_ method: String, _ path: some StringProtocol) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map { part in
            part.hasPrefix("{") || part.hasPrefix(":") || part.hasPrefix("*") ? "{}" : String(part)
        }
        return "\(method) \(parts.joined(separator: "/"))"
    }

    /// Of each method of each path of the document, how it is secured.
    private static func described() -> [String: String] {
        var described: [String: String] = [:]
        var (path, method) = ("", "")
        var isInPaths = false
        for line in AdminAPI.document.split(separator: "\n") {
            if !line.hasPrefix(" ") { isInPaths = line == "paths:" }
            guard isInPaths else { continue }
            if line.hasPrefix("  /"), line.hasSuffix(":") { path = String(line.dropFirst(2).dropLast()) }
            for name in ["get", "put", "delete", "post"] where line == "    \(name):" {
                method = Self.name(name.uppercased(), path)
                described[method] = ""
            }
            if line.hasPrefix("      security: ") { described[method] = String(line.dropFirst("      security: ".count)) }
        }
        return described
    }

    @Test func `Each route is described with each of its methods and what it needs, and nothing else is`() throws {
        let pool = try HTTPPool()
        let admin = Admin(pool: pool, operations: Operations(pool: pool), metrics: nil, levels: nil, logger: Logger(label: "test"))
        var served: [String: String] = [:]
        for route in admin.routes().all {
            served[Self.name(route.method.rawValue, route.pattern)] =
                switch route.right {
                case .nothing: "[{}]"
                case .read: "[{}, { token: [] }]"
                case .keys, .change: "[{ token: [] }]"
                }
        }
        #expect(served == Self.described())
        #expect(served.count > 15)
    }

    @Test func `It is served as YAML to anybody`() async throws {
        try await RunningAdmin.with(.init(admin: { $0.tokenReads = true })) { admin in
            let page = try await admin.ask(.GET, "/openapi.yaml")
            #expect(page.status == 200 && page.headers.first(name: "Content-Type") == "application/yaml" && page.body == AdminAPI.document)
        }
    }
}
